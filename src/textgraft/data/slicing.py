"""Rows told apart by what is known of them: numbers in bins of equally many rows, names by their values."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from textgraft.data.values import UnusableError, as_name
from textgraft.evaluation.slices import Slice

BINS = 4
"""Of numbers."""
MOST_VALUES = 20
"""Of names: the most frequent ones."""
FEWEST_NUMBERS = 9
"""Columns of fewer different numbers are told apart by each of them."""
EMPTY = "(empty)"
"""The name of what is missing."""
LONGEST_NAME = 60
_COUNTS = re.compile(r"(.*[^a-z])?(id|index|idx|no|nr)|unnamed.*")
"""Columns that number rows."""


def number_slices(dimension: str, values: ArrayLike, *, unit: str = "") -> list[Slice]:
    """Cut rows into bins of about equally many by a number.

    Args:
        dimension: What the number is.
        values: Of each row; NaN where it is not known, which is then in no bin, [rows].
        unit: Written behind the numbers: "%" is one, of fractions.
    """
    numbers = np.asarray(values, dtype=np.float64)
    known = numbers[np.isfinite(numbers)]
    if not len(known) or known.min() == known.max():
        return []
    # A bin ends at a value that occurs, so that equal rows are never in two of them.
    inner = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1], method="lower"))
    edges = [*inner[inner < known.max()].tolist(), math.inf]
    slices, low = [], -math.inf
    for high in edges:
        members = (numbers > low) & (numbers <= high)
        if members.any():
            ends = (float(numbers[members].min()), float(numbers[members].max()))
            slices.append(Slice(dimension, _range(*ends, unit), members))
        low = high
    return slices


def _range(low: float, high: float, unit: str) -> str:
    if unit == "%":
        first, last = (f"{100 * value:.0f}" for value in (low, high))
    else:
        first, last = (f"{value:,.6g}" for value in (low, high))
    return f"{first}{unit}" if first == last else f"{first} to {last}{unit}"


def name_slices(dimension: str, names: Sequence[str | None]) -> list[Slice]:
    """Tell rows apart by a name, the most frequent ones; rows whose name is None are in none."""
    counts = Counter(name for name in names if name is not None)
    if len(counts) < 2:
        return []
    given = np.array([name if name is not None else "" for name in names], dtype=object)
    is_known = np.array([name is not None for name in names])
    return [
        Slice(dimension, name[:LONGEST_NAME], (given == name) & is_known)
        for name, _ in counts.most_common(MOST_VALUES)
    ]


def column_slices(name: str, values: Sequence[Any]) -> list[Slice]:
    """Tell rows apart by a column of a file: by its numbers where it holds numbers, else by its values.

    Args:
        name: Of the column.
        values: As they stand in the file, None where one is missing.

    Returns:
        None where the column numbers the rows, or nearly every row has a value of its own, as a text.
    """
    numbers = [_number(value) for value in values]
    known = [number for number in numbers if number is not None]
    given = sum(value is not None and str(value).strip() != "" for value in values)
    if given and len(known) >= 0.95 * given and len(set(known)) >= FEWEST_NUMBERS:
        if len(set(known)) == len(values) and _COUNTS.fullmatch(name.lower()):
            return []
        return number_slices(name, [math.nan if number is None else number for number in numbers])
    names = [_name(value) for value in values]
    if len(set(names)) > max(MOST_VALUES, len(names) // 10):
        return []
    return name_slices(name, names)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _name(value: Any) -> str:
    try:
        return as_name(value) or EMPTY
    except UnusableError:
        return EMPTY if value is None or str(value).strip() == "" else str(value)
