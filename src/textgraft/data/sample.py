"""The first rows of a table: what its columns hold, where their names alone do not tell."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

from textgraft.data.dataset import Rejected
from textgraft.data.formats.tables import SAMPLE, Table
from textgraft.data.numbers import read_numbers
from textgraft.data.values import UnusableError, are_lists, as_list, as_object, listed_names
from textgraft.tokenization.scripts import count_unspaced

FEW_ROWS = 20
"""In smaller samples the number of different values tells little."""
DIFFERENT = 0.8
"""Fraction of different values from which on they are texts, or names of rows, rather than labels."""
LONGEST_LABEL = 80
"""Mean characters beyond which values are texts rather than labels."""
_WORDS_OF_A_TEXT = 3.0
_MANY_NUMBERS = 5
"""Different numbers with fractions from which on a column is taken for numbers rather than names."""
MARKS = {
    **dict.fromkeys(("1", "true", "yes", "y", "t", "x"), True),
    **dict.fromkeys(("0", "false", "no", "n", "f"), False),
    "-1": None,
}
"""What cells say of a label that has a column of its own; -1 stands for a row that nobody looked at."""


_UNKNOWN = ("nan", "na", "n/a", "none", "null")


class Column:
    """The first values of a column.

    Args:
        values: In the order of the rows, missing ones among them.
    """

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values
        self.filled = [value for value in values if not is_missing(value)]
        """The values that are not missing."""

    @functools.cached_property
    def length(self) -> float:
        """Mean number of characters of texts; 0 where there are other values."""
        if not self.filled or not all(isinstance(value, str) for value in self.filled):
            return 0.0
        return sum(map(len, self.filled)) / len(self.filled)

    @functools.cached_property
    def words(self) -> float:
        """Mean number of words of texts; of scripts without spaces, two characters make one."""
        texts = [value for value in self.filled if isinstance(value, str)]
        return sum(map(_count_words, texts)) / len(texts) if texts else 0.0

    @functools.cached_property
    def different(self) -> int:
        """How many different values there are."""
        return len(set(map(str, self.filled)))

    @functools.cached_property
    def is_lists(self) -> bool:
        """Whether the values are lists of names, or single names beside such lists."""
        return are_lists(self.filled)

    @functools.cached_property
    def is_structured(self) -> bool:
        """Whether there are objects, or lists of lists or objects, as spans are written."""
        return any(map(_is_structured, self.filled))

    @functools.cached_property
    def is_numbers(self) -> bool:
        """Whether all values are numbers."""
        return bool(self.filled) and not read_numbers(self.filled).reasons

    @functools.cached_property
    def fractions(self) -> set[float]:
        """The different numbers with a fraction; none if any value is no number."""
        found = read_numbers(self.filled)
        if found.reasons:
            return set()
        return {number for number in found.values if number is not None and not number.is_integer()}

    @functools.cached_property
    def is_fractions(self) -> bool:
        """Whether there are many different numbers with fractions."""
        return len(self.fractions) >= _MANY_NUMBERS

    @functools.cached_property
    def is_marks(self) -> bool:
        """Whether the values mark rows as having a label or not: 0 and 1, true and false, yes and no."""
        found = set(map(mark_of, self.filled)) - {""}
        return bool(found) and found <= MARKS.keys() and found != {"-1"}

    @functools.cached_property
    def is_texts(self) -> bool:
        """Whether these may be texts: strings that are neither numbers nor lists nor dates."""
        if not self.filled:
            return True
        letters = sum(isinstance(value, str) and any(map(str.isalpha, value)) for value in self.filled)
        return 2 * letters >= len(self.filled) and not self.is_lists and not self.is_structured

    @functools.cached_property
    def is_varied(self) -> bool:
        """Whether nearly all values are different."""
        return self.different > DIFFERENT * len(self.filled)

    @functools.cached_property
    def is_prose(self) -> bool:
        """Whether these are texts of several words, or long ones, that hardly ever repeat."""
        several = self.words >= _WORDS_OF_A_TEXT or self.length > LONGEST_LABEL
        return several and self.is_texts and 2 * self.different > len(self.filled)

    @functools.cached_property
    def is_labels(self) -> bool:
        """Whether these may be labels: names that repeat, numbers, truth values or lists of names."""
        if not self.filled:
            return True
        if self.is_structured:
            return False
        if self.is_lists or self.is_fractions:
            return True
        return self.length <= LONGEST_LABEL and (len(self.filled) < FEW_ROWS or not self.is_varied)

    @functools.cached_property
    def is_categorical(self) -> bool:
        """Whether the values are so few that they are labels whatever the column is called."""
        few = 1 < self.different <= max(2, len(self.filled) // 5)
        return few and self.is_labels and not self.is_prose


class Sample:
    """The columns of a table, and its first rows.

    Args:
        columns: As the source names them; a name may occur twice.
        rows: Values in the order of the different names.
        nested: Paths to values inside the objects of columns; their values stand behind those of the columns.
    """

    def __init__(
        self, columns: Sequence[str], rows: Sequence[Sequence[Any]] = (), nested: Sequence[str] = ()
    ) -> None:
        self.columns = list(columns)
        self.nested = list(nested)
        self.rows = rows
        self._places = {name: place for place, name in enumerate(dict.fromkeys([*columns, *nested]))}
        self._columns: dict[str, Column] = {}

    @classmethod
    def of(cls, table: Table) -> Sample:
        """Read the first rows of a table."""
        rows = []
        for number, row in enumerate(table.rows(list(dict.fromkeys([*table.columns, *table.nested])))):
            if not isinstance(row, Rejected):
                rows.append(row.values)
            if len(rows) == SAMPLE or number > 10 * SAMPLE:
                break
        return cls(table.columns, rows, table.nested)

    def __getitem__(self, name: str) -> Column:
        """Return a column, without values if there is none of that name."""
        if name not in self._columns:
            place = self._places.get(name)
            self._columns[name] = Column([] if place is None else [row[place] for row in self.rows])
        return self._columns[name]

    def is_empty(self, name: str) -> bool:
        """Tell whether a column holds nothing, as those that spreadsheets leave behind."""
        return bool(self.rows) and not self[name].filled


def _count_words(text: str) -> float:
    return len(text.split()) + (0 if text.isascii() else count_unspaced(text) / 2)


def mark_of(value: Any) -> str:
    """Return a cell as a key of :data:`MARKS`; "" for a missing one."""
    mark = "" if is_missing(value) else str(value).strip().casefold().removesuffix(".0")
    return "" if mark in _UNKNOWN else mark


def is_missing(value: Any) -> bool:
    """Tell whether a value is none: None, NaN, or text of white space."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    return isinstance(value, str) and (not value or value.isspace())


def _is_structured(value: Any) -> bool:
    try:
        if listed_names(value) is not None:
            return False
        return as_object(value) is not None
    except UnusableError:
        pass
    try:
        return any(isinstance(entry, list | tuple | dict) for entry in as_list(value, "") or ())
    except UnusableError:
        return False
