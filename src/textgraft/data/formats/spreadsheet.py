"""Workbooks of Excel and LibreOffice (.xlsx, .ods), read through calamine."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from textgraft.data.dataset import Numbering, Rejected
from textgraft.data.formats.headers import count_titles, left_out, name_columns
from textgraft.data.formats.lines import LONGEST_ROW, Encoding
from textgraft.data.formats.sheet_extent import MOST_CELLS, is_too_large
from textgraft.data.formats.tables import Row
from textgraft.errors import DataError, MissingExtraError

SPREADSHEETS = (".xlsx", ".ods")
_SAMPLED_ROWS = 50
_NOT_LOCKED = "Save it without a password, or export the sheet as CSV (UTF-8)."


class SpreadsheetTable:
    """The first visible sheet of a workbook that has rows; cells are strings, as they are in its CSV.

    Rows have the numbers that stand beside them in the sheet. The columns are named by its first row that is
    neither blank nor a title; if that is data, they are called "column 1", "column 2", ….

    Raises:
        DataError: The file is no workbook, damaged, locked, empty or too large.
        MissingExtraError: ``python-calamine`` is not installed.
    """

    numbering: Numbering = "row"
    encoding: Encoding | None = None
    delimiter: str | None = None

    def __init__(self, path: Path) -> None:
        self.format = "OpenDocument" if path.suffix.lower() == ".ods" else "Excel"
        self.blank_lines = 0
        self._sheet, others = _first_sheet(path)
        sample = [cells for _, cells in islice(self._records(), _SAMPLED_ROWS)]
        self._titles = count_titles(sample)
        title = left_out(sample[0][0]) if self._titles else None
        header, *sample = sample[self._titles :]
        self.columns, remark = name_columns([cell.strip() for cell in header], sample)
        self._has_header = remark is None
        self.nested: Sequence[str] = ()
        self.remarks: list[str] = [said for said in (title, remark) if said]
        if others:
            named = f"{', '.join(map(repr, others[:5]))}{', …' if len(others) > 5 else ''}"
            self.remarks.append(f"Only the sheet {self._sheet.name!r} is read; the file also has {named}.")

    def rows(self, names: Sequence[str]) -> Iterator[Row | Rejected]:
        """Read the columns ``names``, row by row."""
        positions = [self.columns.index(name) for name in names]
        self.blank_lines = 0
        records = self._records()
        for _ in range(self._titles + self._has_header):
            next(records)
        for number, cells in records:
            row = Row(number, [cells[position] for position in positions])
            if sum(map(len, cells)) > LONGEST_ROW:
                yield row.reject(f"too long: the row has more than {LONGEST_ROW:,} characters")
            else:
                yield row

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """Read the rows that are not blank, each with its number in the sheet.

        A cell that stretches over several rows, as a label of a whole group, stands in each of them.
        """
        merged: dict[int, list[tuple[int, int]]] = {}
        for (top, left), (bottom, _) in getattr(self._sheet, "merged_cell_ranges", None) or ():
            if bottom > top:
                merged.setdefault(top + 1, []).append((left, bottom + 1))
        stretched: dict[int, tuple[int, str]] = {}  # by column, the last row and what stands there
        for number, values in enumerate(self._sheet.iter_rows(), start=1):
            cells = [as_text(value) for value in values]
            is_blank = not any(map(str.strip, cells))
            for column, (last, text) in stretched.items():
                if number <= last and not cells[column]:
                    cells[column] = text
            for column, last in merged.get(number, ()):
                stretched[column] = last, cells[column]
            if is_blank:
                self.blank_lines += 1
            else:
                yield number, cells


def as_text(value: Any) -> str:
    """Write a cell as a spreadsheet writes it into CSV: 5 for 5.0, ISO dates, TRUE and FALSE."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ")
    return str(value)


def _first_sheet(path: Path) -> tuple[Any, list[str]]:
    """Return the first sheet with two rows, else with cells, and the names of the others that are visible."""
    try:
        import python_calamine as calamine
    except ImportError as error:
        raise MissingExtraError("python-calamine", "spreadsheets", "Reading a workbook") from error
    where = str(path)
    try:
        if is_too_large(path):
            raise DataError(
                f"the workbook is too large: a sheet stretches over more than {MOST_CELLS:,} cells, "
                "or it unpacks to more than 1 GiB",
                where=where,
                fix="Delete what stands far out of the table, or export the sheet as CSV (UTF-8).",
            )
        book = calamine.CalamineWorkbook.from_path(path)
        names = [
            sheet.name
            for sheet in book.sheets_metadata
            if sheet.typ == calamine.SheetTypeEnum.WorkSheet
            and sheet.visible == calamine.SheetVisibleEnum.Visible
        ]
        for rows in (2, 1):
            for name in names:
                sheet = book.get_sheet_by_name(name)
                filled = (row for row in sheet.iter_rows() if any(as_text(value).strip() for value in row))
                if len(list(islice(filled, rows))) == rows:
                    return sheet, [other for other in names if other != name]
    except (
        calamine.CalamineError,
        zipfile.BadZipFile,
        ExpatError,
        RuntimeError,
    ) as error:
        # Excel locks a workbook by wrapping it in the container of its old format.
        is_locked = isinstance(error, calamine.PasswordError | RuntimeError) or _is_wrapped(path)
        what = "is locked by a password, or of an old format" if is_locked else f"cannot be read: {error}"
        raise DataError(f"the workbook {what}", where=where, fix=_fix(is_locked)) from error
    raise DataError("the workbook has no cells", where=where, fix="Check that it was saved.")


def _fix(is_locked: bool) -> str:
    return _NOT_LOCKED if is_locked else "Save it again as .xlsx or .ods, or export the sheet as CSV (UTF-8)."


def _is_wrapped(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(4) == b"\xd0\xcf\x11\xe0"
