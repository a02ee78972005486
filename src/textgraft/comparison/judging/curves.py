"""Learning curves: where two of them cross, where one becomes flat, how many labels reach a score.

Between measured sizes a curve is read by straight lines over log n. Every question is answered once for the
observed scores and once for each bootstrap draw of the whole curve; the interval is read off the draws. What
lies beyond the measured sizes is the matter of :mod:`textgraft.comparison.judging.forecasts`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textgraft.comparison.records.verdict import NOTICEABLE, Crossing

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LearningCurve:
    """Scores of one contender over training sizes."""

    sizes: Floats
    """Labelled training rows, ascending, [sizes]."""
    scores: Floats
    """Observed mean score at each size, [sizes]."""
    draws: Floats
    """Bootstrap draws of the same, [sizes, draws]: one resample of test rows and seeds for all sizes."""
    of_rows: Floats
    """Covariance of the scores over test rows, which all sizes share, [sizes, sizes]."""
    of_seeds: Floats
    """Their variance over seeds, which each size has of its own, [sizes]."""

    @property
    def noise(self) -> Floats:
        """Covariance of the scores by both, [sizes, sizes]."""
        return self.of_rows + np.diag(self.of_seeds)


def find_crossing(first: LearningCurve, second: LearningCurve, names: tuple[str, str]) -> Crossing | None:
    """Find the last crossing of two curves within the sizes both were measured at.

    Returns:
        None if one contender leads at every shared size, or fewer than two sizes are shared.
    """
    shared = np.intersect1d(first.sizes, second.sizes)
    shared = shared[shared > 0]
    if len(shared) < 2:
        return None
    mine, theirs = (np.isin(curve.sizes, shared) for curve in (first, second))
    observed = first.scores[mine] - second.scores[theirs]
    if observed[-1] == 0 or not (observed * observed[-1] < 0).any():
        return None
    draws = first.draws[mine] - second.draws[theirs]
    # Signs are turned so that the later leader's lead is positive.
    leads = np.concatenate([observed[:, None], draws], axis=1) * np.sign(observed[-1])
    points = _last_rise_through_zero(np.log(shared), leads)
    low, high = np.quantile(points[1:], [0.025, 0.975], method="nearest")
    before, after = names if observed[-1] < 0 else names[::-1]
    return Crossing(
        before=before,
        after=after,
        labels=float(np.exp(points[0])),
        low=float(np.exp(low)) if np.isfinite(low) else None,
        high=float(np.exp(high)) if np.isfinite(high) else None,
    )


def plateau_start(curve: LearningCurve) -> int:
    """Find where a curve stops rising.

    Returns:
        The position of the first size from which on every score is as good as that of the largest size: less
        than :data:`NOTICEABLE` below it, or less than two standard errors of the difference.
    """
    below = curve.scores[-1] - curve.scores
    errors = (curve.draws[-1] - curve.draws).std(axis=1)
    rising = np.flatnonzero(below > np.maximum(NOTICEABLE, 2 * errors))
    return int(rising[-1]) + 1 if len(rising) else 0


def _last_rise_through_zero(positions: Floats, leads: Floats) -> Floats:
    """Interpolate the last place where each column turns from <= 0 to > 0.

    Args:
        positions: Log sizes, [sizes].
        leads: [sizes, columns].

    Returns:
        [columns]; -inf for a column that is positive throughout, inf for one that does not end positive.
    """
    behind = leads <= 0
    columns = np.arange(leads.shape[1])
    last = len(positions) - 1 - behind[::-1].argmax(axis=0)  # last size at which the column is not positive
    left = np.minimum(last, len(positions) - 2)
    start, stop = leads[left, columns], leads[left + 1, columns]
    share = np.divide(-start, stop - start, out=np.zeros_like(start), where=stop != start)
    points = positions[left] + share * (positions[left + 1] - positions[left])
    return np.where(~behind.any(axis=0), -np.inf, np.where(behind[-1], np.inf, points))


def labels_needed(curve: LearningCurve, target: ArrayLike) -> Floats:
    """Count the labels a contender needs to reach a score, read between the measured sizes.

    Args:
        curve: The contender's curve.
        target: The score to reach, for the observed curve (entry 0) and for each draw, [1 + draws].

    Returns:
        [1 + draws]: the labels at which the score is first reached; the smallest measured size where that
        already reaches it (the need is then *at most* this); inf where no measured size does.
    """
    scores = np.concatenate([curve.scores[:, None], curve.draws], axis=1)
    lacking = np.asarray(target, dtype=np.float64) - scores
    reached = lacking <= 0
    columns = np.arange(scores.shape[1])
    right = reached.argmax(axis=0)
    left = np.maximum(right - 1, 0)
    gap = lacking[left, columns]
    rise = gap - lacking[right, columns]
    share = np.divide(gap, rise, out=np.zeros_like(gap), where=rise > 0)
    position = np.log(curve.sizes)
    labels = np.exp(position[left] + share * (position[right] - position[left]))
    return np.where(reached[0], curve.sizes[0], np.where(reached.any(axis=0), labels, np.inf))
