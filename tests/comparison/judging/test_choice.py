import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.test_paired import right_answers, sample
from textgraft.comparison.judging.choice import choose
from textgraft.comparison.records.preferences import Preferences
from textgraft.comparison.records.verdict import Pair, Standing
from textgraft.evaluation.intervals import Estimate
from textgraft.evaluation.paired import compare_models
from textgraft.evaluation.seeds import expected_deviation


def standing(contender, score, cost, excluded=False):
    return Standing(
        contender=contender,
        size=100,
        seeds=[0],
        epochs=1.0,
        score=Estimate(score, score - 0.02, score + 0.02),
        metrics={},
        score_without_leaked=score,
        calibration_error=None,
        training_seconds=1.0,
        tuning_seconds=1.0,
        latency_ms_p50=1.0,
        latency_ms_p95=1.0,
        throughput_per_second=1.0,
        model_mb=1.0,
        cost=cost,
        excluded_by=["size"] if excluded else [],
    )


def pair(first, second, p_value):
    lead = first.score.value - second.score.value
    return Pair(
        first=first.contender,
        second=second.contender,
        difference=Estimate(lead, lead - 0.01, lead + 0.01),
        p_value=p_value,
        p_adjusted=p_value,
    )


NAMES = ("tfidf", "lstm", "bert-frozen", "bert-finetuned", "majority")
standings_of_any_kind = st.lists(
    st.tuples(st.floats(0.5, 0.6), st.floats(1, 100), st.booleans()), min_size=2, max_size=len(NAMES)
).map(lambda figures: [standing(name, *one) for name, one in zip(NAMES, figures, strict=False)])
P_VALUES = st.lists(st.sampled_from([0.0026, 0.04, 0.06, 1.0]), min_size=10, max_size=10)


@pytest.mark.parametrize(("prefer", "given_up"), [("score", 0.0), ("cost", 0.03)])
@given(standings=standings_of_any_kind, p_values=P_VALUES)
def test_no_pick_is_significantly_worse_than_another_allowed_contender(prefer, given_up, standings, p_values):
    combinations = list(itertools.combinations(standings, 2))
    pairs = [pair(*both, p) for both, p in zip(combinations, p_values, strict=False)]
    decision = choose(standings, pairs, Preferences(prefer=prefer))
    allowed = {one.contender for one in standings if not one.excluded_by}
    assert (decision.pick is None) == (not allowed)
    for one in pairs:
        if one.significant and {one.first, one.second} <= allowed and abs(one.difference.value) > given_up:
            worse = one.second if one.difference.value > 0 else one.first
            assert worse != decision.pick
            assert worse not in decision.tied
    if decision.pick:
        cost = {one.contender: one.cost for one in standings}
        assert all(cost[decision.pick] <= cost[name] for name in decision.tied)


def test_what_answers_elsewhere_wins_no_tie_by_its_cost():
    far, near = standing("llm", 0.595, 1), standing("bert-finetuned", 0.59, 9)
    assert choose([far, near], [pair(far, near, 0.9)], Preferences()).pick == "bert-finetuned"
    assert choose([far, near], [pair(far, near, 0.9)], Preferences(prefer="llm")).pick == "llm"


def test_a_tie_with_the_leader_does_not_hide_a_proven_lead_of_the_second():
    tfidf, lstm, bert = standing("tfidf", 0.55, 1), standing("lstm", 0.59, 3), standing("bert", 0.595, 9)
    pairs = [pair(bert, tfidf, 0.2), pair(bert, lstm, 0.9), pair(lstm, tfidf, 0.0026)]
    decision = choose([tfidf, lstm, bert], pairs, Preferences())
    assert decision.pick == "lstm"
    assert decision.tied == ["lstm"]


def test_a_small_lead_that_is_proven_is_no_tie():
    cheap, dear = standing("tfidf", 0.590, 1), standing("lstm", 0.594, 90)
    assert choose([cheap, dear], [pair(dear, cheap, 0.001)], Preferences()).pick == "lstm"
    assert choose([cheap, dear], [pair(dear, cheap, 0.001)], Preferences(prefer="cost")).pick == "tfidf"
    assert choose([cheap, dear], [pair(dear, cheap, 0.2)], Preferences()).pick == "tfidf"


def picked(rng, accuracies, *, rows, train_rows, most_seeds=1):
    """Return what is picked of a quick contender with three seeds and a costly one with one.

    Where it is the quick one though the costly one scores more, that gets further seeds, one after the other.
    """
    spread = 0.25 / train_rows**0.5
    right = right_answers(rng, 2, rows=rows, seeds=3, seed_spread=spread, accuracy=accuracies)
    for seeds in range(1, most_seeds + 1):
        quick, costly = right[0], right[1, :seeds]
        expected = expected_deviation(train_rows, rows, quick.mean())
        test = compare_models(sample(costly, expected), sample(quick, expected), rows)
        standings = [standing("static", quick.mean(), 1), standing("bert-finetuned", costly.mean(), 11)]
        pick = choose(standings, [pair(standings[1], standings[0], test.p_value)], Preferences()).pick
        if pick == "bert-finetuned" or costly.mean() <= quick.mean():
            break
    return pick


@pytest.mark.parametrize("most_seeds", [1, 3])
@pytest.mark.parametrize(("rows", "train_rows", "accuracy"), [(3000, 9000, 0.92), (1500, 2000, 0.85)])
def test_of_equal_contenders_a_costly_one_is_seldom_picked(rows, train_rows, accuracy, most_seeds):
    rng = np.random.default_rng(rows)
    picks = [
        picked(rng, [accuracy] * 2, rows=rows, train_rows=train_rows, most_seeds=most_seeds)
        for _ in range(150)
    ]
    # Half of the 5% of false differences are in its favour.
    assert picks.count("bert-finetuned") / 150 <= 0.06


def test_a_costly_one_that_is_clearly_better_on_many_rows_is_picked_by_one_seed():
    rng = np.random.default_rng(7)
    picks = [picked(rng, [0.905, 0.93], rows=3000, train_rows=9000) for _ in range(60)]
    assert picks.count("bert-finetuned") / 60 > 0.8


def test_further_seeds_find_a_better_one_that_one_seed_does_not_tell():
    rng = np.random.default_rng(8)
    shares = [
        [picked(rng, [0.90, 0.92], rows=1500, train_rows=2000, most_seeds=most) for _ in range(60)].count(
            "bert-finetuned"
        )
        / 60
        for most in (1, 3)
    ]
    assert shares[1] > shares[0] + 0.1
