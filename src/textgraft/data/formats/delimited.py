"""CSV and its relatives (RFC 4180), read record by record so that one broken row costs one row.

The standard csv reader, let loose on a whole file, swallows everything after a quote that is never closed.
Here a record is gathered first and then given to it: a line that closes all its quotes is a record of its
own, any other is joined with the next lines until the quotes balance. Where that fails, only the line that
opened the quote is set aside and reading goes on with the next.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from textgraft.data.dataset import Numbering, Rejected
from textgraft.data.formats.headers import (
    MOST_TITLES,
    count_titles,
    has_known_name,
    left_out,
    name_columns,
)
from textgraft.data.formats.lines import LONGEST_ROW, Encoding, Line, TextLines, detect_encoding
from textgraft.data.formats.tables import Row, reject_line
from textgraft.errors import DataError

_DELIMITERS = (",", ";", "\t", "|")
_SEPARATOR_LINE = re.compile(r"\"?sep=(.)\"?[,;\t]*", re.IGNORECASE)
"""The first line that Excel writes, and reads, to name the delimiter."""
_ESCAPED_QUOTE = re.compile(r'(?<!\\)((?:\\\\)*)\\"')
"""A quote behind a backslash that is not itself one behind a backslash."""
_SAMPLED_LINES = 50
_SAMPLED_CHARACTERS = 10_000
_SUSPICIOUS_LINES = 5
"""From so many lines on, a quoted field whose lines all look like rows is taken for a quote left open."""


def sniff_delimiter(sample: Sequence[str], preferred: str) -> str:
    """Return the delimiter that cuts most of the first rows into as many fields as the header.

    Args:
        sample: The first lines of the file, the header first.
        preferred: What the name of the file promises; it wins ties.
    """

    def agreement(delimiter: str) -> float:
        widths = [len(fields) for fields in csv.reader(sample, delimiter=delimiter) if fields]
        return sum(width == widths[0] for width in widths) / len(widths) if widths[0] > 1 else 0.0

    return max((preferred, *_DELIMITERS), key=agreement)


def is_tabbed(path: Path) -> bool:
    """Tell whether a file of any name is a table: its first lines, two at least, have as many tabs each."""
    try:
        lines = (line.text for line in TextLines(path, detect_encoding(path)) if line.text.strip())
        tabs = [text.rstrip("\r\n").count("\t") for text in islice(lines, _SAMPLED_LINES)]
    except DataError:
        return False
    return len(tabs) > 1 and tabs[0] > 0 and len(set(tabs)) == 1


def _is_quoted_late(field: str) -> bool:
    """Tell whether a field holds quotes around all of it, behind spaces: what parts it has a space more."""
    return field.startswith(" ") and len(bare := field.strip()) > 1 and bare[0] == bare[-1] == '"'


class DelimitedTable:
    """A file of delimited text; the delimiter is recognised, and whether the first row is a header.

    Without a header the columns are called "column 1", "column 2", ….

    Raises:
        DataError: The file is empty, not text, or its first row is no header.
    """

    def __init__(self, path: Path, *, preferred: str) -> None:
        # The limit of the csv module is global and low; rows are bounded by TextLines already.
        csv.field_size_limit(max(csv.field_size_limit(), 2 * LONGEST_ROW))
        self.format = "TSV" if preferred == "\t" else "CSV"
        self.numbering: Numbering = "line"
        self.nested: Sequence[str] = ()
        self.blank_lines = 0
        self.encoding: Encoding = detect_encoding(path)
        self._path = path
        lines = (line for line in TextLines(path, self.encoding) if line.text.strip())
        sample = list(islice(lines, _SAMPLED_LINES))
        if not sample:
            raise DataError(
                "the file has blank lines only", where=str(path), fix="Check that it was written to the end."
            )
        named = _SEPARATOR_LINE.fullmatch(sample[0].text.rstrip("\r\n"))
        self._skipped = sample.pop(0).number if named else 0
        self.delimiter: str = (
            named[1]
            if named
            else sniff_delimiter([line.text[:_SAMPLED_CHARACTERS] for line in sample], preferred)
        )
        title = self._skip_titles([line.text[:_SAMPLED_CHARACTERS] for line in sample], preferred, sample)
        self._has_spaces = False
        """Whether spaces follow the delimiter between fields, too, as it does in prose."""
        self._width = 0  # no header yet: any number of fields will do
        records = self._records()
        header = next(records, None)
        if header is None:
            raise DataError(
                "nothing follows the line that names the delimiter",
                where=str(path),
                fix="Check that the file was written to the end.",
            )
        if isinstance(header, Rejected):
            raise DataError(
                f"the header cannot be read: {header.reason}",
                where=f"{path}, line {header.line}",
                fix="The first row must name the columns, as in: text,label",
            )
        self.columns = [str(name).strip() for name in header.values]
        self._has_spaces = any(str(name).startswith(" ") for name in header.values[1:])
        self._width = len(self.columns)
        first = [record.values for record in islice(records, _SAMPLED_LINES) if isinstance(record, Row)]
        self.columns, remark = name_columns(self.columns, [row for row in first if len(row) == self._width])
        self._has_header = remark is None
        self.remarks: list[str] = [said for said in (title, remark) if said]

    def _skip_titles(self, texts: Sequence[str], preferred: str, sample: Sequence[Line]) -> str | None:
        """Leave out the lines above a header, with which no delimiter can be told; returns what to say."""
        for start in range(1, min(MOST_TITLES, len(texts) - 1) + 1):
            delimiter = sniff_delimiter(texts[start:], preferred)
            try:
                rows = list(csv.reader(texts, delimiter=delimiter))
            except csv.Error:
                return None
            if sum(map(bool, map(str.strip, rows[0]))) > 1:
                return None
            if count_titles(rows) == start:
                self.delimiter, self._skipped = delimiter, sample[start - 1].number
                return left_out(rows[0][0])
        return None

    @property
    def has_doubtful_header(self) -> bool:
        """Whether the first row is taken for a header, and none of the names in it is a common one."""
        return self._has_header and not has_known_name(self.columns)

    def rows(self, names: Sequence[str]) -> Iterator[Row | Rejected]:
        """Read the columns ``names``, row by row."""
        positions = [self.columns.index(name) for name in names]
        self.blank_lines = 0
        records = self._records()
        if self._has_header:
            next(records)
        for record in records:
            if isinstance(record, Row):
                fields = record.values
                yield Row(record.line, [fields[position] for position in positions], record.raw)
            else:
                yield record

    def _records(self) -> Iterator[Row | Rejected]:
        lines = TextLines(self._path, self.encoding)
        for line in lines:
            if line.number <= self._skipped:
                continue
            text = line.text.rstrip("\r\n")
            if line.problem:
                yield reject_line(line)
            elif not text.strip():
                self.blank_lines += 1
            elif '"' not in text:
                yield self._checked(line, self._split(text))
            else:
                yield self._quoted(line, text, lines)

    def _split(self, text: str) -> list[str]:
        """Cut a line at every delimiter; the lines of a file of one column have nothing to be cut at."""
        return [text] if self._width == 1 else text.split(self.delimiter)

    def _checked(self, line: Line, fields: list[str]) -> Row | Rejected:
        width = self._width or len(fields)
        if len(fields) > width and not any(field.strip() for field in fields[width:]):
            fields = fields[:width]  # spreadsheets end rows in empty cells
        if len(fields) != width:
            return reject_line(line, f"ragged row: {len(fields)} fields where the header has {width}")
        return Row(line.number, fields, line.text)

    def _fits(self, fields: Sequence[str] | None) -> bool:
        return fields is not None and self._width in (0, len(fields))

    def _parse_otherwise(self, texts: Sequence[str]) -> list[str] | None:
        r"""Parse a record of which RFC 4180 makes none as other programs write it; None where that fails too.

        Some write a quote within a field as \", others have spaces between delimiter and quote.
        """
        edge = re.escape(self.delimiter)
        for written in (
            [_ESCAPED_QUOTE.sub(r'\1""', text) for text in texts],
            [re.sub(rf'(^|{edge}) +"', r'\1"', re.sub(rf'" +({edge}|$)', r'"\1', text)) for text in texts],
        ):
            if written != list(texts) and self._fits(fields := self._parse(written)):
                return fields
        return None

    def _parse(self, texts: Sequence[str]) -> list[str] | None:
        """Parse one record that stands on one or several lines; None if its quotes do not balance."""
        try:
            records = list(csv.reader(texts, delimiter=self.delimiter, strict=True))
        except csv.Error:
            return None
        return records[0] if len(records) == 1 else None

    def _quoted(self, line: Line, text: str, lines: TextLines) -> Row | Rejected:
        """Read the record that begins with a line in which quotes stand."""
        fields = self._parse([text])
        if fields is not None and self._fits(fields) and not any(map(_is_quoted_late, fields)):
            return Row(line.number, fields, line.text)
        if (otherwise := self._parse_otherwise([text])) is not None:
            return Row(line.number, otherwise, line.text)
        if fields is not None and self._fits(fields):
            return Row(line.number, fields, line.text)
        if not line.odd_quotes:
            # The quotes belong to the text, or stand around part of a field.
            verbatim = self._split(text)
            if len(verbatim) == self._width:
                return Row(line.number, verbatim, line.text)
            if fields is not None:
                return self._checked(line, fields)
            return reject_line(line, "stray quote: a quote inside a field must be doubled")
        if fields is not None:
            return self._checked(line, fields)
        following: list[Line] = []
        size, odd = len(text), True
        for more in lines:
            following.append(more)
            size += len(more.text)
            odd ^= more.odd_quotes
            if not odd or size > LONGEST_ROW:
                break
        damaged = next((more for more in following if more.problem), None)
        if damaged is not None and not odd:
            return reject_line(line, damaged.problem)
        record = [line.text, *(more.text for more in following)]
        fields = None if odd else self._parse(record)
        if not odd and not self._fits(fields):
            fields = self._parse_otherwise(record)
        if fields is not None and self._fits(fields) and not self._swallowed([line, *following]):
            return Row(line.number, fields, line.text)
        lines.give_back(following)
        if self.delimiter == "\t" and len(verbatim := self._split(text)) == self._width:
            return Row(line.number, verbatim, line.text)  # in TSV quotes are usually plain characters
        return reject_line(line, f"unclosed quote: opened on line {line.number}, never properly closed")

    def _swallowed(self, record: Sequence[Line]) -> bool:
        """Tell whether the lines joined to one record look like rows of their own."""
        if self._width <= 1:
            return False
        if self.delimiter == "\t":
            return all(len(self._split(line.text)) == self._width for line in record)
        inner = [self._is_like_a_row(line.text) for line in record[1:-1]]
        return len(inner) >= _SUSPICIOUS_LINES and sum(inner) > 0.8 * len(inner)

    def _is_like_a_row(self, text: str) -> bool:
        """Tell whether a line within quotes looks like a row; the commas of prose have a space after them."""
        fields = self._split(text)
        is_prose = not self._has_spaces and all(field.startswith(" ") for field in fields[1:])
        return len(fields) == self._width and not is_prose
