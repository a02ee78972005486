"""Columns of many rows in little memory: texts as one run of bytes, labels as numbers of four bytes.

A short text takes 50 bytes more as a string of Python than its letters do, and every entry of a list eight.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, Self, TypeVar

import numpy as np

T = TypeVar("T")
S = TypeVar("S")


class Packed(Sequence[T], Generic[T]):
    """A column whose values are made when they are asked for."""

    @abstractmethod
    def select(self, rows: array[int]) -> Sequence[T]:
        """Return the values of some rows, in that order, without a copy of the values themselves."""


def picked(values: Sequence[T], rows: array[int]) -> Sequence[T]:
    """Return the values of some rows, in that order."""
    return values.select(rows) if isinstance(values, Packed) else [values[row] for row in rows]


def compact(numbers: array[int]) -> array[int]:
    """Return numbers in four bytes each, where all of them fit."""
    return array("i", numbers) if not numbers or max(numbers) < 1 << 31 else numbers


class PackedTexts(Packed[str]):
    """Texts one after the other in UTF-8."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._bytes = bytearray()
        self._ends = array("q", [0])
        for text in texts:
            self.append(text)

    def append(self, text: str) -> None:
        """Add a text."""
        self._bytes += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._bytes))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.select(array("q", range(len(self))[index]))
        row = range(len(self))[index]
        return self._bytes[self._ends[row] : self._ends[row + 1]].decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        return self.each(range(len(self)))

    def each(self, rows: Iterable[int]) -> Iterator[str]:
        """Yield the texts of some rows."""
        data, ends = self._bytes, self._ends
        for row in rows:
            yield data[ends[row] : ends[row + 1]].decode("utf-8", "surrogatepass")

    def select(self, rows: array[int]) -> PickedTexts:
        """Return some of the texts, which stay where they are."""
        return PickedTexts(self, compact(rows))


class PickedTexts(Packed[str]):
    """Some of the texts of a column, by their rows there."""

    def __init__(self, texts: PackedTexts, rows: array[int]) -> None:
        self._texts, self._rows = texts, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        found = self._rows[index]
        return PickedTexts(self._texts, found) if isinstance(index, slice) else self._texts[found]

    def __iter__(self) -> Iterator[str]:
        return self._texts.each(self._rows)

    def select(self, rows: array[int]) -> PickedTexts:
        """Return some of them."""
        return PickedTexts(self._texts, array(self._rows.typecode, (self._rows[row] for row in rows)))


class JoinedColumns(Packed[str]):
    """Of several columns the texts of each row, joined by a newline."""

    def __init__(self, columns: Sequence[Sequence[str]]) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns[0])

    def __getitem__(self, index: Any) -> Any:
        parts = [column[index] for column in self._columns]
        return JoinedColumns(parts) if isinstance(index, slice) else "\n".join(parts)

    def __iter__(self) -> Iterator[str]:
        return map("\n".join, zip(*self._columns, strict=True))

    def select(self, rows: array[int]) -> JoinedColumns:
        """Return some of the rows."""
        return JoinedColumns([picked(column, rows) for column in self._columns])


class StackedColumns(Sequence[str]):
    """Several columns one below the other."""

    def __init__(self, parts: Sequence[Sequence[str]]) -> None:
        self._parts = [part for part in parts if len(part)]
        self._ends = list(itertools.accumulate(map(len, self._parts)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[row] for row in range(len(self))[index]]
        for part, end in zip(self._parts, self._ends, strict=True):
            if index < end:
                return part[index - end + len(part)]
        raise IndexError(index)

    def __iter__(self) -> Iterator[str]:
        return itertools.chain.from_iterable(self._parts)


class Coded(Packed[T]):
    """Values of which there are few different ones, each kept once."""

    def __init__(self, values: Sequence[T], codes: array[int]) -> None:
        self.values = values
        """The different values, and perhaps some that no row has any more."""
        self.codes = codes
        """For each row the place of its value among them."""

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, index: Any) -> Any:
        found = self.codes[index]
        return Coded(self.values, found) if isinstance(index, slice) else self.values[found]

    def __iter__(self) -> Iterator[T]:
        return map(self.values.__getitem__, self.codes)

    def select(self, rows: array[int]) -> Self:
        """Return the values of some rows."""
        return type(self)(self.values, array("i", np.asarray(self.codes)[np.asarray(rows)].tobytes()))

    def mapped(self, function: Callable[[T], S]) -> Coded[S]:
        """Return what a function makes of the value of each row, asked once for each different value."""
        return Coded([function(value) for value in self.values], self.codes)

    def counts(self) -> Counter[T]:
        """Count the rows of each value that a row has, in the order of the first ones."""
        codes = np.asarray(self.codes, dtype=np.int32)
        firsts = np.full(len(self.values), len(codes))
        # Of several assignments to one place the last one stands.
        firsts[codes[::-1]] = np.arange(len(codes), dtype=np.int32)[::-1]
        rows = np.bincount(codes, minlength=len(self.values))
        counted: Counter[T] = Counter()
        for code in np.argsort(firsts).tolist():
            if rows[code]:
                counted[self.values[code]] += int(rows[code])
        return counted


class Codes(Generic[T]):
    """Gathers :class:`Coded` values, row by row."""

    def __init__(self) -> None:
        self._values: dict[T, int] = {}
        self._codes = array("i")

    def append(self, value: T) -> None:
        """Add a row."""
        self._codes.append(self._values.setdefault(value, len(self._values)))

    def coded(self) -> Coded[T]:
        """Return what was gathered."""
        return Coded(list(self._values), self._codes)
