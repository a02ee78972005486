"""The claims held on trials whose truth is known, and the page that says so."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tests.comparison.synthetic import Comparison, Curve, power_law
from textgraft.benchmarking.claims import judge_claims, outcomes_of, reaches, stays_below
from textgraft.benchmarking.claims_page import ClaimsResult, claims_page
from textgraft.benchmarking.reasons import reasons
from textgraft.comparison.judging.development import development_saving
from textgraft.comparison.judging.scores import ScoreTable
from textgraft.evaluation.intervals import Score

SIZES = (10, 100, 1000)
STRONG = Curve("bert-frozen", lambda n: 0.93, lambda n: 0.5)
WEAK = Curve("lstm", lambda n: 0.25 + 0.1 * np.log10(n), lambda n: 4 + n / 40)
FLOOR = Curve("majority", lambda n: 0.2, lambda n: 0.01)
LABEL_SECONDS = 10.0


def _labelled(size):
    return size + max(20, size / 4)


def _claims(*curves, **options):
    comparison = Comparison(curves=curves, sizes=SIZES, **options)
    return judge_claims("set", comparison.trials(), comparison.test_set(), LABEL_SECONDS)


@pytest.fixture(scope="module")
def strong():
    return _claims(FLOOR, WEAK, STRONG)


def test_everything_holds_where_it_was_made_to_hold(strong):
    (contender,) = strong.contenders
    assert {outcome for *_, outcome in outcomes_of(contender)} == {"holds"}
    assert contender.pairs[0].highest.size == 1000
    assert contender.pairs[0].labels.value == 100
    told = " ".join(reasons(strong))
    assert "bert-frozen needs at most 10 labels for lstm's" in told


def test_nothing_holds_where_the_lstm_does_it_all():
    lstm = Curve("lstm", lambda n: 0.5 + 0.13 * np.log10(n), lambda n: 0.1)
    frozen = Curve("bert-frozen", lambda n: 0.2, lambda n: 50.0)
    claims = _claims(lstm, frozen)
    assert {outcome for *_, outcome in outcomes_of(claims.contenders[0])} == {"fails"}
    assert "never reaches lstm's" in " ".join(reasons(claims))


def test_the_saving_of_development_lies_within_its_interval():
    """Labelling at ten seconds a text and training, by declared curves, over six worlds."""
    lstm = Curve("lstm", power_law(9.0, 0.5, 0.02), lambda n: 4 + n / 40)
    frozen = Curve("bert-frozen", power_law(0.9, 0.3, 0.06), lambda n: 1 + n / 150)
    needed = (0.9 / (1 - 0.06 - lstm.accuracy(3000))) ** (1 / 0.3)
    # The trials try a second configuration, for as long again.
    own, theirs = 2 * frozen.seconds(needed), 2 * lstm.seconds(3000)
    truth = (10 * _labelled(3000) + theirs) / (10 * _labelled(needed) + own)
    covered = 0
    for draw in range(6):
        comparison = Comparison(curves=(lstm, frozen), draw=draw, rows=2000)
        table = ScoreTable(comparison.trials(), comparison.test_set())
        ratio = development_saving(table, "bert-frozen", "lstm", LABEL_SECONDS)
        covered += ratio.low <= truth <= ratio.high
    assert covered >= 5


def test_an_outcome_goes_by_the_whole_interval():
    assert reaches(Score(0.9, 0.85, 0.93), 0.84) == "holds"
    assert reaches(Score(0.85, 0.82, 0.88), 0.84) == "undecided"
    assert reaches(Score(0.8, 0.78, 0.83), 0.84) == "fails"
    assert stays_below(Score(0.5, 0.4, 0.59), 0.6) == "holds"
    assert stays_below(Score(0.7, 0.65, 0.8), 0.6) == "fails"
    assert reaches(Score(0.9, None, None), 0.84) == stays_below(Score(0.1, None, None), 0.6) == "undecided"


def test_the_page_has_counts_figures_and_reasons(strong):
    other = _claims(FLOOR, Curve("lstm", lambda n: 0.8, lambda n: 0.1), STRONG, rows=300)
    result = ClaimsResult(
        sets=[strong, msgspec.structs.replace(other, name="other|set")],
        lacking={"third": "no folder third"},
        encoders=["bundled"],
        vectors=None,
        seeds=3,
        tuning=1,
        label_seconds=LABEL_SECONDS,
        machine="a machine",
    )
    page = claims_page(result)
    row = next(line for line in page.splitlines() if "never above" in line and line.startswith("|"))
    assert [cell.strip() for cell in row.strip("|").split("|")][-3:] == ["1", "1", "0"]
    assert "- **On 1 of 2 sets** the LSTM stays below 0.60: its best is " in page
    assert r"other\|set" in page
    assert "third (no folder third)" in page
    assert "can show that labels are saved 100 times, and no more" in page


def test_of_several_encoders_each_is_told_of_and_an_lstm_once():
    twice = _claims(FLOOR, WEAK, STRONG, Curve("bert-frozen@other", lambda n: 0.5, lambda n: 9.0))
    result = ClaimsResult(
        sets=[twice], lacking={}, encoders=["bundled", "other"], vectors=None, seeds=3, tuning=1,
        label_seconds=LABEL_SECONDS, machine="a machine",
    )  # fmt: skip
    assert [(row["on"], row["against"], row["holds"]) for row in result.table()] == [
        ("bert-frozen", "–", 1), ("bert-frozen@other", "–", 0), ("lstm", "–", 1),
        *[("bert-frozen", "lstm", 1), ("bert-frozen@other", "lstm", 0)] * 4,
    ]  # fmt: skip
    page = claims_page(result)
    assert page.count("the LSTM stays below 0.60") == 1
    assert "- **On 0 of 1 sets** bert-frozen@other reaches F1 0.84" in page


def test_what_was_not_measured_is_not_counted(strong):
    """Of one size no saving is told: neither as undecided nor as a score that is never reached."""
    comparison = Comparison(curves=(FLOOR, WEAK, STRONG), sizes=(1000,))
    single = judge_claims("single", comparison.trials(), comparison.test_set(), LABEL_SECONDS)
    assert len(list(outcomes_of(single.contenders[0]))) == 2
    result = ClaimsResult(
        sets=[single, strong], lacking={}, encoders=["bundled"], vectors=None, seeds=3, tuning=1,
        label_seconds=LABEL_SECONDS, machine="a machine",
    )  # fmt: skip
    page = claims_page(result)
    assert "- **On 1 of 1 sets** bert-frozen needs 100 times fewer labels than the LSTM" in page
    assert "never reached" not in page
