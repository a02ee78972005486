"""Scores and confusions of each label."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from textgraft.evaluation.confusions import entity_confusions, set_confusions, top_confusions
from textgraft.evaluation.label_scores import LabelCounts, ratio_score, score_labels


def as_sets(answers):
    return [[int(answer)] for answer in answers]


def test_as_scikit_learn_does():
    rng = np.random.default_rng(0)
    gold, given = rng.integers(0, 4, 300), rng.integers(0, 4, 300)
    found = score_labels(LabelCounts.of_sets("abcde", as_sets(gold), as_sets(given)))
    assert [one.label for one in found] == list("abcd")  # e occurs nowhere
    expected = precision_recall_fscore_support(gold, given)
    for values, name in zip(expected, ("precision", "recall", "f1"), strict=False):
        assert [getattr(one, name).value for one in found] == pytest.approx(values)
    assert [one.rows for one in found] == expected[3].tolist()


def test_intervals_cover():
    """Of F1 as well, whose true value is the ratio of expected counts."""
    rng = np.random.default_rng(1)
    flip, share = 0.25, 0.3  # a binary label, wrongly given and missed at the same rate
    recall = 1 - flip
    precision = share * recall / (share * recall + (1 - share) * flip)
    true = {"precision": precision, "recall": recall, "f1": 2 * precision * recall / (precision + recall)}
    covered = dict.fromkeys(true, 0)
    for _ in range(300):
        gold = rng.random(150) < share
        given = gold ^ (rng.random(150) < flip)
        sets = ([[0] if one else [] for one in side] for side in (gold, given))
        (score,) = score_labels(LabelCounts.of_sets("a", *sets))
        for name, value in true.items():
            own = getattr(score, name)
            covered[name] += own.low <= value <= own.high
    assert all(0.92 * 300 <= count <= 0.99 * 300 for count in covered.values()), covered


def test_a_ratio_of_sums_is_covered():
    """Of right answers to those given, where rows have several or none."""
    rng, covered = np.random.default_rng(2), 0
    for _ in range(300):
        given = rng.integers(0, 4, 120)
        chance = np.where(rng.random(120) < 0.5, 0.9, 0.7)  # answers of one row are right together
        found = ratio_score(rng.binomial(given, chance), given)
        covered += found.low <= 0.8 <= found.high
    assert 0.92 * 300 <= covered <= 0.99 * 300
    assert ratio_score([0, 0], [0, 0]).low is None


def test_a_label_of_one_row_has_no_interval():
    found = score_labels(LabelCounts.of_sets("ab", as_sets([0, 1, 1]), as_sets([0, 1, 0])))
    assert found[0].recall.value == 1
    assert found[0].recall.low is None
    assert found[1].precision.low is None


def test_what_is_missed_stands_against_what_was_given():
    matrix = set_confusions([[0], [0, 1], [2], []], [[0], [0, 2], [], [1]], 3)
    assert matrix[0, 0] == 2
    assert (matrix[1, 2], matrix[2, 3], matrix[3, 1]) == (1, 1, 1)
    assert matrix.sum() == 5
    pairs = {(one.gold, one.predicted, one.rows) for one in top_confusions(matrix, [*"abc", "nothing"])}
    assert pairs == {("b", "c", 1), ("c", "nothing", 1), ("nothing", "b", 1)}


def test_entities_of_the_same_words_are_confused():
    matrix = entity_confusions(
        [["B-PER", "I-PER", "O", "B-ORG"]], [["B-ORG", "I-ORG", "B-PER", "O"]], ("ORG", "PER")
    )
    assert (matrix[1, 0], matrix[2, 1], matrix[0, 2]) == (1, 1, 1)
    assert matrix.sum() == 3
