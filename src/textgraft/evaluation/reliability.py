"""Whether answers are right as often as their probability says: the reliability diagram.

Bins hold equally many rows, as those of the expected calibration error
(:mod:`textgraft.evaluation.calibration`). That error is never zero on few rows, however well calibrated a
model is: rights and wrongs fall by chance. How large it comes out then is drawn from the model's own
probabilities (consistency resampling: Bröcker and Smith 2007, "Increasing the reliability of reliability
diagrams", Weather and Forecasting 22), so that it can be told whether an error is more than chance.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from textgraft.evaluation.calibration import expected_calibration_error
from textgraft.evaluation.intervals import Estimate, wilson

BINS = 10
"""Of the diagram."""
ERROR_BINS = 15
"""Of the expected calibration error, as elsewhere."""
DRAWS = 500
_REACH = 1.959963984540054
"""Standard errors of a 95% interval."""
_MAX_DRAWN = 2**23
"""Numbers drawn at once."""


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of about the same confidence."""

    rows: int
    confidence: float
    """Mean over them."""
    right: Estimate
    """The fraction of them that is right, with Wilson's 95% interval."""


class Reliability(msgspec.Struct, frozen=True, kw_only=True):
    """Confidence against what was right."""

    bins: list[Bin]
    """By ascending confidence."""
    error: float
    """Expected calibration error, 0 (calibrated) to 1."""
    by_chance: float
    """What it would be on average if the probabilities were right: so much is chance."""
    chance_at_most: float
    """What it would then exceed in 5 of 100 test sets."""

    @property
    def is_off(self) -> bool:
        """Whether the error is more than chance, at a level of 5%."""
        return self.error > self.chance_at_most


def reliability(confidence: ArrayLike, correct: ArrayLike, *, seed: int = 0) -> Reliability:
    """Compare probabilities with what was right.

    Args:
        confidence: The probability that each answer is right, at least one, [rows].
        correct: Whether it is, [rows].
        seed: Of the draws.
    """
    given, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    bins = [_bin(given[part], right[part]) for part in np.array_split(order, min(BINS, len(given)))]
    drawn = _errors_by_chance(given[order], np.random.default_rng(seed))
    return Reliability(
        bins=bins,
        error=expected_calibration_error(given, right, ERROR_BINS),
        by_chance=float(drawn.mean()),
        chance_at_most=float(np.quantile(drawn, 0.95, method="higher")),
    )


def _bin(given: NDArray[np.float64], right: NDArray[np.float64]) -> Bin:
    share = float(right.mean())
    return Bin(
        rows=len(given),
        confidence=float(given.mean()),
        right=Estimate(share, *wilson(share, len(given), _REACH)),
    )


def _errors_by_chance(given: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the calibration error of as many draws of rights and wrongs as the sorted confidences expect."""
    rows = len(given)
    parts = np.array_split(np.arange(rows), min(ERROR_BINS, rows))
    starts = np.array([part[0] for part in parts])
    expected = np.add.reduceat(given, starts)
    errors, step = [], max(1, _MAX_DRAWN // rows)
    for start in range(0, DRAWS, step):
        size = (min(step, DRAWS - start), rows)
        right = np.add.reduceat((rng.random(size) < given).astype(np.float64), starts, axis=1)
        errors.append(np.abs(right - expected).sum(axis=1) / rows)
    return np.concatenate(errors)
