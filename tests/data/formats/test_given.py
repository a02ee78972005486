"""Rows that are given as Python values are read as the same rows in a file are."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import GivenTable, as_source
from textgraft.errors import OptionError
from textgraft.tasks.guessing import guess_task
from textgraft.tasks.named import RowSettings
from textgraft.tasks.reading import read_files
from textgraft.tasks.registry import task_class

TEXTS = ["a fine film", "dull and long", "what a joy", "never again"]
LABELS = ["good", "bad", "good", "bad"]
ROWS = [{"review": text, "mood": label} for text, label in zip(TEXTS, LABELS, strict=True)]


class ClassLabel:
    """As ``datasets`` has it: numbers stand in the column, and their names here."""

    names = ("bad", "good")


class HubRows:
    """As much of a ``datasets.Dataset`` as matters: its columns by name, and what they hold."""

    def __init__(self) -> None:
        self._columns = {"review": TEXTS, "mood": [1, 0, 1, 0]}
        self.features = {"review": object(), "mood": ClassLabel()}
        self.column_names = list(self._columns)

    def __iter__(self):
        return iter(ROWS)

    def __getitem__(self, name: str) -> list[Any]:
        return self._columns[name]


class StreamedRows:
    """A data set that is read as it comes: it has no columns to ask for."""

    column_names = None

    def __iter__(self):
        return iter(ROWS)


def _frame(library: str) -> Callable[[], Any]:
    def make() -> Any:
        module = pytest.importorskip(library)
        return module.DataFrame({"review": TEXTS, "mood": LABELS})

    return make


def _hub() -> Any:
    return pytest.importorskip("datasets").Dataset.from_dict({"review": TEXTS, "mood": LABELS})


GIVEN: dict[str, Callable[[], Any]] = {
    "dicts": lambda: ROWS,
    "a generator of dicts": lambda: iter(ROWS),
    "pandas": _frame("pandas"),
    "Polars": _frame("polars"),
    "Arrow": lambda: pa.table({"review": TEXTS, "mood": LABELS}),
    "datasets": _hub,
    "a stand-in of datasets": HubRows,
    "a streamed set": StreamedRows,
    "an array with names": lambda: np.array(
        list(zip(TEXTS, LABELS, strict=True)), dtype=[("review", "U20"), ("mood", "U4")]
    ),
}


def read(given: Any, labels: Any = None, **named: Any) -> Dataset:
    source = as_source(given, labels, labelled=True)
    settings = RowSettings(**named)
    task = task_class(guess_task(source, text=settings.text, label=settings.label).task)
    return read_files(task, source, settings, lambda line: None)[0]


@pytest.mark.parametrize("make", GIVEN.values(), ids=GIVEN)
def test_every_table_is_read_by_its_columns(make):
    found = read(make(), text="review", label="mood")
    assert found.texts == TEXTS
    assert found.labels == LABELS
    assert found.lines.tolist() == [1, 2, 3, 4]


LISTS: dict[str, tuple[Any, Any]] = {
    "lists": (TEXTS, LABELS),
    "one pair": ((TEXTS, LABELS), None),
    "arrays": (np.array(TEXTS), np.array(LABELS)),
    "generators": (iter(TEXTS), iter(LABELS)),
}


@pytest.mark.parametrize(("texts", "labels"), LISTS.values(), ids=LISTS)
def test_texts_and_labels_need_no_names(texts, labels):
    found = read(texts, labels)
    assert (found.texts, found.labels) == (TEXTS, LABELS)


def test_a_series_beside_a_frame_is_its_labels():
    pandas = pytest.importorskip("pandas")
    found = read(pandas.DataFrame({"review": TEXTS}), pandas.Series(LABELS, index=[9, 8, 7, 6]))
    assert (found.texts, found.labels) == (TEXTS, LABELS)


def test_other_tasks_are_told_by_what_is_given():
    pairs = as_source([("a cat sleeps", "a cat is awake")] * 4, ["no", "yes"] * 2)
    words = as_source([["Rome", "is", "old"], ["I", "ran"]] * 3, [["B-LOC", "O", "O"], ["O", "O"]] * 3)
    sets = as_source(TEXTS, [["a", "b"], [], {"b"}, ("a",)])
    numbers = as_source(TEXTS * 3, np.linspace(0.1, 4.7, 12))
    assert [guess_task(source).task for source in (pairs, words, sets, numbers)] == [
        "pairs", "token-classification", "multi-label", "regression",
    ]  # fmt: skip


def test_what_is_missing_in_a_table_is_missing_as_in_a_file():
    pandas = pytest.importorskip("pandas")
    texts = pandas.Series(["fine", None, "dull", "sad"], dtype="string")
    found = read(pandas.DataFrame({"text": texts, "label": pandas.Series([1.0, 0.0, float("nan"), 1.0])}))
    assert found.texts == ["fine", "sad"]
    assert [(row.line, row.kind) for row in found.rejected] == [(2, "empty text"), (3, "no label")]


def test_own_test_rows_may_be_given_too_and_have_the_names_of_the_others():
    settings = RowSettings(text="review", label="mood", test=(["so so"], ["good"]), dev=ROWS[:2])
    task = task_class("classification")
    _, test, dev = read_files(task, as_source(ROWS), settings, lambda line: None)
    assert test is not None
    assert dev is not None
    assert (test.columns, test.labels) == ({"review": ["so so"]}, ["good"])
    assert dev.texts == TEXTS[:2]


WRONG: dict[str, tuple[Any, Any, str]] = {
    "a number": (7, None, "the rows are int"),
    "nothing": (None, None, "the rows are NoneType"),
    "an open file": (io.StringIO("text,label\na,b\n"), None, "this is an open file: StringIO"),
    "an open file and labels": (io.StringIO("a\nb\n"), ["x", "y"], "pandas.read_csv(file)"),
    "no rows": ([], None, "there are no rows"),
    "numbers": ([1, 2], None, "row 1 is int"),
    "splits by name": ({"train": ROWS}, None, 'data["train"]'),
    "texts alone": (TEXTS, None, "texts without labels"),
    "too few labels": (TEXTS, LABELS[:3], "4 rows came with 3 labels"),
    "a name for labels": (TEXTS, "mood", "one string, 'mood'"),
    "labels twice": ([{"text": "a", "label": "b"}], ["b"], "have a column 'label'"),
    "a file with labels": ("rows.csv", LABELS, "a file has its labels in a column"),
    "dicts and others": ([ROWS[0], "text"], None, "row 2 is str"),
    "a set": ({"a", "b"}, None, "has no order"),
    "an empty path": ("", None, "no file is named"),
}


@pytest.mark.parametrize(("given", "labels", "told"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_meant_is_one_clear_error(given, labels, told):
    with pytest.raises(OptionError) as caught:
        as_source(given, labels, labelled=True)
    assert told in str(caught.value)


def test_two_columns_of_one_name_are_refused():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([["a", "b"]], columns=["text", "text"])
    with pytest.raises(OptionError, match="two columns 'text'"):
        as_source(frame)


def test_a_typo_in_a_column_suggests_the_nearest():
    with pytest.raises(OptionError, match="Did you mean 'review'"):
        read(ROWS, text="reviw", label="mood")


def test_names_of_lists_are_changed_only_where_they_are_ours():
    ours = as_source(TEXTS, LABELS)
    assert isinstance(ours, GivenTable)
    assert ours.called(["review"], ["mood"]).columns == ["review", "mood"]
    assert ours.called(["title", "body"], ["mood"]) is ours
    theirs = as_source(ROWS)
    assert isinstance(theirs, GivenTable)
    assert theirs.called(["text"], ["label"]) is theirs
