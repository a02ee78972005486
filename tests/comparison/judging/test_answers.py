"""What a report begins with."""

from __future__ import annotations

import msgspec
import pytest

from tests.comparison.synthetic import FINETUNED, FROZEN, LSTM, TFIDF, Comparison, Curve
from textgraft.comparison.judging.answers import answers
from textgraft.comparison.judging.judge import judge
from textgraft.comparison.records.preferences import Preferences
from textgraft.wording import epochs, megabytes, money, score, seconds


def flat(name: str, accuracy: float, **costs: float) -> Curve:
    return Curve(name, lambda _: accuracy, **costs)


def told(*curves: Curve, **preferences: object) -> dict[str, tuple[str, str]]:
    verdict = Comparison(curves).judge(preferences=Preferences(**preferences))
    return {one.question: (one.short, one.because) for one in answers(verdict)}


def test_a_clear_lead_of_bert_is_a_need():
    found = told(TFIDF, LSTM, FROZEN, FINETUNED)
    assert found["Do I need BERT?"][0] == "Yes"
    assert "bert-finetuned has" in found["Do I need BERT?"][1]
    assert found["Is TF-IDF enough?"][0] == "No"
    assert found["What does it cost?"][0] == "bert-finetuned"
    assert "a text" in found["What does it cost?"][1]


def test_what_is_given_up_is_the_difference_of_the_scores_as_they_are_written():
    for draw in range(6):
        verdict = Comparison((TFIDF, FINETUNED), draw=draw, seeds=1).judge()
        (because,) = [one.because for one in answers(verdict) if one.question == "Is TF-IDF enough?"]
        best, other = (
            round(1000 * float(score(verdict.standing(name).score.value)))
            for name in ("bert-finetuned", "tfidf")
        )
        assert f"gives up 0.{best - other:03d} of" in because


def test_where_all_are_alike_the_cheap_one_is_enough():
    found = told(flat("tfidf", 0.8), flat("lstm", 0.7), flat("bert-frozen", 0.8))
    assert found["Do I need BERT?"][0] == "No"
    assert found["Is TF-IDF enough?"][0] == "Yes"
    assert found["Would more labels help?"][0] in ("No", "Perhaps", "Not known")


@pytest.mark.parametrize(
    ("measured", "reason"), [((TFIDF, LSTM), "no BERT"), ((FROZEN, FINETUNED), "nothing else")]
)
def test_what_was_not_measured_is_not_known(measured, reason):
    short, because = told(*measured)["Do I need BERT?"]
    assert short == "Not known"
    assert reason in because


def test_limits_that_rule_bert_out_are_named():
    short, _ = told(TFIDF, LSTM, FROZEN, FINETUNED, max_size_mb=50)["Do I need BERT?"]
    assert short == "Not within your limits"


def test_a_curve_that_still_rises_asks_for_labels():
    short, because = told(TFIDF, flat("lstm", 0.2))["Would more labels help?"]
    assert short in ("Yes", "Perhaps")
    assert "twice as many as now" in because


def test_the_price_of_an_hour_is_that_of_the_training_and_of_texts():
    curve = flat("tfidf", 0.8, seconds=lambda _: 7200.0, latency_ms=4.0)
    verdict = Comparison((curve, LSTM)).judge(preferences=Preferences(price=0.5))
    row = verdict.standing("tfidf")
    assert row.price_of_training == pytest.approx(1.0, rel=0.1), "two hours"
    assert row.price_of_thousand == pytest.approx(0.5 / 3600, rel=0.1), "a thousand texts a second"
    because = told(curve, LSTM, price=0.5, prefer="tfidf")["What does it cost?"][1]
    assert f"at your prices {money(row.price_of_training)} for the training and 0.00014 for 1,000" in because
    assert "price" not in told(curve, LSTM)["What does it cost?"][1]


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (1240.4, "1,240"), (3.5, "3.50"), (0.9999, "1.00"), (0.042, "0.042"), (0.000123, "0.00012"),
     (1e-9, "under 0.000001")],
)  # fmt: skip
def test_money_is_written_without_exponents(value, written):
    assert money(value) == written


@pytest.mark.parametrize(("size", "written"), [(0.2504, "251 KB"), (0.9999, "1.0 MB"), (12.2, "12 MB")])
def test_sizes_under_a_megabyte_are_in_kilobytes(size, written):
    assert megabytes(size) == written


def test_what_takes_no_time_takes_less_than_a_tenth_of_a_second():
    assert [seconds(value) for value in (0.0, 0.049, 0.05, 9.96)] == ["< 0.1 s", "< 0.1 s", "0.1 s", "10 s"]


def test_how_long_was_trained_is_said_in_words():
    assert epochs(1.0, "closed form") == "solved directly"
    assert epochs(1.0, "epochs") == "1 epoch, all epochs"
    assert epochs(2.5, "patience") == "2.5 epochs, no more improvement"


def test_zero_shot_reads_with_bert_but_is_no_evidence_against_it():
    zero, few = flat("zero-shot", 0.8), ("a", "b")
    known = Comparison((flat("bert-frozen", 0.78), zero, flat("tfidf", 0.6)), labels=few)
    short, because = _bert_of(known)
    assert short == "Yes"
    assert because.startswith("zero-shot has")
    assert "tfidf, the best without it" in because
    assert _bert_of(Comparison((flat("zero-shot", 0.3), TFIDF), labels=few))[0] == "Not known"
    assert _bert_of(Comparison((zero, flat("tfidf", 0.5)), labels=few))[0] == "Yes"


def _bert_of(comparison):
    trials = [
        one if one.contender != "zero-shot" else msgspec.structs.replace(one, size=0)
        for one in comparison.trials()
        if one.contender != "zero-shot" or one.size == max(comparison.sizes)
    ]
    found = answers(judge(trials, comparison.test_set()))
    return next((one.short, one.because) for one in found if one.question == "Do I need BERT?")


def test_of_equals_the_pick_is_named():
    comparison = Comparison((TFIDF, LSTM, FROZEN), sizes=(300,))
    gold = comparison.test_set().gold
    perfect = [
        msgspec.structs.replace(one, predicted=list(gold), metrics=dict.fromkeys(one.metrics, 1.0))
        for one in comparison.trials()
    ]
    short, because = {
        one.question: (one.short, one.because) for one in answers(judge(perfect, comparison.test_set()))
    }["Do I need BERT?"]
    assert (short, because) == ("No", "bert-frozen has macro F1 1.000, tfidf, the best without it, 1.000.")
