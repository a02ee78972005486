"""Workbooks are read as the CSV of their sheet is, and none can ask for more memory than it is given."""

from __future__ import annotations

import datetime
import sys

import pytest

from textgraft.data.formats.spreadsheet import as_text
from textgraft.data.readers.reading import read_dataset
from textgraft.errors import DataError, MissingExtraError
from textgraft.tasks.guessing import guess_task
from textgraft.tasks.text.regression import Regression

openpyxl = pytest.importorskip("openpyxl")
pytest.importorskip("python_calamine")

ROWS = [["text", "label", "when"], ["good ☀", 5, datetime.date(2026, 1, 31)], [], ["a\nbad one", 0.25, None]]
AS_CSV = 'text,label,when\ngood ☀,5,2026-01-31\n,,\n"a\nbad one",0.25,\n'


def excel(path, *sheets, hidden=()):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for place, rows in enumerate(sheets):
        sheet = book.create_sheet(f"s{place}")
        sheet.sheet_state = "hidden" if place in hidden else "visible"
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def open_document(path, rows, repeated=None):
    opendocument, table, text = (
        pytest.importorskip(f"odf.{name}") for name in ("opendocument", "table", "text")
    )
    document = opendocument.OpenDocumentSpreadsheet()
    sheet = table.Table(name="s")
    for values in rows:
        row = table.TableRow(**({"numberrowsrepeated": repeated[0]} if repeated else {}))
        for value in values:
            kind = {int: "float", float: "float", datetime.date: "date", type(None): None}.get(
                type(value), "string"
            )
            given = {"float": {"value": value}, "date": {"datevalue": value}}.get(kind, {})
            times = {"numbercolumnsrepeated": repeated[1]} if repeated else {}
            cell = table.TableCell(**({"valuetype": kind} if kind else {}), **given, **times)
            if kind == "string":
                cell.addElement(text.P(text=value))
            row.addElement(cell)
        sheet.addElement(row)
    document.spreadsheet.addElement(sheet)
    document.save(path)
    return path


@pytest.mark.parametrize("make", [excel, open_document])
def test_a_sheet_is_read_as_its_csv_is(tmp_path, make):
    source = make(tmp_path / f"a.{'xlsx' if make is excel else 'ods'}", ROWS)
    (tmp_path / "a.csv").write_text(AS_CSV)
    from_csv = read_dataset(tmp_path / "a.csv", group="when")
    rows = read_dataset(source, group="when")
    assert (
        [bad.reason for bad in rows.rejected]
        == ["no group: the field is empty"]
        == [bad.reason for bad in from_csv.rejected if bad.line > 3]
    )
    assert (rows.texts, rows.labels, rows.groups) == (from_csv.texts, ["5"], ["2026-01-31"])
    assert [row.line for row in rows.rejected] == [4]  # as the sheet numbers it
    assert rows.notes.blank_lines == 1
    assert Regression.read(source, label="label").labels == [5.0, 0.25]


def test_cells_are_written_as_spreadsheets_write_csv():
    day = datetime.datetime(2026, 1, 31)
    cells = [5.0, 0.1 + 0.2, -3.0, 1e20, True, day, day.replace(hour=9), day.date(), datetime.time(9, 30), ""]
    assert [as_text(cell) for cell in cells] == [
        "5", "0.3", "-3", "1e+20", "TRUE", "2026-01-31", "2026-01-31 09:00:00", "2026-01-31", "09:30:00", "",
    ]  # fmt: skip


def test_the_first_visible_sheet_with_cells_is_read_and_the_others_are_named(tmp_path):
    rows = [["text", "label"], ["one", "a"], ["two", "b"]]
    source = excel(tmp_path / "a.xlsx", [["hidden"]], [], rows, [["notes"]], hidden=[0])
    dataset = read_dataset(source)
    assert dataset.labels == ["a", "b"]
    assert dataset.notes.remarks == ("Only the sheet 's2' is read; the file also has 's1', 's3'.",)
    with pytest.raises(DataError, match="no cells"):
        read_dataset(excel(tmp_path / "b.xlsx", []))


def test_a_cover_and_a_title_are_left_out_and_merged_cells_stand_in_all_their_rows(tmp_path):
    rows = [["Notes of 2026"], [], ["group", "text"]]
    rows += [[group if i == 0 else None, f"{group} number {i}"] for group in ("a", "b") for i in range(5)]
    path = excel(tmp_path / "f.xlsx", [["Report"]], rows)
    book = openpyxl.load_workbook(path)
    for first, last in ((4, 8), (9, 13)):
        book["s1"].merge_cells(start_row=first, end_row=last, start_column=1, end_column=1)
    book["s1"].merge_cells("A1:B1")
    book.save(path)
    found = read_dataset(path, label="group")
    assert found.labels == ["a"] * 5 + ["b"] * 5
    assert list(found.lines) == list(range(4, 14))
    assert found.notes.remarks[0] == "What stands above the header is left out, as 'Notes of 2026'."
    assert "Only the sheet 's1' is read; the file also has 's0'." in found.notes.remarks


def test_a_sheet_without_a_header_has_numbered_columns(tmp_path):
    rows = [[f"this is the text {row}", "ab"[row % 2]] for row in range(20)]
    dataset = read_dataset(excel(tmp_path / "a.xlsx", rows))
    assert len(dataset) == 20
    assert dataset.label_column == "column 2"


def test_the_task_of_a_workbook_is_told(tmp_path):
    rows = [["review", "stars"], *([f"a text of number {row}", row % 5 + 0.5] for row in range(40))]
    assert guess_task(excel(tmp_path / "a.xlsx", rows)).task == "regression"


def test_a_sheet_that_stretches_too_far_is_refused_before_it_is_unfolded(tmp_path):
    book = openpyxl.Workbook()
    book.active["A1"], book.active["XFD1048576"] = "text", "x"  # 17 thousand million cells
    book.save(tmp_path / "far.xlsx")
    repeated = open_document(tmp_path / "many.ods", [["text"]], repeated=(1_000_000, 16_000))
    for path in (tmp_path / "far.xlsx", repeated):
        with pytest.raises(DataError, match="too large"):
            read_dataset(path)


def test_cells_that_are_formatted_alone_are_not_counted(tmp_path):
    book = openpyxl.Workbook()
    for row in (["text", "label"], ["one", "a"]):
        book.active.append(row)
    book.active["XFD1048576"].font = openpyxl.styles.Font(bold=True)
    book.save(tmp_path / "a.xlsx")
    assert read_dataset(tmp_path / "a.xlsx").labels == ["a"]
    tail = open_document(tmp_path / "a.ods", [["text", "label"], ["one", "a"], [None]])
    assert read_dataset(tail).labels == ["a"]


def test_the_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    source = excel(tmp_path / "a.xlsx", ROWS)
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(MissingExtraError, match=r"textgraft\[spreadsheets\]"):
        read_dataset(source)
