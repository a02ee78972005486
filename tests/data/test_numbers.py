from __future__ import annotations

import pytest

from textgraft.data.numbers import read_numbers


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["4,5", "3", "0,25", ",5", "-1,5"], [4.5, 3.0, 0.25, 0.5, -1.5]),
        (["4.5", "1,234", "12,345,678.9"], [4.5, 1234.0, 12345678.9]),
        (["1,234", "1,234,567"], [1234.0, 1234567.0]),
        (["1,234", "4,5"], [1.234, 4.5]),
        (["1.234,5", "2,25", "1.234.567,0"], [1234.5, 2.25, 1234567.0]),
        (["1 234,5", "12\u00a0345,0", "1\u202f234"], [1234.5, 12345.0, 1234.0]),
        (["4,5", "4.5"], [4.5, 4.5]),
        ([1, 2.5, " 3 "], [1.0, 2.5, 3.0]),
        (["1,5e3", "2"], [1500.0, 2.0]),
    ],
)
def test_a_column_tells_its_decimal_mark(cells, values):
    found = read_numbers(cells)
    assert found.values == values
    assert not found.reasons


@pytest.mark.parametrize("cell", ["good", "4,5,6", "1,2.3,4", "1 2", "4;5", "--1", "12,34,567", ""])
def test_what_is_no_number_is_told(cell):
    found = read_numbers([cell, "2"])
    assert found.values == [None, 2.0]
    assert list(found.reasons) == [0]


def test_how_commas_were_taken_is_said():
    assert read_numbers(["1.5"]).remark is None
    assert read_numbers(["4,5"]).remark == "Commas in numbers are decimal marks: '4,5' is read as 4.5."
    assert read_numbers(["1,234"]).remark == "Commas in numbers group thousands: '1,234' is read as 1234."
