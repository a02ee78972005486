"""Minimisers of a smooth loss of a table of weights: one that is exact, and one that is sparing of memory.

L-BFGS is written out as scipy's, which allows for bounds that weights have none of, took ten times as long
for its own arithmetic as for all the products with the features of some thousand short texts.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_ITERATIONS = 1000
ENOUGH = 1e-4
"""A step must lower the loss by this fraction of what its slope promises (Armijo 1966)."""
REMEMBERED = 5
"""Last steps of L-BFGS by which it tells how the loss bends."""
LESS_STEEP = 0.9
"""Of the slope along a step of L-BFGS no more than this is left at its end (Wolfe 1969)."""
MOST_TRIES = 50
"""Lengths of a step of L-BFGS."""
LEAST_GAIN = 64 * np.finfo(float).eps
"""L-BFGS ends where a step lowers the loss by less than this fraction of it: rounding errors are as large."""
SHORTEST = 1e-8
"""A step of conjugate gradients that is not made shorter."""

At = Callable[[NDArray[Any]], tuple[float, NDArray[Any]]]


def lbfgs(at: At, table: NDArray[Any], least: float, is_over: Callable[[], bool]) -> NDArray[Any]:
    """Minimise by L-BFGS (Liu and Nocedal 1989), with sixteen arrays as large as the table.

    Args:
        at: Returns the loss of a table and its gradient, in a new array.
        table: Where it starts; it is changed in place.
        least: It ends where no gradient is larger.
        is_over: Asked after every step whether it is to be the last.
    """
    value, slope = at(table)
    steps: deque[_Step] = deque(maxlen=REMEMBERED)
    for _ in range(MAX_ITERATIONS):
        if np.abs(slope).max() <= least:
            break
        direction = _downhill(slope, steps)
        found = _search(at, table, value, slope, direction)
        if found is None:
            break
        length, new_value, new_slope = found
        direction *= length
        table += direction
        steps.append(_Step(direction, new_slope - slope))
        gain, value, slope = value - new_value, new_value, new_slope
        if is_over() or gain <= LEAST_GAIN * abs(value):
            break
    return table


class _Step:
    """A step of L-BFGS, and by how much the slope changed along it."""

    def __init__(self, taken: NDArray[Any], change: NDArray[Any]) -> None:
        self.taken, self.change = taken, change
        self.bend = dot(taken, change)


def _downhill(slope: NDArray[Any], steps: deque[_Step]) -> NDArray[Any]:
    """Return the direction to the minimum of a bowl that bends as the last steps found it to."""
    direction = -slope
    if not steps:
        direction /= max(1.0, math.sqrt(dot(slope, slope)))
        return direction
    shares = []
    for step in reversed(steps):
        shares.append(dot(step.taken, direction) / step.bend)
        direction -= shares[-1] * step.change
    last = steps[-1]
    direction *= last.bend / dot(last.change, last.change)
    for step, share in zip(steps, reversed(shares), strict=True):
        direction += (share - dot(step.change, direction) / step.bend) * step.taken
    return direction


def _search(
    at: At,
    table: NDArray[Any],
    value: float,
    slope: NDArray[Any],
    direction: NDArray[Any],
) -> tuple[float, float, NDArray[Any]] | None:
    """Go along a direction until the loss is lower and less steep, by bisection (Lewis and Overton 2013).

    Returns:
        How far, in lengths of the direction, and the loss and its slope there; None where none is lower.
    """
    along = dot(slope, direction)
    shortest, longest, length = 0.0, math.inf, 1.0
    for _ in range(MOST_TRIES):
        new_value, new_slope = at(table + length * direction)
        if not new_value <= value + ENOUGH * length * along:
            longest = length
        elif dot(new_slope, direction) < LESS_STEEP * along:
            shortest = length
        else:
            return length, new_value, new_slope
        length = 2 * shortest if longest == math.inf else (shortest + longest) / 2
    return None


def conjugate_gradients(
    at: At, table: NDArray[Any], inverse: NDArray[Any], least_gain: float, is_over: Callable[[], bool]
) -> NDArray[Any]:
    """Minimise with four arrays as large as the table (Polak and Ribière 1969, restarted where it leads up).

    Args:
        at: Returns the loss of a table and its gradient, in a new array.
        table: Where it starts; it is changed in place.
        inverse: About the inverse of the loss's second derivative along each row of the table, [rows].
        least_gain: It ends when a step lowers the loss by less than this fraction of it.
        is_over: Asked after every step whether it is to be the last.
    """
    value, slope = at(table)
    direction = np.zeros_like(table)
    _turn(direction, 0.0, slope, inverse)
    steepness = dot(slope, slope, inverse)
    step = 1.0
    for _ in range(MAX_ITERATIONS):
        along = dot(slope, direction)
        if along >= 0:
            _turn(direction, 0.0, slope, inverse)
            along = -steepness
        while True:
            _add(table, step, direction)
            new_value, new_slope = at(table)
            if new_value <= value + ENOUGH * step * along or step < SHORTEST:
                break
            _add(table, -step, direction)
            bowl = new_value - value - step * along
            step *= max(0.1, min(0.5, -step * along / (2 * bowl)))
        along_after = dot(new_slope, direction)
        new_steepness = dot(new_slope, new_slope, inverse)
        turned = (new_steepness - dot(new_slope, slope, inverse)) / steepness
        _turn(direction, max(0.0, turned), new_slope, inverse)
        # Where the loss would be level along the direction if it were a parabola.
        step *= min(2.0, along / (along - along_after)) if along_after > along else 2.0
        gain, value, slope, steepness = value - new_value, new_value, new_slope, new_steepness
        if is_over() or max(gain, steepness / 2) < least_gain * value:
            break
    return table


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


def dot(first: NDArray[Any], second: NDArray[Any], scale: NDArray[Any] | None = None) -> float:
    """Sum the products of two tables, each row times its scale, in float64 and without another table."""
    if scale is None:
        return float(np.einsum("ij,ij->", first, second, dtype=np.float64))
    return float(np.einsum("ij,ij,i->", first, second, scale, dtype=np.float64))
