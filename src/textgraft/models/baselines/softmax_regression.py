"""Logistic regression over any number of labels, in bounded memory and within a time limit.

The loss is that of scikit-learn's LogisticRegression: the mean cross-entropy and ``|weights|² / (2 c rows)``.
Two labels have one column of weights, more have one each. Few weights are found by L-BFGS (Liu and Nocedal
1989), in float64, but for products with features that are float32 themselves. It keeps sixteen arrays as
large as the weights, which many labels make too many: 2,000 labels and 20,000 features would take 5 GB. There
the weights are found in float32 by conjugate gradients (Polak and Ribière 1969, restarted where they lead
uphill), with four such arrays.

L-BFGS is written out here as scipy's, which allows for bounds that weights have none of, took ten times as
long for its own arithmetic as for all the products with the features of some thousand short texts.

The gradients of a feature are divided by the mean of its squares over the number of labels, about what the
loss curves along it (a diagonal preconditioner): rare features then move as fast as frequent ones, and fewer
steps do, a sixth of them by conjugate gradients. To L-BFGS that is a unit of measurement for each feature; in
these units it ends at larger gradients than scikit-learn does, at the same loss (benchmarks/linear.py).
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MOST_WEIGHTS_IN_FLOAT64 = 1_000_000
"""Weights that L-BFGS finds; it takes 130 bytes for each."""
MAX_ITERATIONS = 1000
CELLS = 2_000_000
"""Scores, of rows by labels, that are computed at once."""
LEAST_GRADIENT = 5e-4
"""L-BFGS ends where no weight has a larger one, in the units of its feature."""
MANY_ROWS = 5_000
"""For fewer rows that limit is lower, down to a fifth: to be exact costs little there."""
LEAST_GAIN_OF_LBFGS = 64 * np.finfo(float).eps
"""Or where a step lowers the loss by less than this fraction of it: rounding errors are as large."""
TURNS = 5
"""Last steps of L-BFGS by which it tells how the loss bends."""
LESS_STEEP = 0.9
"""Of the slope along a step of L-BFGS no more than this is left at its end (Wolfe 1969)."""
MOST_TRIES = 50
"""Lengths of a step of L-BFGS."""
LEAST_GAIN = 3e-4
"""Conjugate gradients end when a step lowers the loss by less than this fraction of it."""
ENOUGH = 1e-4
"""A step must lower the loss by this fraction of what its slope promises (Armijo 1966)."""
SHORTEST = 1e-8
"""A step that is not made shorter."""


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
        table = (_lbfgs if is_small else _conjugate_gradients)(loss, is_over)
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
        loss = _dot(table[:-1], slope[:-1]) / 2
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


def _dot(first: NDArray[Any], second: NDArray[Any], scale: NDArray[Any] | None = None) -> float:
    """Sum the products of two tables, each row times its scale, in float64 and without another table."""
    if scale is None:
        return float(np.einsum("ij,ij->", first, second, dtype=np.float64))
    return float(np.einsum("ij,ij,i->", first, second, scale, dtype=np.float64))


def _lbfgs(loss: _Loss, is_over: Callable[[], bool]) -> NDArray[Any]:
    units = np.sqrt(_preconditioner(loss))[:, None]

    def at(table: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        value, slope = loss(table * units)
        slope *= units
        return value, slope

    least = LEAST_GRADIENT * min(1.0, max(0.2, len(loss.targets) / MANY_ROWS))
    table = np.zeros(loss.shape, dtype=loss.dtype)
    value, slope = at(table)
    turns: deque[_Turn] = deque()
    for _ in range(MAX_ITERATIONS):
        if np.abs(slope).max() <= least:
            break
        direction = _downhill(slope, turns)
        found = _search(at, table, value, slope, direction)
        if found is None:
            break
        length, new_value, new_slope = found
        direction *= length
        table += direction
        turns.append(_Turn(direction, new_slope - slope))
        if len(turns) > TURNS:
            turns.popleft()
        gain, value, slope = value - new_value, new_value, new_slope
        if is_over() or gain <= LEAST_GAIN_OF_LBFGS * abs(value):
            break
    return table * units


class _Turn:
    """A step of L-BFGS, and by how much the slope changed along it."""

    def __init__(self, step: NDArray[Any], change: NDArray[Any]) -> None:
        self.step, self.change = step, change
        self.bend = _dot(step, change)


def _downhill(slope: NDArray[Any], turns: deque[_Turn]) -> NDArray[Any]:
    """Return the direction to the minimum of a bowl that bends as the last steps found it to."""
    direction = -slope
    if not turns:
        direction /= max(1.0, math.sqrt(_dot(slope, slope)))
        return direction
    shares = []
    for turn in reversed(turns):
        shares.append(_dot(turn.step, direction) / turn.bend)
        direction -= shares[-1] * turn.change
    last = turns[-1]
    direction *= last.bend / _dot(last.change, last.change)
    for turn, share in zip(turns, reversed(shares), strict=True):
        direction += (share - _dot(turn.change, direction) / turn.bend) * turn.step
    return direction


def _search(
    at: Callable[[NDArray[Any]], tuple[float, NDArray[Any]]],
    table: NDArray[Any],
    value: float,
    slope: NDArray[Any],
    direction: NDArray[Any],
) -> tuple[float, float, NDArray[Any]] | None:
    """Go along a direction until the loss is lower and less steep, by bisection (Lewis and Overton 2013).

    Returns:
        How far, in lengths of the direction, and the loss and its slope there; None where none is lower.
    """
    along = _dot(slope, direction)
    shortest, longest, length = 0.0, math.inf, 1.0
    for _ in range(MOST_TRIES):
        new_value, new_slope = at(table + length * direction)
        if not new_value <= value + ENOUGH * length * along:
            longest = length
        elif _dot(new_slope, direction) < LESS_STEEP * along:
            shortest = length
        else:
            return length, new_value, new_slope
        length = 2 * shortest if longest == math.inf else (shortest + longest) / 2
    return None


def _conjugate_gradients(loss: _Loss, is_over: Callable[[], bool]) -> NDArray[Any]:
    """Minimise with four arrays as large as the table."""
    inverse = _preconditioner(loss)
    table = np.zeros(loss.shape, dtype=loss.dtype)
    value, slope = loss(table)
    direction = np.zeros_like(table)
    _turn(direction, 0.0, slope, inverse)
    steepness = _dot(slope, slope, inverse)
    step = 1.0
    for _ in range(MAX_ITERATIONS):
        along = _dot(slope, direction)
        if along >= 0:
            _turn(direction, 0.0, slope, inverse)
            along = -steepness
        while True:
            _add(table, step, direction)
            new_value, new_slope = loss(table)
            if new_value <= value + ENOUGH * step * along or step < SHORTEST:
                break
            _add(table, -step, direction)
            bowl = new_value - value - step * along
            step *= max(0.1, min(0.5, -step * along / (2 * bowl)))
        along_after = _dot(new_slope, direction)
        new_steepness = _dot(new_slope, new_slope, inverse)
        turned = (new_steepness - _dot(new_slope, slope, inverse)) / steepness
        _turn(direction, max(0.0, turned), new_slope, inverse)
        # Where the loss would be level along the direction if it were a parabola.
        step *= min(2.0, along / (along - along_after)) if along_after > along else 2.0
        gain, value, slope, steepness = value - new_value, new_value, new_slope, new_steepness
        if is_over() or max(gain, steepness / 2) < LEAST_GAIN * value:
            break
    return table


def _preconditioner(loss: _Loss) -> NDArray[Any]:
    """Return for each row of the table about the inverse of the loss's second derivative, [features + 1]."""
    squares = sum(_squares(features) for _, features, _ in loss.parts) / len(loss.targets)
    curving = 3 / loss.shape[1]
    bends = np.append(curving * squares + loss.penalty, curving)
    return (1 / bends).astype(loss.dtype)


_BLOCK = 512
"""Rows of a table that are changed at once, so that no other table is needed on the way."""


def _add(table: NDArray[Any], factor: float, direction: NDArray[Any]) -> None:
    """Go along the direction, in place."""
    for start in range(0, len(table), _BLOCK):
        rows = slice(start, start + _BLOCK)
        table[rows] += table.dtype.type(factor) * direction[rows]


def _turn(direction: NDArray[Any], kept: float, slope: NDArray[Any], inverse: NDArray[Any]) -> None:
    """Turn the direction downhill, in place, and keep some of what it was."""
    for start in range(0, len(direction), _BLOCK):
        rows = slice(start, start + _BLOCK)
        direction[rows] *= direction.dtype.type(kept)
        direction[rows] -= slope[rows] * inverse[rows, None]
