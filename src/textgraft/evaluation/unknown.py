"""How strange a text is to a classifier: how unsure it is, and how far the text lies from what it knows.

Texts of labels that a model has never seen are told by the probability of their likeliest label (Hendrycks
and Gimpel 2017, "A baseline for detecting misclassified and out-of-distribution examples", ICLR) where labels
share their words, and by the nearest training text (Sun et al. 2022, "Out-of-distribution detection with deep
nearest neighbors", ICML) where they are about different things. Both together, each counted in its standard
deviations on dev rows, tell them better than either (``benchmarks/unknown_classes.py``).

From which strangeness on a text is told unknown is the quantile of split conformal prediction on the dev
rows: of texts like these a promised share is kept, whatever the two figures are worth.
"""

from __future__ import annotations

from typing import Annotated, Self

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from textgraft.evaluation.conformal import Nonconformity

_CERTAIN = 1e-7
"""What a probability in single precision may be short of 1 without being told from it."""
_LEAST = 1e-6
"""Deviation of rows that are all alike."""
_FARTHEST = 700.0
"""Beyond it an exponential is no number."""


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Where a figure lies on dev rows."""

    mean: float
    deviation: Annotated[float, msgspec.Meta(gt=0)]

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Self:
        """Measure it on at least one row."""
        return cls(mean=float(values.mean()), deviation=max(_LEAST, float(values.std())))

    def standardised(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how many standard deviations values lie above the mean."""
        found: NDArray[np.float64] = (values - self.mean) / self.deviation
        return found


class Strangeness(msgspec.Struct, frozen=True, kw_only=True):
    """What strangeness is counted in, and that of rows which the model was not trained on."""

    odds: Spread
    """Of the log-odds of the likeliest label."""
    nearness: Spread
    """Of the cosine with the nearest training text."""
    measured: Nonconformity

    @classmethod
    def of(cls, probabilities: ArrayLike, nearness: ArrayLike) -> Self | None:
        """Measure it on dev rows; None where there is no row.

        Args:
            probabilities: Of every label, [rows, labels].
            nearness: Cosine of each row's encoding with the nearest one of the training rows, [rows].
        """
        odds, near = _log_odds(probabilities), np.asarray(nearness, dtype=np.float64)
        if not len(odds):
            return None
        spreads = Spread.of(odds), Spread.of(near)
        measured = Nonconformity.of_values(_strangeness(*spreads, odds, near))
        assert measured is not None, "there is a row"
        return cls(odds=spreads[0], nearness=spreads[1], measured=measured)

    def values(self, probabilities: ArrayLike, nearness: ArrayLike) -> NDArray[np.float64]:
        """Return how strange texts are, 0 to 1, about one half for the average dev row, [rows].

        Args:
            probabilities: As for :meth:`of`.
            nearness: Likewise.
        """
        near = np.asarray(nearness, dtype=np.float64)
        return _strangeness(self.odds, self.nearness, _log_odds(probabilities), near)


def _log_odds(probabilities: ArrayLike) -> NDArray[np.float64]:
    given = np.asarray(probabilities, dtype=np.float64)
    highest = given.max(axis=1) if len(given) else np.zeros(0)
    bounded = np.clip(highest, _CERTAIN, 1 - _CERTAIN)
    found: NDArray[np.float64] = np.log(bounded) - np.log1p(-bounded)
    return found


def _strangeness(
    odds: Spread, nearness: Spread, log_odds: NDArray[np.float64], near: NDArray[np.float64]
) -> NDArray[np.float64]:
    known = odds.standardised(log_odds) + nearness.standardised(near)
    found: NDArray[np.float64] = 1 / (1 + np.exp(np.clip(known, -_FARTHEST, _FARTHEST)))
    return found
