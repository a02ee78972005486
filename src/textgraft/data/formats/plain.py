"""Plain text: one text a line, for rows to predict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from textgraft.data.dataset import Numbering, Rejected
from textgraft.data.formats.lines import Encoding, TextLines, detect_encoding
from textgraft.data.formats.tables import Row, reject_line


class PlainTable:
    """A file without a header whose only column, "text", is its lines. Blank lines are rows: empty ones."""

    format = "plain text"
    numbering: Numbering = "line"
    delimiter: str | None = None
    blank_lines = 0
    remarks: Sequence[str] = ()
    nested: Sequence[str] = ()

    def __init__(self, path: Path) -> None:
        self._path = path
        self.encoding: Encoding = detect_encoding(path)
        self.columns = ["text"]

    def rows(self, names: Sequence[str]) -> Iterator[Row | Rejected]:
        """Read every line as a row."""
        for line in TextLines(self._path, self.encoding):
            if line.problem is not None:
                yield reject_line(line)
            else:
                yield Row(line.number, [line.text.rstrip("\r\n")] * len(names), line.text)
