"""A learning curve carried on by a power law, as it was here before: error = a n^-b + c with a, b, c >= 0."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from textgraft.comparison.judging.curves import LearningCurve
from textgraft.evaluation.bootstrap import percentile_interval
from textgraft.evaluation.intervals import Estimate

_EXPONENTS = np.geomspace(0.01, 3, 200)


def forecast(curve: LearningCurve, labels: Sequence[float]) -> list[tuple[Estimate, Estimate]]:
    """Return the score at each number of labels and what it adds, with bootstrap intervals.

    The fit is by least squares, each size weighted by the inverse variance of its draws. For each exponent
    the best a and c follow in closed form, so that a search over exponents finds the best of all.
    """
    errors = 1 - np.concatenate([curve.scores[:, None], curve.draws], axis=1)  # [sizes, 1 + draws]
    weights = 1 / np.maximum(curve.draws.var(axis=1), 1e-8)
    weights /= weights.sum()
    centre = np.exp(np.log(curve.sizes).mean())
    powers = (curve.sizes / centre) ** -_EXPONENTS[:, None]  # [exponents, sizes]
    power, square = (powers @ weights)[:, None], (powers**2 @ weights)[:, None]
    error, product = weights @ errors, (powers * weights) @ errors
    a = (product - power * error) / (square - power**2)
    c = error - a * power
    # The loss is convex in a and c: where the best lies outside a, c >= 0, the best allowed is on the edge.
    a, c = np.where(c < 0, product / square, a), np.maximum(c, 0)
    a, c = np.maximum(a, 0), np.where(a < 0, error, c)
    loss = a**2 * square + c**2 + 2 * a * c * power - 2 * a * product - 2 * c * error
    best, column = loss.argmin(axis=0), np.arange(errors.shape[1])
    a, b, c = a[best, column], _EXPONENTS[best], c[best, column]

    def score(size: float) -> np.ndarray:
        return 1 - a * (size / centre) ** -b - c

    last = score(curve.sizes[-1])
    found = [(score(size), score(size) - last) for size in labels]
    return [
        (percentile_interval(at[1:], float(at[0])), percentile_interval(more[1:], float(more[0])))
        for at, more in found
    ]
