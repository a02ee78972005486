"""What more labels would buy: a learning curve carried on, smoothly and with what is not known of its bend.

With each doubling of the labels the error of a model falls by about the same factor (a power law: Hestness et
al. 2017, "Deep learning scaling is predictable, empirically"). But the factor changes along the curve: with
many labels, and with bags of words, it grows for a long time before it shrinks. A power law fitted to the
whole curve is then sure of the wrong thing: on real curves its 95% intervals held half of the gains.

Here -log(error) over log2(labels) is a local linear trend (Harvey 1989, "Forecasting, structural time series
models and the Kalman filter"): its slope wanders as a Wiener process, which makes it the smoothing spline of
Wahba 1978 ("Improper priors, spline smoothing and the problem of guarding against model errors in
regression"), and all is Gaussian. Most curves bend gently, some abruptly, as where they become flat: two
bends are weighed by how likely each makes what was measured.

All sizes are scored on the same test rows and share their luck. In -log(error) it weighs the more the fewer
errors are left: to a fit that knows of it, a steep curve looks like one on easy rows, and the curve that it
finds ends below all scores (Peelle's pertinent puzzle). Too little is known of how steep curves are for their
shape to tell luck. So the luck that goes with that of the largest size takes no part in the fit, and is added
when scores are drawn (a cut: Plummer 2015, "Cuts in Bayesian graphical models").

The constants below describe how slopes change from one doubling to the next on 24 real curves
(``benchmarks/learning_curves.py``), held out at twice and four times the largest size. The intervals are
wider than they claim, so that they also hold most of the gains of curves that become flat or steep at once;
the tests hold them to simulated curves, and ``benchmarks/extrapolation.py`` to real ones on which nothing was
set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from textgraft.comparison.judging.curves import Floats, LearningCurve
from textgraft.comparison.records.verdict import NOTICEABLE
from textgraft.errors import OptionError
from textgraft.evaluation.intervals import Estimate
from textgraft.wording import count

FURTHEST = 4
"""A forecast is refused beyond this many times the largest measured size."""
FEWEST_SIZES = 3
SMALLEST_SIZE = 25
"""Below so many labels a curve is still to find its shape; such sizes are left out."""
LEAST_FIT = 0.01
"""Curves as unlikely as this under the model are not carried on."""

SLOPE, SLOPE_DEVIATION = 0.12, 0.15
"""Of -log(error) at the smallest size, for each doubling."""
BEND, BEND_OF_SLOPE = 0.02, 0.2
"""Deviation by which the slope changes with each doubling: so much, and this part of the slope itself."""
ABRUPT, ABRUPT_SHARE = 3.0, 0.2
"""So many times as much does a curve bend that bends abruptly, and so many do."""
_LEVEL_VARIANCE = 9.0
"""Of -log(error) before anything is measured: it may be anything."""
_LEAST_ERROR = 1e-3
"""A score without a single error is taken for one in a thousand."""
_NO_VARIANCE = 1e-12
"""Of a score that no test row moves."""
_DRAWS = 4000


@dataclass(frozen=True)
class Trend:
    """-log(error) of a curve over log2(labels), as a Gaussian process given what was measured."""

    positions: Floats
    """log2(labels) above that of the smallest size, [sizes]."""
    residuals: Floats
    """Of -log(error) at the sizes from the mean of the process, [sizes]."""
    noise: Floats
    """Their covariance but for luck, [sizes, sizes]."""
    luck: Floats
    """How far a standard deviation of the luck of the test rows at the largest size moves each, [sizes]."""
    bend: float
    """Deviation of the slope's change with each doubling."""

    def _covariance(self, left: Floats, right: Floats) -> Floats:
        """Return the prior covariance of -log(error) at two sets of positions."""
        least, most = np.minimum.outer(left, right), np.maximum.outer(left, right)
        line = _LEVEL_VARIANCE + SLOPE_DEVIATION**2 * np.outer(left, right)
        return line + self.bend**2 * least**2 * (3 * most - least) / 6

    @property
    def measured(self) -> Floats:
        """Covariance of what was measured but for luck, [sizes, sizes]."""
        return self._covariance(self.positions, self.positions) + self.noise

    def distance(self) -> float:
        """Return how far apart the scores lie: chi-square, a degree of freedom for each but the first."""
        return float(self.residuals @ np.linalg.solve(self.measured, self.residuals))

    def log_evidence(self) -> float:
        """Return how likely the bend makes what was measured, but for a constant."""
        return -0.5 * (self.distance() + float(np.linalg.slogdet(self.measured)[1]))

    def draw(self, positions: Floats, normal: Floats) -> Floats:
        """Draw -log(error) at some positions from normal deviates [draws, positions + 1], one of luck."""
        across = self._covariance(positions, self.positions)
        gain = np.linalg.solve(self.measured, across.T).T
        covariance = self._covariance(positions, positions) - gain @ across.T
        residuals = self.residuals + normal[:, -1:] * self.luck
        return normal[:, :-1] @ _root(covariance).T + SLOPE * positions + residuals @ gain.T


@dataclass(frozen=True)
class Extrapolation:
    """A curve that can be carried on: as one that bends gently, or as one that bends abruptly."""

    trends: tuple[Trend, Trend]
    abrupt: float
    """Probability of the second."""
    smallest: float
    """The smallest size that the trends begin with."""
    largest: float
    """The largest measured size."""

    def forecast(self, labels: float) -> tuple[Estimate, Estimate]:
        """Return the score at a number of labels, and what it adds to that of the largest measured size.

        Raises:
            OptionError: ``labels`` lies beyond four times the largest measured size.
        """
        if labels > FURTHEST * self.largest:
            raise OptionError(
                f"a score at {count(labels)} labels cannot be predicted from {count(self.largest)}",
                fix=f"Ask for at most {count(FURTHEST * self.largest)} labels, {FURTHEST} times as many.",
            )
        positions = np.log2(np.array([self.largest, labels]) / self.smallest)
        normal = np.random.default_rng(0).standard_normal((_DRAWS, 3))
        gentle = round(_DRAWS * (1 - self.abrupt))
        parts = (normal[:gentle], normal[gentle:])
        drawn = [trend.draw(positions, part) for trend, part in zip(self.trends, parts, strict=True)]
        # No share is below 0; of what may be, nothing is known there.
        scores = np.maximum(0.0, 1 - np.exp(-np.concatenate(drawn)))
        return _estimate(scores[:, 1]), _estimate(scores[:, 1] - scores[:, 0])


def _root(covariance: Floats) -> Floats:
    """Return a matrix whose product with its transpose is a covariance, which may be singular."""
    values, vectors = np.linalg.eigh(covariance)
    root: Floats = vectors * np.sqrt(np.maximum(values, 0))
    return root


def _estimate(draws: Floats) -> Estimate:
    low, middle, high = np.quantile(draws, [0.025, 0.5, 0.975])
    return Estimate(float(middle), float(low), float(high))


def carry_on(curve: LearningCurve) -> Extrapolation:
    """Describe a curve so that it can be carried on.

    Raises:
        OptionError: Too few sizes were measured, the score falls, or it jumps from size to size.
    """
    kept = curve.sizes >= SMALLEST_SIZE
    sizes, scores = curve.sizes[kept], curve.scores[kept]
    if len(sizes) < FEWEST_SIZES:
        least = "" if kept.all() else f" of {SMALLEST_SIZE} labels and more"
        needed = f"{FEWEST_SIZES} training sizes{least}"
        raise OptionError(
            f"a learning curve needs at least {needed}, this one has {len(sizes)}",
            fix="Run the comparison with more --sizes.",
        )
    of_rows, of_seeds = curve.of_rows[np.ix_(kept, kept)], np.diag(curve.of_seeds[kept])
    _refuse_to_fall(sizes, scores, of_rows + of_seeds)
    errors = np.maximum(1 - scores, _LEAST_ERROR)
    logs, positions = -np.log(errors), np.log2(sizes / sizes[0])
    # Rows that are easy at the largest size are so at the others, in proportion to their covariance with it.
    luck = of_rows[-1] / max(of_rows[-1, -1], _NO_VARIANCE) ** 0.5
    apart = of_rows - np.outer(luck, luck) + of_seeds
    slope = (logs[-1] - logs[-FEWEST_SIZES]) / (positions[-1] - positions[-FEWEST_SIZES])
    bend = BEND + BEND_OF_SLOPE * abs(float(slope))
    gentle, abrupt = (
        Trend(
            positions, logs - SLOPE * positions, apart / np.outer(errors, errors), luck / errors, times * bend
        )
        for times in (1.0, ABRUPT)
    )
    if stats.chi2.sf(abrupt.distance(), len(sizes) - 1) < LEAST_FIT:
        raise OptionError(
            "the scores change more from size to size than test rows, seeds and a smooth curve explain",
            fix="Run the comparison with more --seeds.",
        )
    odds = ABRUPT_SHARE / (1 - ABRUPT_SHARE) * np.exp(abrupt.log_evidence() - gentle.log_evidence())
    return Extrapolation((gentle, abrupt), float(odds / (1 + odds)), float(sizes[0]), float(sizes[-1]))


def _refuse_to_fall(sizes: Floats, scores: Floats, covariance: Floats) -> None:
    """Refuse a curve that ends below what it had reached, by more than chance."""
    best = int(scores.argmax())
    fall = scores[best] - scores[-1]
    variance = covariance[best, best] + covariance[-1, -1] - 2 * covariance[best, -1]
    if fall > max(NOTICEABLE, 3 * variance**0.5):
        raise OptionError(
            f"the score is lower at {count(sizes[-1])} labels than at {count(sizes[best])}",
            fix="Look at what the further rows are like.",
        )
