"""Logistic regression over any number of labels, in bounded memory and within a time limit.

The loss is that of scikit-learn's LogisticRegression: the mean cross-entropy and ``|weights|² / (2 c rows)``.
Two labels have one column of weights, more have one each. Few weights are found by L-BFGS in
float64, but for products with features that are float32 themselves. It keeps sixteen arrays as large as the
weights, which many labels make too many: 2,000 labels and 20,000 features would take 5 GB. There the weights
are found in float32 by conjugate gradients, with four such arrays.

The gradients of a feature are divided by the mean of its squares over the number of labels, about what the
loss curves along it (a diagonal preconditioner): rare features then move as fast as frequent ones, and fewer
steps do, a sixth of them by conjugate gradients. To L-BFGS that is a unit of measurement for each feature; in
these units it ends at larger gradients than scikit-learn does, at the same loss (benchmarks/linear.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from textgraft.models.baselines.minimizers import conjugate_gradients, dot, lbfgs

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MOST_WEIGHTS_IN_FLOAT64 = 1_000_000
"""Weights that L-BFGS finds; it takes 130 bytes for each."""
CELLS = 2_000_000
"""Scores, of rows by labels, that are computed at once."""
LEAST_GRADIENT = 5e-4
"""L-BFGS ends where no weight has a larger one, in the units of its feature."""
MANY_ROWS = 5_000
"""For fewer rows that limit is lower, down to a fifth: to be exact costs little there."""
LEAST_GAIN = 3e-4
"""Conjugate gradients end when a step lowers the loss by less than this fraction of it."""


@dataclass
class Clock:
    """A limit on the seconds of a fit, which looks at it after every step."""

    max_seconds: float | None = None
    """None: there is time for everything."""
    was_over: bool = False
    """Whether a fit ended before it was done."""
    _start: float = field(default_factory=time.perf_counter)

    @property
    def stopped_by(self) -> str:
        """What ended the fit, in the words of a trial."""
        return "budget" if self.was_over else "closed form"

    @property
    def left(self) -> float | None:
        """Seconds that are left, never none at all; None if there is no limit."""
        if self.max_seconds is None:
            return None
        return max(1e-3, self.max_seconds - (time.perf_counter() - self._start))

    def is_over(self, part: float = 1.0) -> bool:
        """Return whether this part of the time is up, and remember it if so."""
        over = self.max_seconds is not None and time.perf_counter() - self._start > part * self.max_seconds
        self.was_over |= over
        return over


def fit_softmax(
    features: NDArray[Any] | csr_array,
    targets: NDArray[np.int64],
    labels: int,
    c: float,
    is_over: Callable[[], bool] = lambda: False,
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Fit the weights that best tell the labels of training rows.

    Args:
        features: [rows, features].
        targets: The label index of each row; every label has a row, and there are at least two.
        labels: Number of labels.
        c: Inverse strength of the L2 penalty, as in scikit-learn.
        is_over: Asked after every step whether it is to be the last.

    Returns:
        Weight [labels, features] and bias [labels].
    """
    columns = labels if labels > 2 else 1
    is_small = features.shape[1] * columns <= MOST_WEIGHTS_IN_FLOAT64
    loss = _Loss(features, targets, columns, c, np.float64 if is_small else np.float32)
    # These products are too small to gain by threads, and beside a busy neighbour they wait for each other.
    with _libraries().limit(limits=1, user_api="blas"):
        table = (_exactly if is_small else _frugally)(loss, is_over)
    if columns == 1:
        # One column is the score of the second label over that of the first.
        table = np.concatenate([-table, table], axis=1) / 2
    return table[:-1].T, table[-1]


@cache
def _libraries() -> ThreadpoolController:
    """Find what computes on threads; among all that is loaded this takes longer than many a fit."""
    return ThreadpoolController()


class _Loss:
    """The loss of a table of weights [features + 1, columns], whose last row is the bias."""

    def __init__(
        self, features: Any, targets: NDArray[np.int64], columns: int, c: float, dtype: type[np.floating]
    ) -> None:
        self.precision = np.float32 if features.dtype == np.float32 else dtype
        features = features.astype(self.precision)
        self.targets = targets
        self.shape = (features.shape[1] + 1, columns)
        self.penalty = 1 / (c * len(targets))
        self.dtype = dtype
        step = max(1, CELLS // max(2, columns))
        parts = [slice(start, start + step) for start in range(0, len(targets), step)]
        # Transposed once: scipy would do it again for every product.
        self.parts = [(part, features[part], _transposed(features[part])) for part in parts]

    def __call__(self, table: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        """Return the loss and its gradient, a table as well."""
        slope = self.dtype(self.penalty) * table
        slope[-1] = 0
        weights, bias = (part.astype(self.precision, copy=False) for part in (table[:-1], table[-1]))
        loss = dot(table[:-1], slope[:-1]) / 2
        for part, features, transposed in self.parts:
            excess, part_loss = self._excess(features @ weights + bias, self.targets[part])
            loss += part_loss / len(self.targets)
            excess /= len(self.targets)
            slope[:-1] += transposed @ excess
            slope[-1] += excess.sum(axis=0)
        return loss, slope

    def _excess(self, scores: NDArray[Any], targets: NDArray[np.int64]) -> tuple[NDArray[Any], float]:
        """Return by how much probabilities [rows, columns] are too high, and the summed cross-entropy."""
        is_single = scores.shape[1] == 1
        if is_single:
            scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
        place = np.arange(len(targets)), targets
        scores -= scores.max(axis=1, keepdims=True)
        right = float(scores[place].sum(dtype=np.float64))
        np.exp(scores, out=scores)
        totals = scores.sum(axis=1, keepdims=True)
        scores /= totals
        scores[place] -= 1
        loss = float(np.log(totals).sum(dtype=np.float64)) - right
        return (scores[:, 1:] if is_single else scores), loss


def _transposed(features: Any) -> Any:
    return features.T if isinstance(features, np.ndarray) else features.T.tocsr()


def _squares(features: Any) -> NDArray[np.floating]:
    """Return the sum of the squares of each feature."""
    squares = features**2 if isinstance(features, np.ndarray) else features.power(2)
    return np.asarray(squares.sum(axis=0)).ravel()


def _exactly(loss: _Loss, is_over: Callable[[], bool]) -> NDArray[Any]:
    units = np.sqrt(_preconditioner(loss))[:, None]

    def at(table: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        value, slope = loss(table * units)
        slope *= units
        return value, slope

    least = LEAST_GRADIENT * min(1.0, max(0.2, len(loss.targets) / MANY_ROWS))
    return lbfgs(at, np.zeros(loss.shape, dtype=loss.dtype), least, is_over) * units


def _frugally(loss: _Loss, is_over: Callable[[], bool]) -> NDArray[Any]:
    start = np.zeros(loss.shape, dtype=loss.dtype)
    return conjugate_gradients(loss, start, _preconditioner(loss), LEAST_GAIN, is_over)


def _preconditioner(loss: _Loss) -> NDArray[Any]:
    """Return for each row of the table about the inverse of the loss's second derivative, [features + 1]."""
    squares = sum(_squares(features) for _, features, _ in loss.parts) / len(loss.targets)
    curving = 3 / loss.shape[1]
    bends = np.append(curving * squares + loss.penalty, curving)
    return (1 / bends).astype(loss.dtype)
