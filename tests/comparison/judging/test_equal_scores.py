"""Scores that are equal, or written alike, are called equal: no lead of 0.000 is spoken of."""

import msgspec
import pytest

from tests.comparison.synthetic import TFIDF, Comparison, Curve
from tests.evaluation.once import once
from textgraft.comparison.judging.answers import answers
from textgraft.comparison.judging.judge import judge
from textgraft.comparison.records.preferences import Preferences
from textgraft.evaluation.metrics import weighted_metrics
from textgraft.wording import apart, score


def text(verdict):
    return " ".join(verdict.sentences)


def with_answers_of(comparison, taken, given):
    """Return a comparison's trials; those of one contender answer as those of another."""
    answered = {(one.contender, one.size, one.seed): one for one in comparison.trials()}
    return [
        msgspec.structs.replace(one, predicted=own.predicted, confidence=own.confidence, metrics=own.metrics)
        for one in answered.values()
        for own in [answered[given if one.contender == taken else one.contender, one.size, one.seed]]
    ]


@pytest.mark.parametrize("leaked", [(), (3,)])
def test_equal_scores_are_called_equal(leaked):
    dear = Curve("bert-frozen", lambda _: 0.85, lambda _: 300.0, 12.0, 91.0)
    comparison = Comparison(curves=(dear, TFIDF), sizes=(300,), leaked=leaked)
    trials = with_answers_of(comparison, "bert-frozen", "tfidf")
    verdict = judge(trials, comparison.test_set())
    assert verdict.pick == "tfidf"
    assert verdict.decision.leader == "bert-frozen"
    assert "bert-frozen scores the same and costs" in text(verdict)
    said = text(verdict) + " ".join(one.because for one in answers(verdict))
    assert "0.000 higher" not in said
    assert "may be chance" not in said
    assert [one.short for one in answers(verdict)][:2] == ["No", "Yes"]
    preferred = judge(trials, comparison.test_set(), preferences=Preferences(prefer="tfidf"))
    assert "bert-frozen scores the same, but you prefer tfidf." in text(preferred)
    dearer = judge(trials, comparison.test_set(), preferences=Preferences(prefer="bert-frozen"))
    assert answers(dearer)[0].short == "No"
    assert answers(dearer)[1].because == "bert-frozen scores the same."


def test_scores_that_are_written_alike_are_called_equal_with_what_is_not_known():
    """One answer of 10,000 apart."""
    dear = Curve("bert-frozen", lambda _: 0.85, lambda _: 300.0, 12.0, 91.0)
    comparison = Comparison(curves=(TFIDF, dear), sizes=(300,), rows=10_000, seeds=1)
    test_set = comparison.test_set()
    trials = []
    for one in with_answers_of(comparison, "bert-frozen", "tfidf"):
        wrong = next(row for row, label in enumerate(test_set.gold) if one.predicted[row] != label)
        predicted = list(one.predicted)
        if one.contender == "bert-frozen":
            predicted[wrong] = test_set.gold[wrong]
        metrics = once(weighted_metrics, test_set.gold, predicted, 5)
        trials.append(msgspec.structs.replace(one, predicted=predicted, metrics=metrics))
    verdict = judge(trials, test_set)
    assert verdict.decision.leader == "bert-frozen"
    assert "bert-frozen scores the same (95% interval" in text(verdict)
    assert "higher" not in text(verdict)


def test_leaked_rows_that_change_nothing_are_said_to():
    """All answers are right, with the leaked rows and without them."""
    perfect = Curve("tfidf", lambda _: 1.0)
    comparison = Comparison(curves=(perfect,), sizes=(300,), leaked=(1, 2), seeds=1)
    test_set = comparison.test_set()
    trials = [
        msgspec.structs.replace(one, predicted=list(test_set.gold), metrics=dict.fromkeys(one.metrics, 1.0))
        for one in comparison.trials()
    ]
    assert "without them tfidf scores the same." in text(judge(trials, test_set))


def test_where_no_error_is_left_nothing_is_promised_of_labels_or_of_time():
    comparison = Comparison(curves=(TFIDF,), seeds=1)
    test_set = comparison.test_set()
    trials = [
        msgspec.structs.replace(
            one,
            predicted=list(test_set.gold),
            metrics=dict.fromkeys(one.metrics, 1.0),
            stopped_by="budget",
        )
        if one.size == 3000
        else one
        for one in comparison.trials()
    ]
    verdict = judge(trials, test_set)
    assert "More labels cannot buy tfidf anything noticeable: it has macro F1 1.000." in text(verdict)
    assert "falling to zero by then." in text(verdict)
    assert "may score higher" not in text(verdict)
    (found,) = (one for one in answers(verdict) if one.question == "Would more labels help?")
    assert (found.short, found.because) == ("No", "with macro F1 1.000 nothing noticeable is left to gain.")


def test_leads_are_those_of_the_scores_as_they_are_written():
    for draw in range(6):
        verdict = Comparison(draw=draw, seeds=1, sizes=(1000,)).judge()
        for row in verdict.standings:
            if f"{row.contender} by " in text(verdict):
                lead = apart(verdict.standing(verdict.pick).score.value, row.score.value)
                assert f"{row.contender} by {score(lead)} (" in text(verdict)
