"""Where a model is worse than elsewhere: many slices of the rows searched, and no luck taken for a finding.

Whoever looks at forty slices finds two at the 5% level where there is nothing. The difference of each slice
to the other rows is therefore divided by its standard error, and the intervals of all slices have the same
width in standard errors: the 95% quantile of the largest of them all when qualities are dealt to the rows
anew (the single-step maximum of Westfall and Young 1993, "Resampling-based multiple testing"). Where the
quality of no row depends on its slices, this is exact for any number and overlap of slices: the chance that
any slice is called worse is then at most 5%. The statistic is studentised, so that it also holds about where
slices differ in variance alone (Chung and Romano 2013, "Exact and asymptotically robust permutation tests",
Annals of Statistics 41). In the tests' simulations both stay within their claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from textgraft.evaluation.intervals import Score, wilson

LEAST_ROWS = 10
"""Smaller slices, and slices with fewer rows outside, are not looked at."""
LEVEL = 0.95
DRAWS = 1000
_SHRINKAGE = 5
"""Rows of the common variance that the variance in a slice counts beside its own: ten right answers of ten do
not prove that there is none."""
_MAX_DEALT = 2**22
"""Qualities dealt at once."""


@dataclass(frozen=True)
class Slice:
    """Some of the rows."""

    dimension: str
    """By what rows are told apart, as "words"."""
    name: str
    """Of this slice, as "12 to 30"."""
    members: NDArray[np.bool_]
    """Which rows are in it, [rows]."""


class SliceScore(msgspec.Struct, frozen=True, kw_only=True):
    """How good the answers are in a slice. All intervals hold together, at 95%, over all slices."""

    dimension: str
    name: str
    rows: int
    quality: Score
    """Mean quality of its rows, 0 to 1."""
    difference: Score
    """To the mean of the other rows."""

    @property
    def is_worse(self) -> bool:
        """Whether it is worse than the other rows by more than chance."""
        return self.difference.high is not None and self.difference.high < 0


def score_slices(
    quality: ArrayLike, slices: Sequence[Slice], *, draws: int = DRAWS, seed: int = 0
) -> list[SliceScore]:
    """Compare each slice with the rows outside of it.

    Args:
        quality: How good each answer is, 0 to 1, [rows].
        slices: Any, overlapping or not; those with too few rows inside or outside are left out.
        draws: Times that qualities are dealt to the rows anew.
        seed: Fixes how.

    Returns:
        The slices that are large enough, in the order given.
    """
    values = np.asarray(quality, dtype=np.float64)
    large = [one for one in slices if LEAST_ROWS <= one.members.sum() <= len(values) - LEAST_ROWS]
    if not large:
        return []
    members = np.array([one.members for one in large], dtype=np.float32)
    sizes = members.sum(axis=1, dtype=np.float64)
    # The statistic does not depend on where zero is, and single precision is then enough.
    centre, common = float(values.mean()), float(values.var(ddof=1))
    centred = (values - centre).astype(np.float32)[:, None]
    difference, error = (array[:, 0] for array in _differences(members, sizes, centred, common))
    reach = _reach(members, sizes, centred[:, 0], common, (draws, seed))
    tail = (1 - LEVEL) / 2 / len(large)
    scores = []
    for place, one in enumerate(large):
        value = float(difference[place])
        half = None if reach is None else reach * float(error[place])
        scores.append(
            SliceScore(
                dimension=one.dimension,
                name=one.name,
                rows=int(sizes[place]),
                quality=_mean_interval(values[one.members], tail),
                difference=Score(value, None, None)
                if half is None
                else Score(value, value - half, value + half),
            )
        )
    return scores


def worst_slice(scores: Sequence[SliceScore]) -> SliceScore | None:
    """Return the slice that is worse by most of those that are worse by more than chance; None: none is."""
    return min((one for one in scores if one.is_worse), key=lambda one: one.difference.value, default=None)


def _differences(
    members: NDArray[np.float32], sizes: NDArray[np.float64], dealt: NDArray[np.float32], common: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return of each slice the difference to the other rows and its standard error, [slices, draws].

    Args:
        members: [slices, rows].
        sizes: Rows of each slice.
        dealt: Qualities, [rows, draws], about 0.
        common: Their variance.
    """
    inside, squares = np.float64(members @ dealt), np.float64(members @ dealt**2)
    total, total_squares = dealt.sum(axis=0, dtype=np.float64), (dealt**2).sum(axis=0, dtype=np.float64)
    rows = sizes[:, None]
    others = len(dealt) - rows
    means = inside / rows, (total - inside) / others
    variance = _shrunk(squares / rows - means[0] ** 2, rows, common) / rows
    variance += _shrunk((total_squares - squares) / others - means[1] ** 2, others, common) / others
    return means[0] - means[1], np.sqrt(variance)


def _shrunk(variance: NDArray[np.float64], rows: NDArray[np.float64], common: float) -> NDArray[np.float64]:
    """Return the variance with some rows of the common one added."""
    shrunk: NDArray[np.float64] = (rows * np.maximum(variance, 0) + _SHRINKAGE * common) / (
        rows + _SHRINKAGE - 1
    )
    return shrunk


def _reach(
    members: NDArray[np.float32],
    sizes: NDArray[np.float64],
    quality: NDArray[np.float32],
    common: float,
    drawing: tuple[int, int],
) -> float | None:
    """Return how many standard errors the intervals reach; None where all rows are equally good."""
    if common <= 0:
        return None
    draws, seed = drawing
    rng = np.random.default_rng(seed)
    largest = []
    step = max(1, _MAX_DEALT // len(quality))
    for start in range(0, draws, step):
        dealt = np.tile(quality, (min(step, draws - start), 1))
        difference, error = _differences(members, sizes, rng.permuted(dealt, axis=1).T, common)
        largest.append(np.abs(difference / error).max(axis=0))
    # The order that was found counts as one of the draws: the level is then kept exactly.
    sorted_ = np.sort(np.concatenate(largest))
    return float(sorted_[min(len(sorted_) - 1, int(np.ceil(LEVEL * (draws + 1))) - 1)])


def _mean_interval(values: NDArray[np.float64], tail: float) -> Score:
    """Return a mean of values between 0 and 1 with an interval that leaves out ``tail`` on either side.

    Wilson's, of as many rows as would give a fraction the same variance.
    """
    mean = min(1.0, max(0.0, float(values.mean())))
    variance, spread = float(values.var(ddof=1)), mean * (1 - mean)
    effective = len(values) * spread / variance if variance > 0 and spread > 0 else len(values)
    low, high = wilson(mean, effective, float(stdtrit(len(values) - 1, 1 - tail)))
    return Score(mean, min(low, mean), max(high, mean))
