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


class Variance(NamedTuple):
    """An estimated variance."""

    variance: float
    freedom: float
    """Degrees of freedom of Student's t that go with it."""


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


def total_freedom(*parts: Variance) -> float:
    """Return the degrees of freedom of a sum of independent variances (Satterthwaite 1946)."""
    total = sum(part.variance for part in parts)
    spread = sum(part.variance**2 / part.freedom for part in parts)
    return total**2 / spread if spread > 0 else np.inf
