"""How well numbers are predicted: correlations, explained variance and error, under many weightings at once.

The values equal those of scipy and scikit-learn on the rows repeated as often as they weigh. A correlation
with something constant is undefined; here it is 0, because a constant tells no row from another.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

REGRESSION_METRICS = ("spearman", "pearson", "r2", "negative_rmse")

_BLOCK = 2**20
"""Numbers held at once in each table of [rows, resamples] (8 MiB)."""
_CONSTANT = 1e-13
"""Deviations this small against the mean are rounding errors of a constant, as in scipy."""


def weighted_regression_metrics(
    gold: ArrayLike, predicted: ArrayLike, weights: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """Score one list of predicted numbers under many weightings of its rows.

    Args:
        gold: True numbers, [rows].
        predicted: Predicted numbers, [rows].
        weights: How often each row counts, whole numbers, [rows, resamples].

    Returns:
        For each of :data:`REGRESSION_METRICS` its value under each weighting, [resamples]: Spearman's rank
        correlation, where equal numbers share their mean rank; Pearson's correlation; the coefficient of
        determination, which is 1 for perfect answers and else 0 where the true numbers are all equal; and
        the root mean squared error with its sign turned, so that larger is better.
    """
    true, guess = np.asarray(gold, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    resamples = weights.shape[1]
    values = {name: np.zeros(resamples) for name in REGRESSION_METRICS}
    if not len(true):
        return values
    step = max(1, _BLOCK // len(true))
    for start in range(0, resamples, step):
        block = slice(start, min(start + step, resamples))
        counts = weights[:, block].astype(np.float64)
        values["spearman"][block] = pearson(ranks(true, counts), ranks(guess, counts), counts)
        values["pearson"][block] = pearson(true[:, None], guess[:, None], counts)
        squared = (true - guess) ** 2 @ counts
        spread = (_deviations(true[:, None], counts) ** 2 * counts).sum(axis=0)
        perfect = np.where(squared == 0, 1.0, 0.0)
        values["r2"][block] = 1 - np.divide(squared, spread, out=1 - perfect, where=spread > 0)
        values["negative_rmse"][block] = -np.sqrt(squared / np.maximum(counts.sum(axis=0), 1))
    return values


def pearson(
    first: NDArray[np.float64], second: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return Pearson's correlation under each weighting; 0 where one side is constant.

    Args:
        first: Numbers, [rows, resamples] or [rows, 1].
        second: Numbers, likewise.
        weights: How often each row counts, [rows, resamples].

    Returns:
        -1 to 1, [resamples].
    """
    left, right = _scaled(_deviations(first, weights)), _scaled(_deviations(second, weights))
    together = (left * right * weights).sum(axis=0)
    apart = np.sqrt((left**2 * weights).sum(axis=0)) * np.sqrt((right**2 * weights).sum(axis=0))
    return np.clip(np.divide(together, apart, out=np.zeros_like(apart), where=apart > 0), -1, 1)


def _scaled(deviations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide each column by its largest: squares of tiny or huge numbers would leave the range of floats."""
    return deviations / np.maximum(np.abs(deviations).max(axis=0), np.finfo(np.float64).tiny)


def _deviations(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each value minus the weighted mean, [rows, resamples]; 0 for rows of no weight or a constant."""
    total = np.maximum(weights.sum(axis=0), 1)
    mean = (values * weights).sum(axis=0) / total
    deviations = np.where(weights > 0, values - mean, 0.0)
    constant = np.abs(deviations).max(axis=0) <= _CONSTANT * np.abs(mean)
    return np.where(constant, 0.0, deviations)


def ranks(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank numbers as if each row stood there as often as it weighs.

    Args:
        values: Numbers, [rows].
        weights: How often each row counts, [rows, resamples].

    Returns:
        The rank of each row among the repeated rows, counted from 1, the mean rank where numbers are equal,
        [rows, resamples].
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    begins = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    group = np.empty(len(values), dtype=np.int64)
    group[order] = np.cumsum(np.r_[True, ordered[1:] != ordered[:-1]]) - 1
    size = np.add.reduceat(weights[order], begins, axis=0)
    return (size.cumsum(axis=0) - (size - 1) / 2)[group]
