"""Is one model better than another, or was it luck? A paired test over rows and seeds, and Holm's correction.

Both models are scored on the same rows, and under the same seed both were trained on the same labels. The
difference of their scores therefore varies for two reasons, as in :mod:`textgraft.evaluation.intervals`:

- the test rows: variance of the seed-averaged difference over resampled rows (paired bootstrap; Koehn 2004,
  "Statistical significance tests for machine translation evaluation");
- the seeds: variance of the seeds' differences, divided by their number.

The difference over the root of the sum of both is compared with Student's t, whose degrees of freedom
follow Satterthwaite (1946, "An approximate distribution of estimates of variance components"): many while
the rows dominate, S - 1 when the seeds do. A test over the rows alone would call a lucky seed a better
model; the plain bootstrap over three seeds would take two degrees of freedom for many.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


class PairedTest(msgspec.Struct, frozen=True):
    """The difference between two models, first minus second."""

    difference: float
    low: float
    """Lower end of the 95% interval."""
    high: float
    p_value: float
    """Two-sided, for the hypothesis that there is no difference."""


def paired_test(differences: ArrayLike, resampled: NDArray[np.float64]) -> PairedTest:
    """Test whether two models differ.

    Args:
        differences: Score of the first minus score of the second on all test rows, for each shared seed,
            [seeds].
        resampled: The same on shared resamples of the test rows, [seeds, resamples]
            (differences of ``intervals.resampled_scores``).
    """
    observed = np.asarray(differences, dtype=np.float64)
    seeds = len(observed)
    value = float(observed.mean())
    row_variance = float(resampled.mean(axis=0).var(ddof=1))
    seed_variance = float(observed.var(ddof=1)) / seeds if seeds > 1 else 0.0
    variance = row_variance + seed_variance
    if variance == 0:
        return PairedTest(value, value, value, 1.0 if value == 0 else 0.0)
    freedom = variance**2 * (seeds - 1) / seed_variance**2 if seed_variance > 0 else np.inf
    error = variance**0.5
    reach = float(stats.t.ppf(0.975, freedom)) * error
    p_value = float(2 * stats.t.sf(abs(value) / error, freedom))
    return PairedTest(value, value - reach, value + reach, p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that comparing each with 0.05 keeps the chance of any false claim below 5%.

    Holm 1979, "A simple sequentially rejective multiple test procedure".

    Returns:
        The adjusted values in the order given, each at least as large as the raw one and at most 1.
    """
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted
