"""Doubted labels are those of confident learning, as cleanlab finds them."""

from __future__ import annotations

import numpy as np
import pytest

from textgraft.evaluation.confident_learning import confident_labels, doubts, margins


def _noisy(rows=600, labels=4, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, labels, rows)
    scores = rng.normal(0, 1, (rows, labels))
    scores[np.arange(rows), truth] += 2.5
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    given = truth.copy()
    flipped = rng.choice(rows, rows // 20, replace=False)
    given[flipped] = (given[flipped] + rng.integers(1, labels, len(flipped))) % labels
    return probabilities, given, flipped


def test_a_row_is_doubted_where_the_model_is_as_sure_of_another_label_as_it_is_where_that_is_given():
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.35, 0.65], [0.85, 0.15]])
    given = np.array([0, 0, 1, 1, 1])
    # Label 0 is given with 0.8 on average, label 1 with 0.533.
    assert confident_labels(probabilities, given).tolist() == [0, -1, 1, 1, 0]
    assert doubts(probabilities, given).tolist() == [False, False, False, False, True]
    assert margins(probabilities, given) == pytest.approx([0.8, 0.4, 0.6, 0.3, -0.7])


def test_a_label_that_no_row_has_is_never_suggested():
    probabilities = np.array([[0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    assert confident_labels(probabilities, np.array([0, 0])).tolist() == [0, 0]


def test_flipped_labels_are_doubted():
    probabilities, given, flipped = _noisy()
    ranked = margins(probabilities, given).argsort()[: 2 * len(flipped)]
    assert len(set(ranked) & set(flipped)) > 0.7 * len(flipped)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_cleanlab_does(seed):
    cleanlab = pytest.importorskip("cleanlab")
    from cleanlab.count import compute_confident_joint
    from cleanlab.rank import get_normalized_margin_for_each_label

    assert cleanlab
    probabilities, given, _ = _noisy(seed=seed)
    joint = compute_confident_joint(given, probabilities, calibrate=False)
    confident = confident_labels(probabilities, given)
    ours = np.zeros_like(joint)
    np.add.at(ours, (given[confident >= 0], confident[confident >= 0]), 1)
    # cleanlab counts at least one row of each label on the diagonal, which all of these have.
    assert (ours == joint).all()
    scores = get_normalized_margin_for_each_label(given, probabilities)
    assert margins(probabilities, given) == pytest.approx(2 * scores - 1, abs=1e-12)
