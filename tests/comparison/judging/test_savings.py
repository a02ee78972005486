import pytest

from tests.comparison.synthetic import FROZEN, LSTM, TFIDF, Comparison, Curve


def savings(frozen, lstm, **options):
    return Comparison(curves=(lstm, frozen), **options).judge().savings[0]


def labels_for(target, curve):
    """Labels at which a curve reaches a score, by bisection of its true accuracy."""
    low, high = 10.0, 1e6
    for _ in range(60):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if curve.accuracy(middle) < target else (low, middle)
    return low


def test_the_designed_saving_lies_within_the_interval():
    needed = labels_for(LSTM.accuracy(3000), FROZEN)
    labels = times = 0
    for draw in range(10):
        saving = savings(FROZEN, LSTM, draw=draw, rows=2000)
        labels += saving.labels.low <= 3000 / needed <= saving.labels.high
        true_time = LSTM.seconds(3000) / FROZEN.seconds(needed)
        times += saving.time_at_equal_score.low <= true_time <= saving.time_at_equal_score.high
        equal = LSTM.seconds(3000) / FROZEN.seconds(3000)
        assert saving.time_at_equal_size.value == pytest.approx(equal, rel=0.1)
    assert labels >= 8
    assert times >= 8
    assert saving.labels.outcome == "fails"


def test_better_from_the_start_is_at_least_so_many_times():
    strong = Curve("bert-frozen", lambda n: 0.9, lambda n: 1.0)
    saving = savings(strong, LSTM)
    assert saving.labels.at_least
    assert saving.labels.value == 30
    assert saving.labels.high is None
    assert saving.labels.outcome == "undecided", "30 times is all that sizes from 100 to 3,000 can show"
    assert saving.time_at_equal_score.value == pytest.approx(LSTM.seconds(3000), rel=0.05)
    assert saving.time_at_equal_score.outcome == "holds"


def test_the_claim_holds_where_the_sizes_can_show_it():
    strong = Curve("bert-frozen", lambda n: 0.97, lambda n: 1.0)
    saving = savings(strong, LSTM, sizes=(30, 300, 3000))
    assert saving.labels.value == 100
    assert saving.labels.outcome == "holds"
    sentences = " ".join(Comparison(curves=(LSTM, strong), sizes=(30, 300, 3000)).judge().sentences)
    assert "needs at least 100 times fewer labels and at least 78 times less training time" in sentences
    assert "The claims of 100 times fewer labels and 20 times less training time hold here." in sentences


def test_a_score_never_reached_saves_nothing():
    weak = Curve("bert-frozen", lambda n: 0.5, lambda n: 200.0)
    verdict = Comparison(curves=(LSTM, weak)).judge()
    saving = verdict.savings[0]
    assert saving.labels.value is None
    assert saving.labels.outcome == "fails"
    assert saving.time_at_equal_size.value < 1
    sentences = " ".join(verdict.sentences)
    assert "bert-frozen does not reach lstm's" in sentences
    assert "saves no labels" in sentences
    assert "times longer than lstm" in sentences


def test_without_both_sides_there_is_no_claim():
    assert Comparison(curves=(TFIDF, FROZEN), sizes=(100,)).judge().savings == []
    assert Comparison(curves=(TFIDF, LSTM), sizes=(100,)).judge().savings == []
