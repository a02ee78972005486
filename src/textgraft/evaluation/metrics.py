"""Classification metrics that stay fast when the same predictions are scored under thousands of weightings.

Every score here is a function of three counts a label: rows of that label (gold), rows predicted as it, and
rows where both agree. A resample of the test set only weights the rows, so a thousand resamples are one
sparse product of predictions with weights. The values equal scikit-learn's at its defaults: labels that
occur neither in the gold labels nor in the predictions do not enter the macro average.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

METRICS: tuple[str, ...] = ("accuracy", "macro_f1", "weighted_f1")
PAIR_METRICS: tuple[str, ...] = ("accuracy", "macro_f1", "f1", "matthews")
MULTI_LABEL_METRICS: tuple[str, ...] = ("micro_f1", "macro_f1", "subset_accuracy")
TITLES = {
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "micro_f1": "micro F1",
    "f1": "F1",
    "matthews": "Matthews' φ",
}
"""How people call those of the three whose keys do not say it."""


def weighted_metrics(
    gold: ArrayLike, predicted: ArrayLike, num_labels: int, weights: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """Score one list of predictions under many weightings of its rows.

    Args:
        gold: Index of the true label of each row, [rows].
        predicted: Index of the predicted label of each row, [rows]; below 0 where none was predicted, which
            is wrong and counts as a prediction of no label.
        num_labels: Number of labels.
        weights: How often each row counts, [rows, resamples]; whole numbers below 2^24 stay exact.

    Returns:
        For each of :data:`METRICS` its value under each weighting, [resamples].
    """
    counts = _count(gold, predicted, num_labels, weights)
    return {
        "accuracy": counts.accuracy,
        "macro_f1": counts.macro_f1,
        "weighted_f1": (counts.f1 * counts.gold).sum(axis=0) / np.maximum(counts.gold.sum(axis=0), 1),
    }


def weighted_pair_metrics(
    gold: ArrayLike, predicted: ArrayLike, num_labels: int, positive: int, weights: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """Score predictions as the sets of GLUE do (Wang et al. 2019), under many weightings.

    Args:
        gold: Index of the true label of each row, [rows].
        predicted: Index of the predicted label of each row, [rows].
        num_labels: Number of labels.
        positive: Index of the label whose F1 is ``f1``.
        weights: How often each row counts, [rows, resamples].

    Returns:
        For each of :data:`PAIR_METRICS` its value under each weighting, [resamples]. Matthews' correlation is
        that of Gorodkin (2004) for any number of labels, and 0 where all gold labels or all predictions are
        the same.
    """
    counts = _count(gold, predicted, num_labels, weights)
    total = counts.gold.sum(axis=0)
    agreement = counts.right.sum(axis=0) * total - (counts.gold * counts.predicted).sum(axis=0)
    gold_spread = total**2 - (counts.gold**2).sum(axis=0)
    spread = np.sqrt(gold_spread * (total**2 - (counts.predicted**2).sum(axis=0)))
    return {
        "accuracy": counts.accuracy,
        "macro_f1": counts.macro_f1,
        "f1": counts.f1[positive],
        "matthews": _ratio(agreement, spread),
    }


def weighted_multi_label_metrics(
    gold: Sequence[Sequence[int]],
    predicted: Sequence[Sequence[int]],
    num_labels: int,
    weights: NDArray[np.float32],
) -> dict[str, NDArray[np.float64]]:
    """Score predicted sets of labels under many weightings.

    Args:
        gold: Indices of the true labels of each row, each once, in any order.
        predicted: Indices of the predicted labels of each row, likewise.
        num_labels: Number of labels.
        weights: How often each row counts, [rows, resamples].

    Returns:
        For each of :data:`MULTI_LABEL_METRICS` its value under each weighting, [resamples]. As in
        scikit-learn, ``macro_f1`` is the mean over all labels, and a label that occurs nowhere counts 0;
        ``subset_accuracy`` is the share of rows whose set is exactly right.
    """
    gold_matrix, predicted_matrix = indicators(gold, num_labels), indicators(predicted, num_labels)
    right, of_gold, of_predicted = (
        np.asarray(matrix @ weights, dtype=np.float64)
        for matrix in (gold_matrix.multiply(predicted_matrix), gold_matrix, predicted_matrix)
    )
    counts = _Counts(right, of_gold, of_predicted)
    same = np.array([set(a) == set(b) for a, b in zip(gold, predicted, strict=True)], dtype=np.float32)
    both = (of_gold + of_predicted).sum(axis=0)
    return {
        "micro_f1": _ratio(2 * right.sum(axis=0), both),
        "macro_f1": counts.f1.mean(axis=0),
        "subset_accuracy": (same @ weights) / np.maximum(weights.sum(axis=0, dtype=np.float64), 1),
    }


MOST_SPARSE_LABELS = 0.2
"""Share of the labels that may have fewer than two test rows: with more of them, what their mean is of the
labels that were hardly seen cannot be told from the rows."""


def macro_evidence(rows: ArrayLike) -> float:
    """Return how many rows a perfect mean over labels rests on; 0 where it says too little of some labels.

    Args:
        rows: Test rows of each label, [labels].
    """
    counts = np.asarray(rows, dtype=np.float64)
    if not counts.size or (counts < 2).mean() > MOST_SPARSE_LABELS:
        return 0.0
    return float(counts.size**2 / (1 / np.maximum(counts, 1)).sum())


def weighted_accuracy(
    gold: ArrayLike, predicted: ArrayLike, weights: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """Return the ``accuracy`` of predictions [rows] under each weighting of ``weights`` [rows, resamples]."""
    right = (np.asarray(gold) == np.asarray(predicted)).astype(np.float32)
    return {"accuracy": (right @ weights) / np.maximum(weights.sum(axis=0, dtype=np.float64), 1)}


class _Counts(NamedTuple):
    """Weights of rows, for each label and weighting: [labels, resamples]."""

    right: NDArray[np.float64]
    """Of the label and predicted as it."""
    gold: NDArray[np.float64]
    """Of the label."""
    predicted: NDArray[np.float64]
    """Predicted as it."""

    @property
    def f1(self) -> NDArray[np.float64]:
        return _ratio(2 * self.right, self.gold + self.predicted)

    @property
    def macro_f1(self) -> NDArray[np.float64]:
        occurring = self.gold + self.predicted > 0
        return self.f1.sum(axis=0) / np.maximum(occurring.sum(axis=0), 1)

    @property
    def accuracy(self) -> NDArray[np.float64]:
        return self.right.sum(axis=0) / np.maximum(self.gold.sum(axis=0), 1)


def _count(gold: ArrayLike, predicted: ArrayLike, num_labels: int, weights: NDArray[np.float32]) -> _Counts:
    gold_index = np.asarray(gold, dtype=np.int64)
    predicted_index = np.asarray(predicted, dtype=np.int64)
    right = gold_index == predicted_index
    # One product counts wrong predictions (first block), right ones (second block) for every label.
    place = np.where(predicted_index < 0, 2 * num_labels, predicted_index + num_labels * right)
    sums = _label_sums(place, 2 * num_labels + 1, weights)
    wrong, found = sums[:num_labels], sums[num_labels : 2 * num_labels]
    return _Counts(right=found, gold=_label_sums(gold_index, num_labels, weights), predicted=wrong + found)


def _ratio(over: NDArray[np.float64], under: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide; 0 where the divisor is 0."""
    return np.divide(over, under, out=np.zeros_like(under), where=under > 0)


def indicators(sets: Sequence[Sequence[int]], num_labels: int) -> sparse.csr_array:
    """Count how often each row has each label, [num_labels, rows]."""
    rows = np.repeat(np.arange(len(sets)), [len(labels) for labels in sets])
    labels = np.fromiter((label for row in sets for label in row), dtype=np.int64, count=len(rows))
    return sparse.csr_array((np.ones(len(rows), np.float32), (labels, rows)), shape=(num_labels, len(sets)))


def _label_sums(index: NDArray[np.int64], size: int, weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Add up the weights of the rows of each index: [rows] and [rows, resamples] -> [size, resamples]."""
    rows = len(index)
    one_hot = sparse.csr_array((np.ones(rows, np.float32), (index, np.arange(rows))), shape=(size, rows))
    return np.asarray(one_hot @ weights, dtype=np.float64)


def confusion_matrix(gold: ArrayLike, predicted: ArrayLike, num_labels: int) -> NDArray[np.int64]:
    """Count rows by true label (first axis) and predicted label (second axis), [num_labels, num_labels].

    Rows without a prediction, which is then below 0, are left out.
    """
    guess = np.asarray(predicted, dtype=np.int64)
    pairs = (np.asarray(gold, dtype=np.int64) * num_labels + guess)[guess >= 0]
    return np.bincount(pairs, minlength=num_labels**2).reshape(num_labels, num_labels)
