"""Is one model better than another, or was it luck? A paired test over rows and seeds.

Both models are scored on the same rows, and under the same seed both were trained on the same labels. The
difference of their scores therefore varies for two reasons, as in :mod:`textgraft.evaluation.intervals`:

- the test rows: the variance and the bias of the seed-averaged difference, by leaving out parts of the rows.
  Two rows are added, on one of which each model alone is right (Bonett and Price 2012, "Adjusted Wald
  confidence interval for a difference of binomial proportions based on paired data"): three rows that
  all speak for one model prove nothing;
- the seeds: the variance of the seeds' differences, moderated by a prior (:mod:`textgraft.evaluation.seeds`)
  that alone speaks where there is one seed. Models with other seeds, as a quick one with three and a costly
  one with a single one, are compared in the means over all they have, each with the variance of its own.

The difference over the root of the sum of both is compared with Student's t, whose degrees of freedom
follow Satterthwaite (1946, "An approximate distribution of estimates of variance components"): many while
the rows dominate, few when the seeds do. A test over the rows alone would call a lucky seed a better model.
In the tests' simulations the chance of a false difference among several contenders stays near 5% for 1, 2, 3
and 5 seeds, up to a deviation of 0.015 between seeds.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from textgraft.evaluation.intervals import Estimate, Score, jackknife
from textgraft.evaluation.seeds import (
    PRIOR_DEVIATION,
    Variance,
    seed_variance,
    total_freedom,
    total_variance,
)

SIGNIFICANT = 0.05
"""The level of tests, corrected for how many there are together (:mod:`textgraft.evaluation.corrections`)."""


class PairedTest(msgspec.Struct, frozen=True):
    """The difference between two models, first minus second."""

    difference: float
    low: float
    """Lower end of the 95% interval."""
    high: float
    p_value: float
    """Two-sided, for the hypothesis that there is no difference."""

    @property
    def estimate(self) -> Estimate:
        """The difference with its interval."""
        return Estimate(self.difference, self.low, self.high)


class Sample(NamedTuple):
    """The scores of a model, by seed."""

    seeds: list[int]
    values: NDArray[np.float64]
    """On all test rows, [seeds]."""
    left_out: NDArray[np.float64]
    """Without each part of the test rows, [seeds, parts]."""
    deviation: float
    """That is expected between seeds."""

    @property
    def of_seeds(self) -> Variance:
        """The variance of the mean over seeds."""
        return seed_variance(self.values, self.deviation)


def compare_models(first: Sample, second: Sample, evidence: float, further: int = 0) -> PairedTest:
    """Test whether two models differ, which may have other seeds.

    Args:
        first: Scores of one.
        second: Scores of the other, on the same test rows.
        evidence: Rows that a perfect score would rest on.
        further: Seeds that the first is taken to have besides, with which its mean stays what it is.
    """
    if not further and first.seeds == second.seeds:
        differences = first.values - second.values
        prior = (first.deviation**2 + second.deviation**2) ** 0.5
        left_out = first.left_out - second.left_out
        return paired_test(differences, left_out, evidence, seed_variance(differences, prior))
    of_seeds = total_variance(first.of_seeds.with_more(len(first.seeds), further), second.of_seeds)
    difference = first.values.mean() - second.values.mean()
    left_out = first.left_out.mean(axis=0) - second.left_out.mean(axis=0)
    return paired_test([difference], left_out[None], evidence, of_seeds)


def paired_test(
    differences: ArrayLike, left_out: NDArray[np.float64], evidence: float, of_seeds: Variance | None = None
) -> PairedTest:
    """Test whether two models differ.

    Args:
        differences: Score of the first minus score of the second on all test rows, for each shared seed,
            [seeds].
        left_out: The same without each part of the test rows, [seeds, parts] (differences of
            ``intervals.left_out_scores``).
        evidence: Rows that a perfect score would rest on.
        of_seeds: The variance of the mean difference over seeds; None: as those given have it.
    """
    observed = np.asarray(differences, dtype=np.float64)
    value = float(observed.mean())
    parts = left_out.shape[1]
    if value == 0 and np.ptp(left_out) == 0 and np.ptp(observed) == 0:
        return PairedTest(0.0, 0.0, 0.0, 1.0)
    if parts < 2:
        return PairedTest(value, -1.0, 1.0, 1.0)
    of_rows, bias = jackknife(value, left_out.mean(axis=0))
    added = 2 / evidence**2
    of_rows = Variance(of_rows.variance + added, of_rows.freedom)
    of_seeds = of_seeds or seed_variance(observed, 2**0.5 * PRIOR_DEVIATION)
    error = (of_rows.variance + of_seeds.variance) ** 0.5
    freedom = total_freedom(of_rows, of_seeds)
    reach = float(stats.t.ppf(0.975, freedom)) * error
    middle = value - bias
    # A difference that its bias may have turned round is no evidence for either side.
    against = max(0.0, middle * np.sign(value))
    p_value = float(2 * stats.t.sf(against / error, freedom)) if error else float(against == 0)
    return PairedTest(value, min(middle - reach, value), max(middle + reach, value), p_value)


def paired_change(difference: float, left_out: NDArray[np.float64], evidence: float) -> tuple[Score, float]:
    """Test whether one model's score changes where the same rows are given to it otherwise.

    As in :func:`paired_test`, but for the seeds: the model is one and the same.

    Args:
        difference: Of the scores on all rows.
        left_out: The same without each part of the rows, [parts].
        evidence: Rows that a perfect score would rest on.

    Returns:
        The change with its 95% interval, and the two-sided p-value for the hypothesis that there is none;
        without an interval, and 1, where there is no evidence.
    """
    if len(left_out) < 2 or evidence <= 0:
        return Score(difference, None, None), 1.0
    of_rows, bias = jackknife(difference, left_out)
    error = (of_rows.variance + 2 / evidence**2) ** 0.5
    reach, middle = float(stats.t.ppf(0.975, of_rows.freedom)) * error, difference - bias
    against = max(0.0, middle * np.sign(difference))
    change = Score(difference, min(middle - reach, difference), max(middle + reach, difference))
    return change, min(1.0, float(2 * stats.t.sf(against / error, of_rows.freedom)))
