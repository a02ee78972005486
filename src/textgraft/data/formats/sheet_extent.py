"""How far the sheets of a workbook stretch, told before they are unfolded.

A spreadsheet names its cells by place, or says how often one is repeated; a reader makes of it a rectangle up
to the last cell. A file of a few kilobytes can thus ask for more memory than any machine has.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any
from xml.parsers import expat

MOST_CELLS = 40_000_000
"""Cells of a sheet's rectangle that are read: two million rows of twenty columns."""
MOST_BYTES = 1 << 30
"""Bytes of a workbook once it is unpacked."""
_CHUNK = 1 << 20
_PLACE = re.compile(r"([A-Za-z]{1,3})(\d{1,7})")
_SHEETS = re.compile(r"xl/worksheets/[^/]+\.xml", re.IGNORECASE)


def is_too_large(path: Path) -> bool:
    """Tell whether a workbook (``.xlsx`` or ``.ods``) is larger than what is read of one.

    Raises:
        zipfile.BadZipFile: It is not a workbook, or is damaged.
        expat.ExpatError: Likewise.
    """
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        if sum(part.file_size for part in parts) > MOST_BYTES:
            return True
        for part in parts:
            if part.filename == "content.xml":
                extent: _Extent = _Repeated()
            elif _SHEETS.fullmatch(part.filename):
                extent = _Placed()
            else:
                continue
            parser = expat.ParserCreate()
            parser.StartElementHandler = extent.start
            with archive.open(part) as stream:
                while chunk := stream.read(_CHUNK):
                    parser.Parse(chunk)
                    if extent.cells > MOST_CELLS:
                        return True
    return False


class _Extent:
    cells = 0
    """Of the largest rectangle so far."""

    def start(self, name: str, attributes: dict[str, Any]) -> None:
        raise NotImplementedError


class _Placed(_Extent):
    """A sheet of Excel: every cell says where it stands."""

    def __init__(self) -> None:
        self._rows = self._columns = 0
        self._place = ""

    def start(self, name: str, attributes: dict[str, Any]) -> None:
        kind = name.rpartition(":")[2]
        if kind == "c":
            self._place = attributes.get("r", "")
        elif kind in ("v", "is", "f") and (
            found := _PLACE.fullmatch(self._place)
        ):  # else it is but formatted
            column = 0
            for letter in found[1].upper():
                column = 26 * column + ord(letter) - ord("A") + 1
            self._rows, self._columns = max(self._rows, int(found[2])), max(self._columns, column)
            self.cells = self._rows * self._columns


class _Repeated(_Extent):
    """The sheets of an OpenDocument: cells and rows follow each other, or are repeated."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._rows = self._repeated = self._column = self._columns = 0

    def start(self, name: str, attributes: dict[str, Any]) -> None:
        kind = name.rpartition(":")[2]
        if kind == "table":
            self._begin()
        elif kind == "table-row":
            self._rows += self._repeated
            self._repeated, self._column = _times(attributes, "rows"), 0
        elif kind in ("table-cell", "covered-table-cell"):
            self._column += _times(attributes, "columns")
            if any(key.endswith((":value-type", ":formula")) for key in attributes):
                self._fill()
        elif kind == "p":
            self._fill()

    def _fill(self) -> None:
        """Count up to a cell that holds something: empty ones behind the last are not unfolded."""
        self._columns = max(self._columns, self._column)
        self.cells = max(self.cells, (self._rows + self._repeated) * self._columns)


def _times(attributes: dict[str, Any], what: str) -> int:
    given = attributes.get(f"table:number-{what}-repeated", "1")
    return int(given) if given.isdecimal() and len(given) < 10 else 1
