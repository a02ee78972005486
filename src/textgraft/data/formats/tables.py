"""What every file format offers to the reader: column names, and rows one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from textgraft.data.dataset import Numbering, Rejected
from textgraft.data.formats.lines import Encoding, Line

EXCERPT = 200
"""Characters of a row that are shown to the user."""
SAMPLE = 200
"""Rows that are looked at to tell what columns hold."""


class Row(NamedTuple):
    """One row of a table, not yet judged."""

    line: int
    """Line on which it starts, or row number, counted from 1."""
    values: Sequence[Any]
    """The values of the columns asked for, in that order; None for a missing one."""
    raw: str | None = None
    """The beginning of the row as it stands in the file; None where the format is binary."""

    def reject(self, reason: str) -> Rejected:
        """Set this row aside."""
        raw = " | ".join(str(value) for value in self.values) if self.raw is None else self.raw
        return Rejected(self.line, reason, raw[:EXCERPT].rstrip("\r\n"))


class Table(Protocol):
    """A source of rows. Rows whose form is broken come as rejected, with the reason."""

    @property
    def format(self) -> str:
        """As in ReadingNotes."""
        ...

    @property
    def numbering(self) -> Numbering:
        """As in ReadingNotes."""
        ...

    @property
    def columns(self) -> list[str]:
        """Column names in the order of the source; a name may occur twice."""
        ...

    @property
    def nested(self) -> Sequence[str]:
        """Paths to values inside the objects of columns, as "data.text", which can be read like columns."""
        ...

    @property
    def encoding(self) -> Encoding | None:
        """None for formats that fix it themselves."""
        ...

    @property
    def delimiter(self) -> str | None:
        """The character between fields, for delimited text."""
        ...

    @property
    def blank_lines(self) -> int:
        """Lines with nothing on them, known when all rows have been read."""
        ...

    @property
    def remarks(self) -> Sequence[str]:
        """As in ReadingNotes."""
        ...

    def rows(self, names: Sequence[str]) -> Iterator[Row | Rejected]:
        """Read the columns ``names``, row by row, without holding the rows."""
        ...


def reject_line(line: Line, reason: str | None = None) -> Rejected:
    """Set a line of a text file aside, for its own problem or for ``reason``."""
    return Rejected(line.number, reason or line.problem or "", line.text[:EXCERPT].rstrip("\r\n"))
