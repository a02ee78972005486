"""A source read part by part, so that memory does not grow with it; or at once, and only once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from textgraft.data.dataset import Dataset, Rejected
from textgraft.data.formats.given import GivenTable, Source
from textgraft.data.formats.nested import reach
from textgraft.data.formats.plain import PlainTable
from textgraft.data.formats.tables import Row, Table
from textgraft.data.readers.reading import NothingUsableError, open_table, reading_errors
from textgraft.data.side_columns import with_columns

Read = Callable[[Source, Sequence[str] | None], Dataset]
"""Reads a source, or a part of it, by these text columns; None: by those that the user or the names tell."""


class Excerpt(GivenTable):
    """Some rows of a table, as they stand there.

    Args:
        table: Whose they are.
        names: The columns whose values the rows have.
        rows: They.
        source: Where the table is from.
    """

    def __init__(
        self, table: Table, names: Sequence[str], rows: Sequence[Row | Rejected], source: str
    ) -> None:
        super().__init__(dict.fromkeys(names, ()), source, is_named=not isinstance(table, PlainTable))
        self._table, self._rows = table, rows
        self.format = table.format
        self.numbering = table.numbering
        self.encoding = table.encoding
        self.delimiter = table.delimiter
        self.nested = table.nested
        self.blank_lines = table.blank_lines
        self.remarks = table.remarks

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self, names: Sequence[str]) -> Iterator[Row | Rejected]:
        """Read the columns ``names``, row by row."""
        names, take = reach(names, self.columns)
        places = [self.columns.index(name) for name in names]
        for row in self._rows:
            if isinstance(row, Rejected):
                yield row
            else:
                yield Row(row.line, take([row.values[place] for place in places]), row.raw)

    def called(self, text: Sequence[str], label: Sequence[str]) -> GivenTable:
        """Return the same under the names of other rows' columns, where these have none of their own."""
        del label
        if self.is_named or len(self.columns) != len(text):
            return self
        found = Excerpt(self._table, list(text), self._rows, self.name)
        found.is_named = False
        return found


def read_parts(
    source: str | Path, read: Read, rows: int, *, streams: bool = True, beside: bool = False
) -> Iterator[Dataset]:
    """Read a source part by part; ids and lines of rows are those in the whole.

    Ids of the user's own are looked at for repetitions within a part only.

    Args:
        source: A file, a folder or a Hub name.
        read: Reads it, or a part of it.
        rows: Of the source in a part, those that cannot be used included.
        streams: Whether it can be read part by part; else it is read at once, and cut.
        beside: Whether the source's columns are to stand beside the rows.

    Yields:
        The parts, in order; one without usable rows has none.

    Raises:
        DataError: The source cannot be read, or none of its rows can be used.
        OptionError: A column does not exist.
    """
    if not streams or Path(source).is_dir():
        whole = read(source, None)
        yield from _cut(with_columns(source, whole) if beside else whole, rows)
        return
    table = open_table(source, labelled=False)
    names = list(dict.fromkeys(table.columns))
    read_rows = table.rows(names)
    first = list(islice(read_rows, rows))
    excerpt = Excerpt(table, names, first, str(source))
    head = read(excerpt, None)
    yield with_columns(excerpt, head) if beside else head
    text = [name for name in names if name in head.columns] or None
    wanted = names
    if text and not beside:
        wanted = [name for name in names if name in head.columns or name == head.id_column]
    read_rows.close()  # type: ignore[attr-defined]
    rest = islice(table.rows(wanted), len(first), None)
    while part := list(islice(rest, rows)):
        excerpt = Excerpt(table, wanted, part, str(source))
        try:
            found = read(excerpt, text)
        except NothingUsableError as error:
            yield replace(head.select([]), rejected=error.rejected)
        else:
            yield with_columns(excerpt, found) if beside else found


def read_beside(source: Source, read: Read, *, streams: bool = True) -> Dataset:
    """Read a source at once, with all its columns beside the rows that are used.

    A table of texts is read once, if its columns have different names; before that its bytes are looked
    through for their encoding, which the last line may decide. Elsewhere the columns take a second reading:
    what the rows are made of is the reader's own affair.

    Args:
        source: A file, a folder, a Hub name or a table.
        read: Reads it.
        streams: Whether its rows are those of a table, one by one.

    Raises:
        DataError: The source cannot be read, or none of its rows can be used.
        OptionError: A column does not exist.
    """
    if streams and not isinstance(source, GivenTable) and not Path(source).is_dir():
        with reading_errors(str(source)):
            table = open_table(source, labelled=False)
            names = table.columns
            if len(set(names)) == len(names):
                source = Excerpt(table, names, list(table.rows(names)), str(source))
    return with_columns(source, read(source, None))


def _cut(whole: Dataset, rows: int) -> Iterator[Dataset]:
    """Cut a data set into parts of at most so many rows; the rejected ones stand beside their neighbours."""
    rejected = sorted(whole.rejected, key=lambda row: row.line)
    for start in range(0, len(whole), rows):
        part = whole.select(range(start, min(start + rows, len(whole))))
        after = whole.lines[start + rows] if start + rows < len(whole) else None
        own = [row for row in rejected if after is None or row.line < after]
        rejected = rejected[len(own) :]
        yield replace(part, rejected=own)
