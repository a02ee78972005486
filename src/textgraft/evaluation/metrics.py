"""Classification metrics that stay fast when the same predictions are scored under thousands of weightings.

Every score here is a function of three counts a label: rows of that label (gold), rows predicted as it, and
rows where both agree. A resample of the test set only weights the rows, so a thousand resamples are one
sparse product of predictions with weights. The values equal scikit-learn's at its defaults: labels that
occur neither in the gold labels nor in the predictions do not enter the macro average.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

METRICS = ("accuracy", "macro_f1", "weighted_f1")


def classification_metrics(gold: ArrayLike, predicted: ArrayLike, num_labels: int) -> dict[str, float]:
    """Score one list of predictions.

    Args:
        gold: Index of the true label of each row.
        predicted: Index of the predicted label of each row.
        num_labels: Number of labels; every index lies below it.

    Returns:
        ``accuracy``, ``macro_f1`` and ``weighted_f1``, each between 0 and 1; all 0 for no rows.
    """
    weights = np.ones((np.size(gold), 1), dtype=np.float32)
    return {
        name: float(values[0])
        for name, values in weighted_metrics(gold, predicted, num_labels, weights).items()
    }


def weighted_metrics(
    gold: ArrayLike, predicted: ArrayLike, num_labels: int, weights: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """Score one list of predictions under many weightings of its rows.

    Args:
        gold: Index of the true label of each row, [rows].
        predicted: Index of the predicted label of each row, [rows].
        num_labels: Number of labels.
        weights: How often each row counts, [rows, resamples]; whole numbers below 2^24 stay exact.

    Returns:
        For each of :data:`METRICS` its value under each weighting, [resamples].
    """
    gold_index = np.asarray(gold, dtype=np.int64)
    predicted_index = np.asarray(predicted, dtype=np.int64)
    right = gold_index == predicted_index
    # One product counts wrong predictions (first block), right ones (second block) for every label.
    counts = _label_sums(predicted_index + num_labels * right, 2 * num_labels, weights)
    true_positive = counts[num_labels:]
    predicted_count = counts[:num_labels] + true_positive
    gold_count = _label_sums(gold_index, num_labels, weights)
    total = gold_count.sum(axis=0)
    occurring = gold_count + predicted_count
    f1 = np.divide(2 * true_positive, occurring, out=np.zeros_like(occurring), where=occurring > 0)
    return {
        "accuracy": true_positive.sum(axis=0) / np.maximum(total, 1),
        "macro_f1": f1.sum(axis=0) / np.maximum((occurring > 0).sum(axis=0), 1),
        "weighted_f1": (f1 * gold_count).sum(axis=0) / np.maximum(total, 1),
    }


def _label_sums(index: NDArray[np.int64], size: int, weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Add up the weights of the rows of each index: [rows] and [rows, resamples] -> [size, resamples]."""
    rows = len(index)
    one_hot = sparse.csr_array((np.ones(rows, np.float32), (index, np.arange(rows))), shape=(size, rows))
    return np.asarray(one_hot @ weights, dtype=np.float64)


def confusion_matrix(gold: ArrayLike, predicted: ArrayLike, num_labels: int) -> NDArray[np.int64]:
    """Count rows by true label (first axis) and predicted label (second axis), [num_labels, num_labels]."""
    pairs = np.asarray(gold, dtype=np.int64) * num_labels + np.asarray(predicted, dtype=np.int64)
    return np.bincount(pairs, minlength=num_labels**2).reshape(num_labels, num_labels)
