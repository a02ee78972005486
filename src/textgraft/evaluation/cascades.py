"""A chain of models, the cheapest first: each answers what it is sure enough of, the last one all the rest.

How sure is one threshold for the whole chain, on the calibrated probability of the likeliest label; where a
cheap model is as sure as that, asking a better one changes little (Jitkrittum et al. 2023, "When does
confidence-based cascade deferral suffice?"). Which threshold costs the chain at most a given share of right
answers against its last model alone is decided on labelled rows, as a series of tests ("Learn then Test":
Angelopoulos et al. 2021; for such chains Schuster et al. 2022, "Confident adaptive language modeling"): for
each threshold of a fixed grid the hypothesis that the chain loses more. The tests run from the strictest
threshold to the loosest and end at the first that does not reject, so that all of them hold their level
together (fixed-sequence testing: Maurer, Hothorn and Lehmacher 1995). Were every step to have a threshold of
its own, there would be no such order.

The test is the score test for a difference of paired proportions (Tango 1998, "Equivalence test and
confidence interval for the difference in proportions for the paired-sample design", Statistics in Medicine
17), and where few rows speak the exact binomial one for rows that are lost alone: the larger p-value counts.
In the tests' simulations the promise is kept in 95 of 100 draws, for chains of two and of three models.

What such a chain scores is measured on rows that had no part in choosing the threshold: of those that had,
the ones are too many by which it came to be chosen.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom, norm

from textgraft.evaluation.promises import CONFIDENCE
from textgraft.evaluation.selective import GRID, fewest

METHOD = "fixed-sequence testing with Tango's score test for paired proportions"


def answering_part(confidences: ArrayLike, least: float) -> NDArray[np.int64]:
    """Return which model of a chain answers each row: the first that is sure enough, else the last.

    Args:
        confidences: Of every model but the last, [models - 1, rows].
        least: From which confidence on a model answers.
    """
    sure = np.asarray(confidences, dtype=np.float64) >= least
    always = np.ones((1, sure.shape[1]), dtype=np.bool_)
    return np.concatenate([sure, always]).argmax(axis=0)


def lost_and_gained(confidences: ArrayLike, right: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count for each threshold the rows that a chain loses and gains against its last model alone.

    Args:
        confidences: Of every model but the last, [models - 1, ..., rows]; dimensions between are draws.
        right: Whether the answer of each model is right, the last included, [models, ..., rows].

    Returns:
        Rows that the last model alone answers rightly and the chain wrongly, and the other way round; both
        [..., grid], for the thresholds of :data:`~textgraft.evaluation.selective.GRID`.
    """
    is_right = np.asarray(right, dtype=np.bool_)
    # A model answers from its own place on the grid, until an earlier one is sure enough.
    begins = np.searchsorted(-GRID, -np.asarray(confidences, dtype=np.float64), side="left")
    ends = np.full(is_right.shape[1:], len(GRID))
    lost = np.zeros((*is_right.shape[1:-1], len(GRID)), dtype=np.int64)
    gained = lost.copy()
    for begin, own in zip(begins, is_right[:-1], strict=True):
        was_lost, was_gained = ((begin < ends) & (own ^ is_right[-1]) & one for one in (is_right[-1], own))
        lost += _at(begin, was_lost) - _at(ends, was_lost)
        gained += _at(begin, was_gained) - _at(ends, was_gained)
        ends = np.minimum(ends, begin)
    return lost.cumsum(axis=-1), gained.cumsum(axis=-1)


def _at(places: NDArray[np.int64], counted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count the rows of each draw at each place of the grid: both [..., rows] -> [..., grid]."""
    size = len(GRID) + 1  # the last for those that no threshold reaches
    shape = places.shape[:-1]
    draws = np.arange(math.prod(shape)).reshape(*shape, 1)
    counts = np.bincount((places + size * draws)[counted], minlength=size * math.prod(shape))
    return counts.reshape(*shape, size)[..., :-1]


def worse_p_value(lost: ArrayLike, gained: ArrayLike, rows: int, tolerance: float) -> NDArray[np.float64]:
    """Test the hypothesis that more than a share of right answers is lost, rows gained set off against lost.

    Args:
        lost: Rows that one model alone answers rightly, of any shape.
        gained: Rows that the other alone does, likewise.
        rows: All rows there are.
        tolerance: The share, above 0 and below 1.

    Returns:
        The p-value of each: small where so few are lost that it cannot be.
    """
    less, more = np.asarray(lost, dtype=np.float64), np.asarray(gained, dtype=np.float64)
    # The likeliest share gained if as many are lost as the hypothesis says: a quadratic equation.
    linear = tolerance * (2 * rows - less + more) - less - more
    constant = -more * tolerance * (1 - tolerance)
    share = (np.sqrt(linear**2 - 8 * rows * constant) - linear) / (4 * rows)
    deviation = np.sqrt(rows * (2 * share + tolerance * (1 - tolerance)))
    score_test = norm.cdf((less - more - rows * tolerance) / deviation)
    exact = binom.cdf(less - more, rows, tolerance)
    return np.maximum(score_test, exact)


def not_worse(
    lost: NDArray[np.int64], gained: NDArray[np.int64], rows: int, tolerance: float
) -> NDArray[np.bool_]:
    """Test the thresholds of the grid in turn, until one does not pass.

    Args:
        lost: As :func:`lost_and_gained` counts them, [..., grid]; leading dimensions are draws.
        gained: Likewise.
        rows: All rows there are, those of one draw.
        tolerance: The share of right answers that may be lost.

    Returns:
        Which thresholds lose no more, [..., grid]: in all but 5 of 100 draws all of them do not.
    """
    passed = worse_p_value(lost, gained, rows, tolerance) <= 1 - CONFIDENCE
    return np.logical_and.accumulate(passed, axis=-1)


def find_least(confidences: ArrayLike, right: ArrayLike, tolerance: float) -> float | None:
    """Find the loosest threshold of a chain that loses no more right answers than is tolerated.

    Args:
        confidences: As for :func:`lost_and_gained`.
        right: Likewise.
        tolerance: The share of all rows.

    Returns:
        The threshold; None where no threshold can be told to lose no more, or none lets an earlier model
        answer a row.
    """
    sure = np.asarray(confidences, dtype=np.float64)
    kept = not_worse(*lost_and_gained(sure, right), sure.shape[1], tolerance)
    place = int(np.flatnonzero(kept).max(initial=-1))
    if place < 0 or not (sure >= GRID[place]).any():
        return None
    return float(GRID[place])


def fewest_rows(tolerance: float) -> int:
    """Return how many rows it takes to tell that no more than a share is lost, where none of them is."""
    return math.ceil(fewest(1 - tolerance, 1 - CONFIDENCE))
