"""Two files of lines, of which line i of the one belongs to line i of the other: parallel text.

Both are named as one source, with a comma: ``train.de,train.en``. So every command and every option that
takes a file takes two. Files of lines have no header: their columns are called what is asked for, else by the
files' endings where these differ (``de`` and ``en``), else ``source`` and ``target``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from textgraft.data.dataset import Numbering, Rejected
from textgraft.data.formats.compressed import bare_name
from textgraft.data.formats.lines import Encoding, Line, TextLines, detect_encoding
from textgraft.data.formats.tables import Row, reject_line
from textgraft.errors import DataError

SIDES = ("source", "target")
"""Column names where nothing better is known."""


def split_pair(source: str) -> tuple[Path, Path] | None:
    """Return the two files that a source names; None where it is one file, or none that is there.

    A file whose own name holds a comma is one file.
    """
    if "," not in source or Path(source).exists():
        return None
    first, _, second = source.partition(",")
    return Path(first.strip()), Path(second.strip())


def side_names(first: Path, second: Path) -> tuple[str, str]:
    """Return column names for two files: their endings where they tell the sides apart."""
    endings = [Path(bare_name(path)).suffix.lstrip(".").lower() for path in (first, second)]
    return (endings[0], endings[1]) if all(endings) and endings[0] != endings[1] else SIDES


class ParallelTable:
    """One or two files of lines as a table with a column for each.

    Args:
        paths: The files, in the order of the columns.
        columns: Their names.

    Raises:
        DataError: A file is missing, empty or no text, or, once all rows are read, the files have different
            numbers of lines.
    """

    format = "parallel text"
    numbering: Numbering = "line"
    delimiter: str | None = None
    blank_lines = 0
    remarks: Sequence[str] = ()
    nested: Sequence[str] = ()

    def __init__(self, paths: Sequence[Path], columns: Sequence[str]) -> None:
        self._paths = list(paths)
        self.columns = list(columns)
        self._encodings = [detect_encoding(path) for path in self._paths]
        # Where one file is not UTF-8, that is what its user must hear of.
        self.encoding: Encoding = max(self._encodings, key=lambda found: found.first_undecodable_line or 0)

    def rows(self, names: Sequence[str]) -> Iterator[Row | Rejected]:
        """Read line after line of all files; a row whose line is damaged on one side is set aside."""
        places = [self.columns.index(name) for name in names]
        readers = [
            TextLines(path, encoding) for path, encoding in zip(self._paths, self._encodings, strict=True)
        ]
        counts = [0] * len(readers)
        for lines in zip_longest(*readers):
            counts = [count + (line is not None) for count, line in zip(counts, lines, strict=True)]
            if len(set(counts)) == 1:
                yield _row(lines, places)
        if len(set(counts)) > 1:
            said = " and ".join(
                f"{path.name} has {count:,}" for path, count in zip(self._paths, counts, strict=True)
            )
            raise DataError(
                f"the sides have different numbers of lines: {said}",
                where=",".join(map(str, self._paths)),
                fix="Line i of one file must belong to line i of the other: look for lines that were lost or "
                "broken in two.",
            )


def _row(lines: Sequence[Line], places: Sequence[int]) -> Row | Rejected:
    damaged = next((line for line in lines if line.problem is not None), None)
    if damaged is not None:
        return reject_line(damaged)
    texts = [line.text.rstrip("\r\n") for line in lines]
    return Row(lines[0].number, [texts[place] for place in places], " | ".join(texts))
