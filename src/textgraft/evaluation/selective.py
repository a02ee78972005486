"""Answering only what is sure enough: a threshold on scores whose precision is promised.

A model that may leave rows to a person answers those whose score reaches a threshold (Chow 1970, "On optimum
recognition error and reject tradeoff", IEEE Transactions on Information Theory 16; Geifman and El-Yaniv 2017,
"Selective classification for deep neural networks", NeurIPS). Which threshold keeps a target is decided on
labelled rows that nothing was trained on, as a series of tests (Angelopoulos et al. 2021, "Learn then Test"):
for each threshold of a fixed grid the hypothesis that the answers above it are right less often than the
target. How many of them are wrong is binomial, so that the p-value is exact (Clopper and Pearson 1934). The
tests run from the strictest threshold to the loosest and end at the first that does not reject: then all that
were rejected are so at one level together (fixed-sequence testing: Maurer, Hothorn and Lehmacher 1995), and
any of them may be used, whichever it is.

- A threshold above which there are too few rows to reject anything would end the series before it begins. It
  begins where there are enough, which scores tell and labels do not.
- One wrong answer among the first hundred should not end it either. Half of the level is kept for a second
  beginning further down, where errors have averaged out; what the first series has not lost joins it (the
  fallback procedure: Wiens and Dmitrienko 2005).

The promise is exact where answers with higher scores are right more often. In the tests' simulations it is
kept in 1,000 draws of few and many rows also where scores are off, tied, or tell nothing.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from scipy.stats import binom

from textgraft.evaluation.intervals import Estimate
from textgraft.evaluation.promises import CONFIDENCE, Target, Threshold

GRID: NDArray[np.float64] = np.concatenate([[1.0], expit(np.arange(14.0, -7.0, -0.05)), [0.0]])
"""Thresholds that are tested, the strictest first: finer where scores come close to 1."""
_APART = 3
"""How many times more rows than the first series needs there must be for a second one."""
_SECOND = 0.9
"""The second series begins midway (of logarithms) between the first and this share of the rows."""


def fewest(precision: float, level: float) -> int:
    """Return how many answers, all of them right, prove a precision at a level."""
    return math.ceil(math.log(level) / math.log(precision))


def certified(
    answered: NDArray[np.int64], wrong: NDArray[np.int64], precision: float, rows: int
) -> NDArray[np.bool_]:
    """Test the thresholds of the grid in turn.

    Args:
        answered: Rows whose score reaches each threshold, [..., grid]; leading dimensions are draws.
        wrong: Of them, those answered wrongly.
        precision: To be promised.
        rows: All rows there are.

    Returns:
        Which thresholds keep it, [..., grid]: in all but 5 of 100 draws all of them do.
    """
    level = 1 - CONFIDENCE
    starts = [fewest(precision, level)]
    halved = fewest(precision, level / 2)
    if _SECOND * rows >= _APART * halved:
        starts = [halved, math.ceil(math.sqrt(halved * _SECOND * rows))]
    values = np.where(answered > 0, binom.cdf(wrong, answered, 1 - precision), 1.0)
    added = np.zeros(answered.shape)
    for start in starts:
        reached = answered >= start
        first = reached & (np.cumsum(reached, axis=-1) == 1)
        added += first * (level / len(starts))
    kept = np.zeros(answered.shape, dtype=np.bool_)
    own = np.zeros(answered.shape[:-1])
    for place in range(answered.shape[-1]):
        own = own + added[..., place]
        kept[..., place] = (values[..., place] <= own) & (own > 0)
        own = np.where(kept[..., place], own, 0.0)
    return kept


def counts(scores: ArrayLike, right: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count for each threshold of the grid the answers whose score reaches it, and the wrong ones of them.

    Of a row with several answers above a threshold one counts, which is drawn: the answers of a row are not
    independent of each other, those of different rows are.

    Args:
        scores: Of each answer, [rows] or [rows, answers]; below 0 where there is none.
        right: Whether it is right, likewise.

    Returns:
        Both [grid].
    """
    by_answer = np.asarray(scores, dtype=np.float64)
    is_right = np.asarray(right, dtype=np.bool_).reshape(by_answer.shape)
    if by_answer.ndim == 1:
        by_answer, is_right = by_answer[:, None], is_right[:, None]
    order = np.random.default_rng(0).random(by_answer.shape)
    # An answer counts from its own threshold on, until one of the row joins that was drawn before it.
    first = np.searchsorted(-GRID, -by_answer, side="left")
    first[by_answer < 0] = len(GRID)
    answered = np.bincount(first.min(axis=1, initial=len(GRID)), minlength=len(GRID) + 1)
    changes = np.zeros(len(GRID) + 1, dtype=np.int64)
    for places, wrong, drawn in zip(first, ~is_right, order, strict=True):
        held = None
        for answer in np.lexsort((-drawn, places)):
            if places[answer] == len(GRID):
                break
            if held is None or drawn[answer] > drawn[held]:
                changes[places[answer]] += int(wrong[answer]) - int(held is not None and wrong[held])
                held = answer
    return np.cumsum(answered[:-1]), np.cumsum(changes[:-1])


def find_threshold(scores: ArrayLike, right: ArrayLike, target: Target) -> Threshold:
    """Find the threshold that answers most, or costs least, and keeps the target.

    Args:
        scores: How sure the model is of each answer, 0 to 1, [rows] or [rows, answers]; below 0 where there
            is none. A row without any is left out.
        right: Whether it is right, likewise.
        target: What is asked for.
    """
    answered, wrong = counts(scores, right)
    rows = int(answered[-1])
    kept = certified(answered, wrong, target.least_precision, rows)
    best, cost = int(np.flatnonzero(kept).max(initial=-1)), None
    if target.review_cost is not None and target.error_cost is not None:
        cost = target.review_cost
        if best >= 0:
            costs = (wrong * target.error_cost + (rows - answered) * target.review_cost) / rows
            best = int(np.where(kept, costs, np.inf).argmin())
            cost = float(costs[best])
    is_found = best >= 0
    covered = coverage(int(answered[best]), rows) if is_found else Estimate(0.0, 0.0, 0.0)
    return Threshold(
        least=float(GRID[best]) if is_found else None,
        precision=target.least_precision,
        error_cost=target.error_cost,
        review_cost=target.review_cost,
        cost=cost,
        rows=rows,
        answered=int(answered[best]) if is_found else 0,
        right=int(answered[best] - wrong[best]) if is_found else 0,
        coverage=covered.value,
        coverage_low=covered.low,
        coverage_high=covered.high,
    )


def coverage(answered: int, rows: int) -> Estimate:
    """Return the share of rows above a threshold with its 95% interval, whatever the threshold was chosen by.

    The interval is that of the whole distribution of scores at once (Dvoretzky, Kiefer and Wolfowitz 1956,
    with the constant of Massart 1990).
    """
    half = math.sqrt(math.log(2 / (1 - CONFIDENCE)) / (2 * rows))
    value = answered / rows
    return Estimate(value, max(0.0, value - half), min(1.0, value + half))
