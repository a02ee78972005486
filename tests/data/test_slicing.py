"""Rows told apart by numbers and names, and by columns as they stand in files."""

import csv
import math

import numpy as np
import pytest

from textgraft.data.readers.reading import read_dataset
from textgraft.data.side_columns import side_columns
from textgraft.data.slicing import EMPTY, column_slices, name_slices, number_slices
from textgraft.errors import OptionError


def names(slices):
    return [one.name for one in slices]


def test_bins_hold_about_equally_many_and_never_part_equal_rows():
    values = np.array([1] * 50 + list(range(2, 52)), dtype=float)
    bins = number_slices("x", values)
    assert names(bins) == ["1", "2 to 26", "27 to 51"]
    assert sum(one.members.sum() for one in bins) == 100
    assert names(number_slices("x", [0.0, 0.0, 0.0, 0.25], unit="%")) == ["0%", "25%"]
    assert number_slices("x", [3, 3, math.nan]) == []
    assert number_slices("x", []) == []
    assert not any(one.members[-1] for one in number_slices("x", [1, 2, 3, 4, math.nan]))


def test_names_are_the_most_frequent_ones():
    assert names(name_slices("x", ["b", "a", "b", None])) == ["b", "a"]
    assert name_slices("x", ["a", "a", None]) == []
    assert len(name_slices("x", [str(at % 30) for at in range(300)])) == 20


def test_a_column_is_read_as_what_it_holds():
    assert len(column_slices("age", [str(at % 40) for at in range(200)])) == 4
    assert names(column_slices("stars", ["1", "2", "2"])) == ["2", "1"]
    assert names(column_slices("channel", ["web", None, "web ", " ", "mail", "mail", True])) == [
        "web",
        EMPTY,
        "mail",
        "true",
    ]
    assert column_slices("row_id", list(range(100))) == []
    assert column_slices("comment", [f"text {at}" for at in range(100)]) == []
    assert column_slices("lists", [["a"], {"b": 1}] * 3)[0].name == "['a']"
    assert column_slices("empty", [None] * 20) == []


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as handle:
        csv.writer(handle).writerows(
            [
                ("text", "label", "channel", "age"),
                ("one", "a", "web", 3),
                ("", "b", "mail", 4),
                ("three", "b", "fax", 5),
            ]
        )
    return path


def test_columns_stand_beside_the_rows_that_are_used(table):
    rows = read_dataset(table)
    assert len(rows) == 2  # one has no text
    assert side_columns(table, rows) == {"channel": ["web", "fax"], "age": ["3", "5"]}
    assert side_columns(table, rows, ["age"]) == {"age": ["3", "5"]}
    with pytest.raises(OptionError, match="channel"):
        side_columns(table, rows, ["chanel"])


def test_a_file_that_is_no_table_has_none(tmp_path):
    rows = read_dataset_of_words(tmp_path / "a.conll")
    assert side_columns(tmp_path / "a.conll", rows) == {}


def read_dataset_of_words(path):
    from textgraft.tasks.spans.token_classification import TokenClassification

    path.write_text("We O\nsaw O\nRome B-LOC\n\nIt O\nrains O\n")
    return TokenClassification.read(path)
