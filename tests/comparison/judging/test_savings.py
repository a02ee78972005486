import msgspec
import pytest

from tests.comparison.synthetic import FROZEN, LSTM, TFIDF, Comparison, Curve
from textgraft.comparison.judging.judge import judge
from textgraft.comparison.records.verdict import Ratio
from textgraft.wording import LABELS, TRAINING_TIME, times


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


def test_a_plateau_saves_nothing_more_however_far_it_is_measured():
    """An LSTM flat from 300 labels needs 300, whether it was measured to 3,000 or to 30,000."""
    flat = Curve("lstm", lambda n: 0.6 if n < 300 else 0.85, lambda n: 4 + n / 40)
    steep = Curve("bert-frozen", lambda n: 0.9 - 3.2 * n**-0.83, lambda n: 1 + n / 150)
    sizes = (100, 300, 1000, 3000, 10_000, 30_000)
    needed = labels_for(0.85, steep)
    covered = 0
    for draw in range(6):
        comparison = Comparison(curves=(flat, steep), sizes=sizes, draw=draw, rows=2000)
        verdict = comparison.judge()
        saving = verdict.savings[0]
        assert saving.baseline_labels == 300
        assert saving.labels.value < 4
        covered += saving.labels.low <= 300 / needed <= (saving.labels.high or 3)
        assert saving.baseline_score == pytest.approx(0.85, abs=0.02)
        text = " ".join(verdict.sentences)
        assert "at 300 labels (more, up to 30,000, did not raise it)" in text
    assert covered >= 5


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        ((13, 6.3, 26), "13 times fewer labels (6.3 to 26)"),
        ((0.52, 0.4, 0.69), "1.9 times more labels (1.4 to 2.5)"),
        ((0.9, 0.5, 1.4), "1.1 times more labels (2 times more to 1.4 times fewer)"),
        ((1.001, 0.5, 1.4), "as many labels (2 times more to 1.4 times fewer)"),
        ((0.97, 0.5, 1.4), "as many labels (2 times more to 1.4 times fewer)"),
        ((1.2, 0.98, 1.4), "1.2 times fewer labels (as many to 1.4 times fewer)"),
        ((13, 6.3, None), "13 times fewer labels (6.3 or more)"),
        ((0.9, 0.5, None), "1.1 times more labels (2 times more at most)"),
        ((13, None, 20), "13 times fewer labels (not certain)"),
        ((1.64, 1.64, 1.64), "1.6 times fewer labels"),
    ],
)
def test_ratios_are_written_as_people_say_them(ratio, expected):
    assert times(_ratio(*ratio), LABELS) == expected


def test_bounds_are_written_as_bounds():
    for value, expected in ((30, "at least 30 times less"), (0.5, "at most 2 times more"), (1.0, "no more")):
        assert times(_ratio(value, value, None, at_least=True), TRAINING_TIME) == f"{expected} training time"


def _ratio(value, low, high, at_least=False):
    return Ratio(value=value, low=low, high=high, at_least=at_least, claimed=100, outcome="undecided")


def test_a_longer_training_is_never_called_less():
    slow = Curve("bert-frozen", FROZEN.accuracy, lambda n: 40 * LSTM.seconds(n))
    verdict = Comparison(curves=(LSTM, slow)).judge()
    assert verdict.savings[0].time_at_equal_score.value < 1
    sentence = next(sentence for sentence in verdict.sentences if sentence.startswith("To match"))
    assert "times more training time" in sentence
    assert "less training time" not in sentence


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


def test_no_claim_holds_against_a_baseline_that_the_clock_ended():
    strong = Curve("bert-frozen", lambda n: 0.97, lambda n: 1.0)
    comparison = Comparison(curves=(LSTM, strong), sizes=(30, 300, 3000))
    trials = [
        msgspec.structs.replace(one, stopped_by="budget") if one.contender == "lstm" else one
        for one in comparison.trials()
    ]
    verdict = judge(trials, comparison.test_set())
    (saving,) = verdict.savings
    assert saving.labels.value == 100
    assert (saving.labels.outcome, saving.time_at_equal_score.outcome) == ("undecided", "undecided")
    sentences = " ".join(verdict.sentences)
    assert "hold here" not in sentences
    assert "The clock ended the training of lstm: if it scores higher with more time, less is" in sentences


def test_every_encoder_is_told_of():
    """One that beats the LSTM at once, one that never reaches it, each as frozen and fine-tuned."""
    strong, weak = (lambda n: 0.97), (lambda n: 0.5)
    curves = [
        Curve(name + on, accuracy, lambda n: 1.0)
        for name in ("bert-finetuned", "bert-frozen")
        for on, accuracy in (("", weak), ("@mpnet", strong))
    ]
    verdict = Comparison(curves=(LSTM, *curves), sizes=(100, 300, 3000)).judge()
    names = ["bert-frozen", "bert-frozen@mpnet", "bert-finetuned", "bert-finetuned@mpnet"]
    assert [saving.contender for saving in verdict.savings] == names
    assert [saving.labels.value is not None for saving in verdict.savings] == [False, True] * 2
    sentences = " ".join(verdict.sentences)
    assert "bert-frozen does not reach lstm's" in sentences
    assert "bert-frozen@mpnet needs at least 30 times fewer labels" in sentences
    assert "For bert-frozen@mpnet, the claim of 100 times fewer labels is not decided" in sentences
    assert "For bert-finetuned" not in sentences, "the claims are of a frozen BERT"


def test_without_both_sides_there_is_no_claim():
    assert Comparison(curves=(TFIDF, FROZEN), sizes=(100,)).judge().savings == []
    assert Comparison(curves=(TFIDF, LSTM), sizes=(100,)).judge().savings == []


def test_of_the_fewest_labels_none_can_be_saved():
    comparison = Comparison(curves=(LSTM, FROZEN))
    trials = [one for one in comparison.trials() if one.contender != "lstm" or one.size == 100]
    assert judge(trials, comparison.test_set()).savings == []
    flat = Curve("lstm", lambda n: 0.5, lambda n: 100.0)
    verdict = Comparison(curves=(flat, Curve("bert-frozen", lambda n: 0.9, lambda n: 1.0))).judge()
    sentences = " ".join(verdict.sentences)
    assert (
        "claim of 100 times fewer labels is not decided by these figures (fewer labels were not" in sentences
    )
