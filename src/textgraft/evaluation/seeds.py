"""How much of a score is luck in training: the variance over seeds, of which there are few.

A seed draws the training rows, their order and the first weights. Two or three of them say little of their
own variance: with two, one comparison in seven finds a difference where there is none. The variance is
therefore moderated by a prior (Smyth 2004, "Linear models and empirical Bayes methods for assessing
differential expression in microarray experiments"): an inverse chi-square that counts as much as
:data:`PRIOR_FREEDOM` + 1 seeds with a deviation of :data:`PRIOR_DEVIATION`. On the 24 learning curves that
``benchmarks/learning_curves.py`` measures, its method finds a deviation of 0.009 and 3 degrees of freedom;
the root mean square of the deviations falls from 0.017 at 100 rows to 0.008 at 1,600. Neural contenders vary
more than the linear ones measured there, so the prior is a little wider and weaker. What the seeds themselves
show is never taken for less.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PRIOR_DEVIATION = 0.012
"""Of one contender's score over seeds."""
PRIOR_FREEDOM = 2
OF_ROWS, OF_ANSWERS = 0.25, 0.5
"""What is expected of seeds where there are many rows, see :func:`deviation_by_rows`; measured by
``benchmarks/seed_deviation.py``."""


def deviation_by_rows(train_rows: int, test_rows: float, score: float) -> float:
    """Return the deviation over seeds that goes with so many rows, of a score between 0 and 1.

    Two things make it: what is learned depends on luck, the less the more rows are learned from; and two
    models that are equally good answer other test rows rightly, which cancels out the better the more test
    rows there are. So its square is ``OF_ROWS² / train_rows + OF_ANSWERS · score · (1 - score) / test_rows``.

    Args:
        train_rows: Rows that were learned from, at least one.
        test_rows: Rows that the score rests on, at least one.
        score: It.
    """
    return float((OF_ROWS**2 / train_rows + OF_ANSWERS * max(0.0, score * (1 - score)) / test_rows) ** 0.5)


def expected_deviation(train_rows: int, test_rows: float, score: float) -> float:
    """Return the deviation over seeds to expect of a score before there are any: with many rows less.

    Args:
        train_rows: Rows that were learned from.
        test_rows: Rows that the score rests on.
        score: Between 0 and 1.
    """
    if train_rows <= 0 or test_rows <= 0:
        return PRIOR_DEVIATION
    return min(PRIOR_DEVIATION, deviation_by_rows(train_rows, test_rows, score))


class Variance(NamedTuple):
    """An estimated variance."""

    variance: float
    freedom: float
    """Degrees of freedom of Student's t that go with it."""

    def with_more(self, seeds: int, further: int) -> Variance:
        """Return what that of a mean over seeds would be with further ones that vary as is expected.

        Args:
            seeds: That there are.
            further: That there would be beside them.
        """
        return Variance(self.variance * seeds / (seeds + further), self.freedom + further)


def seed_variance(values: NDArray[np.float64], prior: float = PRIOR_DEVIATION) -> Variance:
    """Estimate the variance of a mean over seeds.

    Args:
        values: One for each seed, [seeds].
        prior: The deviation to expect between seeds, in the units of the values.

    Returns:
        No variance where several seeds agree to the last digit: then nothing is drawn by chance.
    """
    seeds = len(values)
    if seeds > 1 and np.ptp(values) == 0:
        return Variance(0.0, np.inf)
    own = float(values.var(ddof=1)) if seeds > 1 else 0.0
    freedom = PRIOR_FREEDOM + seeds - 1
    moderated = (PRIOR_FREEDOM * prior**2 + (seeds - 1) * own) / freedom
    return Variance(max(moderated, own) / seeds, freedom)


def total_variance(*parts: Variance) -> Variance:
    """Return the sum of independent variances."""
    return Variance(sum(part.variance for part in parts), total_freedom(*parts))


def total_freedom(*parts: Variance) -> float:
    """Return the degrees of freedom of a sum of independent variances (Satterthwaite 1946)."""
    total = sum(part.variance for part in parts)
    spread = sum(part.variance**2 / part.freedom for part in parts)
    return total**2 / spread if spread > 0 else np.inf
