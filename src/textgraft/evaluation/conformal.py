"""Prediction sets: the labels that a text may have, so that the true one is among them as often as asked for.

Split conformal prediction with the score of Sadinle, Lei and Wasserman 2019 ("Least ambiguous set-valued
classifiers with bounded error levels", JASA 114): how far the probability of the true label is from 1, on
rows that the model was not trained on. A label belongs into the set of a new text where it is no further
from 1 than the right quantile of these. If the new text is one like those rows, the true label is in its
set with the probability asked for, whatever the model is worth (Vovk et al. 2005; Angelopoulos and Bates
2023, "Conformal prediction: a gentle introduction"): on average over texts, not for every label by itself.
Of all sets with that property these are the smallest on average.
"""

from __future__ import annotations

import math
from typing import Annotated, Self

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

MOST = 1000
"""Values that are kept of however many rows: sets are then too large by at most a thousandth of coverage."""

Values = Annotated[list[Annotated[float, msgspec.Meta(ge=0, le=1)]], msgspec.Meta(max_length=MOST)]


class Nonconformity(msgspec.Struct, frozen=True, kw_only=True):
    """How far true labels are from certain, on rows that the model was not trained on."""

    rows: Annotated[int, msgspec.Meta(ge=1)]
    values: Values
    """1 minus the probability of each row's true label, ascending; of more rows than :data:`MOST`, those at
    equal steps, the last one included."""

    @classmethod
    def of(cls, probabilities: ArrayLike, gold: ArrayLike) -> Self | None:
        """Measure it; None where there is no row.

        Args:
            probabilities: Of every label, [rows, labels].
            gold: Position of the true one, [rows].
        """
        index = np.asarray(gold, dtype=np.int64)
        if not len(index):
            return None
        given = np.asarray(probabilities, dtype=np.float64)
        return cls.of_values(1 - given[np.arange(len(index)), index])

    @classmethod
    def of_values(cls, measured: ArrayLike) -> Self | None:
        """Take whatever tells how unlike others a row is, 0 to 1, [rows]; None where there is no row."""
        values = np.sort(np.clip(np.asarray(measured, dtype=np.float64), 0.0, 1.0))
        if not len(values):
            return None
        kept = values if len(values) <= MOST else values[_ranks(len(values)) - 1]
        return cls(rows=len(values), values=kept.tolist())

    @property
    def highest_level(self) -> float:
        """The largest coverage that so few rows can promise."""
        return self.rows / (self.rows + 1)

    def quantile(self, level: float) -> float:
        """Return how far a label may be from certain and still belong into a set.

        Args:
            level: Share of the texts whose true label is to be in their set, at most :attr:`highest_level`;
                above it every label belongs into every set.
        """
        rank = math.ceil((self.rows + 1) * level - 1e-9)
        if rank > self.rows:
            return 1.0
        place = rank - 1 if self.rows <= MOST else int(np.searchsorted(_ranks(self.rows), rank))
        return self.values[place]


def _ranks(rows: int) -> NDArray[np.int64]:
    """Return which of the ascending values of many rows are kept, counted from 1."""
    return np.ceil(np.arange(1, MOST + 1) * (rows / MOST)).astype(np.int64)


def label_set(probabilities: ArrayLike, quantile: float) -> list[int]:
    """Return the positions of the labels that belong into the set of a text, the likeliest first.

    The likeliest always does: a set without it would say less and be right no more often.

    Args:
        probabilities: Of every label, [labels].
        quantile: As :meth:`Nonconformity.quantile` returns it.
    """
    given = np.asarray(probabilities, dtype=np.float64)
    order = np.argsort(-given, kind="stable")
    inside = int((1 - given[order] <= quantile).sum())
    return [int(place) for place in order[: max(1, inside)]]
