"""Whatever a notebook holds becomes a list of texts, or one clear error; never the names of its columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from textgraft.data.dataset import Dataset
from textgraft.data.inputs import given_inputs, given_texts, is_table
from textgraft.errors import OptionError

TEXTS = ["one", "two", ""]


class Frame:
    """As much of a DataFrame as matters: iterating over it gives the names of its columns."""

    def __init__(self, **columns: list) -> None:
        self._columns = columns
        self.columns = list(columns)

    def __iter__(self):
        return iter(self.columns)

    def __getitem__(self, name: str) -> list:
        return self._columns[name]


def tables() -> list[object]:
    number = [1, 2, 3]
    found: list[object] = [
        Frame(review=TEXTS, number=number),
        pa.table({"review": TEXTS, "number": number}),
        np.array(list(zip(TEXTS, number, strict=True)), dtype=[("review", "U3"), ("number", int)]),
        Dataset.unlabelled({"review": TEXTS, "number": number}),
    ]
    for library in ("pandas", "polars"):
        try:
            found.append(__import__(library).DataFrame({"review": TEXTS, "number": number}))
        except ImportError:
            continue
    try:
        from datasets import Dataset as HubDataset

        found.append(HubDataset.from_dict({"review": TEXTS, "number": number}))
    except ImportError:
        pass
    return found


@pytest.mark.parametrize(
    "given",
    [
        TEXTS,
        tuple(TEXTS),
        (text for text in TEXTS),
        iter(TEXTS),
        dict.fromkeys(TEXTS).keys(),
        {"a": "one", "b": "two", "c": ""}.values(),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        pa.array(TEXTS),
        pa.chunked_array([TEXTS[:1], TEXTS[1:]]),
    ],
    ids=lambda given: type(given).__name__,
)
def test_every_list_of_texts_is_one(given):
    found = given_texts(given)
    assert found == TEXTS
    assert {type(text) for text in found} == {str}


@pytest.mark.parametrize(
    "table", tables(), ids=lambda table: f"{type(table).__module__}.{type(table).__name__}"
)
def test_a_table_is_read_by_the_name_of_its_column(table):
    assert is_table(table)
    assert given_texts(table, "review") == TEXTS
    assert given_inputs(table, ["review", "number"]) == list(zip(TEXTS, [1, 2, 3], strict=True))
    with pytest.raises(OptionError, match="'review', 'number'") as error:
        given_texts(table)
    assert 'text="review"' in str(error.value)
    with pytest.raises(OptionError, match="Did you mean 'review'"):
        given_texts(table, "reviw")
    if not isinstance(table, np.ndarray | Dataset):
        assert given_texts(table["review"]) == TEXTS


def test_of_a_table_with_one_column_that_is_it():
    assert given_texts(Frame(anything=TEXTS)) == TEXTS


def test_a_column_of_dicts_can_be_named():
    rows = [{"review": text, "number": 1} for text in TEXTS]
    assert given_texts(rows, "review") == TEXTS
    with pytest.raises(OptionError, match="input 1 has no column 'review'"):
        given_texts([rows[0], {"text": "two"}], "review")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("one text", "one string"),
        (b"one text", "one bytes"),
        ({"text": "one"}, "a dict with the keys 'text'"),
        ({"one", "two"}, "no order"),
        (7, "int, no list"),
        (None, "NoneType, no list"),
        (np.array("one"), "no list of texts"),
        (np.array([["one", "two"]]), "text 0 is ndarray"),
        (["one", None], "text 1 is missing"),
        (["one", float("nan")], "text 1 is missing"),
        (pa.array(["one", None]), "text 1 is missing"),
        (["one", 2], "text 1 is int"),
        (["one", 2.5], "text 1 is float"),
        (["one", b"two"], "text 1 is bytes"),
        (["one", ("two", "three")], "text 1 is a pair of texts"),
        (["one", {"text": "two"}], "text 1 is a dict with the keys 'text'"),
        (["one", ["two"]], "text 1 is list"),
        (["one", "tw\ud800"], "text 1 holds half a character"),
    ],
)
def test_what_cannot_be_meant_is_said_with_its_place(given, message):
    with pytest.raises(OptionError, match=message) as error:
        given_texts(given)
    assert error.value.fix


def test_missing_values_of_a_series_are_said():
    pandas = pytest.importorskip("pandas")
    for values in (pandas.Series(["one", None]), pandas.Series(["one", pandas.NA], dtype="string")):
        with pytest.raises(OptionError, match="text 1 is missing"):
            given_texts(values)
    # The index of a series is no matter.
    assert given_texts(pandas.Series(TEXTS, index=[7, 7, 2])) == TEXTS


def test_a_frame_that_is_not_computed_is_refused():
    polars = pytest.importorskip("polars")
    with pytest.raises(OptionError, match="collect"):
        given_texts(polars.LazyFrame({"review": TEXTS, "number": [1, 2, 3]}), "review")
