"""Whether two samples come from one distribution: tests by permutation, exact for any number of rows.

The kernel test is the maximum mean discrepancy of Gretton et al. (2012), "A kernel two-sample test", Journal
of Machine Learning Research 13. Its p-value is not that of an asymptotic law: rows are dealt to the two
samples anew, which keeps the level for any kernel (Phipson and Smyth 2010, "Permutation p-values should never
be zero").
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

PERMUTATIONS = 999
_MAX_DEALT = 2**22
"""Rows times permutations that are dealt at once."""


def gaussian_kernel(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the Gaussian kernel of rows, as wide as the median of their distances, [rows, rows]."""
    rows = vectors.astype(np.float32)
    squares = (rows**2).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares - 2 * rows @ rows.T, 0)
    apart = distances[np.triu_indices(len(rows), 1)]
    width = float(np.median(apart)) if len(apart) else 1.0
    kernel: NDArray[np.float32] = np.exp(-distances / np.float32(width if width > 0 else 1.0))
    return kernel


def kernel_test(
    kernel: NDArray[np.floating], first: int, *, permutations: int = PERMUTATIONS, seed: int = 0
) -> float:
    """Return the p-value of the maximum mean discrepancy between the first rows and the others.

    Args:
        kernel: Of all rows, [rows, rows].
        first: How many of them are of the first sample.
        permutations: Times that rows are dealt anew.
        seed: Fixes how.
    """
    contrast = _contrast(len(kernel), first)
    statistic = float(contrast @ kernel @ contrast)
    drawn = [np.einsum("ij,ij->j", dealt, kernel @ dealt) for dealt in _dealt(contrast, permutations, seed)]
    return _p_value(statistic, np.concatenate(drawn))


def category_test(
    categories: NDArray[np.int64], first: int, *, permutations: int = PERMUTATIONS, seed: int = 0
) -> float:
    """Return the p-value of the chi-squared statistic of categories in the first rows and the others.

    Args:
        categories: Of all rows, numbered from 0, [rows].
        first: How many of them are of the first sample.
        permutations: Times that rows are dealt anew.
        seed: Fixes how.
    """
    counts = np.bincount(categories)
    present = np.flatnonzero(counts)
    members = (categories[:, None] == present).astype(np.float32)
    # With fixed margins the statistic is, up to a factor, the squared difference of shares over the count.
    weights = 1 / counts[present]
    contrast = _contrast(len(categories), first)
    statistic = float(((contrast @ members) ** 2) @ weights)
    drawn = [weights @ (members.T @ dealt) ** 2 for dealt in _dealt(contrast, permutations, seed)]
    return _p_value(statistic, np.concatenate(drawn))


def _contrast(rows: int, first: int) -> NDArray[np.float32]:
    """Return what takes the mean of the others from the mean of the first rows, [rows]."""
    contrast = np.full(rows, -1 / (rows - first), dtype=np.float32)
    contrast[:first] = 1 / first
    return contrast


def _dealt(contrast: NDArray[np.float32], permutations: int, seed: int) -> Iterator[NDArray[np.float32]]:
    """Yield the contrast with its rows dealt anew, [rows, permutations], a part at a time."""
    rng = np.random.default_rng(seed)
    step = max(1, _MAX_DEALT // len(contrast))
    for start in range(0, permutations, step):
        yield rng.permuted(np.tile(contrast, (min(step, permutations - start), 1)), axis=1).T


def _p_value(statistic: float, drawn: NDArray[np.floating]) -> float:
    # The order that was found is one of those that there are; a hair's breadth is rounding.
    above = int((drawn >= statistic * (1 - 1e-5)).sum())
    return (1 + above) / (1 + len(drawn))
