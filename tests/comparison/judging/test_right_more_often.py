"""Where rare labels keep macro F1 from telling contenders apart, how many rows are right decides a tie."""

import pytest
from msgspec.structs import replace as changed

from tests.comparison.judging.test_choice import pair, standing
from tests.comparison.synthetic import Comparison, Curve
from textgraft.comparison.judging.answers import answers
from textgraft.comparison.judging.choice import choose
from textgraft.comparison.records.preferences import Preferences
from textgraft.evaluation.intervals import Estimate


def contenders(accuracy: float) -> tuple[Curve, Curve]:
    """A cheap contender of accuracy 0.82, and a costly one."""
    return (
        Curve("static", lambda _: 0.82, lambda _: 1.0, 0.5, 23.0),
        Curve("bert-finetuned", lambda _: accuracy, lambda _: 60.0, 6.0, 91.0),
    )


def worlds(accuracy: float, count: int, **more):
    """Yield verdicts on test rows of which few have the last label."""
    for draw in range(count):
        yield Comparison(curves=contenders(accuracy), sizes=(300,), draw=draw, **more).judge()


def test_a_rare_label_hides_no_better_contender():
    """Of 119 test rows, one of them of a rare label, fine-tuning had 93% right and the pick 80%."""
    found = list(worlds(0.93, 20, rows=150, rare=1))
    hidden = [verdict for verdict in found if not verdict.pairs[0].significant]
    assert len(hidden) > 5
    right = [
        verdict
        for verdict in hidden
        if verdict.decision.leader == "bert-finetuned"
        and verdict.pair("bert-finetuned", "static").is_right_more_often(0.02)
    ]
    assert len(right) > 3
    for verdict in right:
        assert verdict.pick == "bert-finetuned"
        assert "more than chance in accuracy, if not in macro F1" in " ".join(verdict.sentences)
        bert = answers(verdict)[0]
        assert (bert.question, bert.short) == ("Do I need BERT?", "Yes")
        assert "more than chance in accuracy" in bert.because


@pytest.mark.parametrize("rare", [2, 20])
def test_of_equals_the_costly_one_is_seldom_picked(rare):
    picks = [verdict.pick for verdict in worlds(0.82, 120, rows=300, rare=rare, seeds=1)]
    # In macro F1 and in accuracy each, half of the 5% of false differences are in its favour.
    assert picks.count("bert-finetuned") <= 0.08 * len(picks)


@pytest.mark.parametrize(
    ("share", "p_value", "prefer", "pick"),
    [
        (0.1, 0.001, "score", "bert-finetuned"),
        (0.1, 0.001, "cost", "bert-finetuned"),
        (0.025, 0.001, "score", "bert-finetuned"),
        (0.025, 0.001, "cost", "static"),
        (0.01, 0.001, "score", "static"),
        (0.1, 0.06, "score", "static"),
        (-0.1, 0.001, "score", "static"),
        (0.1, 0.001, "static", "static"),
    ],
)
@pytest.mark.parametrize("is_turned", [False, True])
def test_a_leader_that_is_right_more_often_ties_with_nobody(share, p_value, prefer, pick, is_turned):
    cheap, dear = standing("static", 0.58, 1), standing("bert-finetuned", 0.59, 9)
    overall = Estimate(share, share - 0.01, share + 0.01)
    both = changed(pair(dear, cheap, 0.9), overall=overall, overall_p=p_value)
    given = both.turned if is_turned else both
    assert choose([cheap, dear], [given], Preferences(prefer=prefer)).pick == pick


def test_who_is_right_more_often_but_scores_less_is_no_leader():
    """Whoever always gives the most frequent label is right often."""
    cheap, dear = standing("static", 0.58, 1), standing("bert-finetuned", 0.50, 9)
    both = changed(pair(cheap, dear, 0.9), overall=Estimate(-0.1, -0.12, -0.08), overall_p=0.001)
    assert choose([cheap, dear], [both], Preferences()).pick == "static"
