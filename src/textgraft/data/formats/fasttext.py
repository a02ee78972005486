"""fastText's labelled lines: ``__label__a __label__b the text`` (Joulin et al. 2017)."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from pathlib import Path

from textgraft.data.dataset import Numbering, Rejected
from textgraft.data.formats.compressed import open_bytes
from textgraft.data.formats.lines import Encoding, TextLines, detect_encoding
from textgraft.data.formats.tables import Row, reject_line

PREFIX = "__label__"
_HEAD = 4096


def is_fasttext(path: Path) -> bool:
    """Tell whether a file begins with a label."""
    with open_bytes(path) as handle:
        head = handle.read(_HEAD)
    return head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(PREFIX.encode())


class FastTextTable:
    """A file of such lines, with the columns text and label; a label is a list of names.

    Raises:
        DataError: The file is empty or not text.
    """

    format = "fastText lines"
    numbering: Numbering = "line"
    delimiter: str | None = None
    remarks: Sequence[str] = ()
    nested: Sequence[str] = ()

    def __init__(self, path: Path) -> None:
        self._path = path
        self.encoding: Encoding = detect_encoding(path)
        self.columns = ["text", "label"]
        self.blank_lines = 0

    def rows(self, names: Sequence[str]) -> Iterator[Row | Rejected]:
        """Read line by line; a line without a label has none."""
        self.blank_lines = 0
        for line in TextLines(self._path, self.encoding):
            if line.problem is not None:
                yield reject_line(line)
                continue
            if not line.text.strip():
                self.blank_lines += 1
                continue
            rest, labels = line.text.strip(), []
            while rest.startswith(PREFIX):
                label, _, rest = rest.partition(" ") if " " in rest else (rest, "", "")
                labels.append(label.removeprefix(PREFIX).rstrip(","))
                rest = rest.lstrip()
            values = {"text": rest, "label": labels or None}
            yield Row(line.number, [values[name] for name in names], line.text)
