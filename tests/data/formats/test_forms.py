"""Pairs, numbers and label lists: what is read, and what becomes of every kind of bad row."""

from __future__ import annotations

import json

import pyarrow
import pyarrow.parquet
import pytest

from textgraft.errors import DataError, OptionError
from textgraft.tasks.text.multi_label import MultiLabelClassification
from textgraft.tasks.text.pairs import PairClassification, PairSimilarity
from textgraft.tasks.text.regression import Regression


def write(path, text):
    path.write_text(text)
    return path


def write_lines(path, *entries):
    return write(path, "".join(json.dumps(entry) + "\n" for entry in entries))


def reasons(dataset):
    return {bad.line: bad.reason for bad in dataset.rejected}


@pytest.mark.parametrize(
    "names",
    [
        ("sentence1", "sentence2"),
        ("premise", "hypothesis"),
        ("question1", "question2"),
        ("text_a", "text_b"),
        ("Text A", "Text B"),
        ("#1 String", "#2 String"),
        ("s1", "s2"),
        ("question", "sentence"),
        ("left", "right"),
    ],
)
def test_pairs_are_found_by_their_names(tmp_path, names):
    file = write(tmp_path / "a.csv", f"id1,{names[0]},{names[1]},label,genre\n7,one,two,yes,x\n")
    rows = PairClassification.read(file)
    assert rows.columns == {names[0]: ["one"], names[1]: ["two"]}
    assert rows.labels == ["yes"]


def test_a_missing_text_column_is_answered_by_what_looks_like_text(tmp_path):
    rows = "".join(f"{row},das ist die Frage {row},Anna,x\n" for row in range(30))
    file = write(tmp_path / "a.csv", f"nr,meine frage,name,label\n{rows}")
    with pytest.raises(OptionError, match=r"Likely --text 'meine frage' \(in Python"):
        Regression.read(file, text="text", labelled=False)
    with pytest.raises(OptionError) as caught:
        Regression.read(file, text="meine frage", label="number")
    assert "Likely" not in str(caught.value)


def test_pairs_of_other_names_are_what_the_label_leaves(tmp_path):
    file = write(tmp_path / "a.csv", "alpha,beta,verdict\none,two,yes\n")
    assert list(PairClassification.read(file, label="verdict").columns) == ["alpha", "beta"]
    assert list(PairClassification.read(file, label="verdict", text=["beta", "alpha"]).columns) == [
        "beta",
        "alpha",
    ]
    unlabelled = PairClassification.read(file, text=["alpha", "beta"], labelled=False)
    assert unlabelled.labels is None


def test_the_labels_of_pairs_have_names_of_their_own(tmp_path):
    rows = write_lines(
        tmp_path / "a.jsonl",
        {"sentence1": "a", "sentence2": "b", "gold_label": "neutral", "genre": "x", "sentence1_parse": "("},
    )
    assert PairClassification.read(rows).labels == ["neutral"]


def test_similarities_are_numbers(tmp_path):
    file = write(tmp_path / "a.csv", "sentence1,sentence2,score,year\na,b,3.8,2012\nc,d,5,2013\n")
    assert PairSimilarity.read(file).labels == [3.8, 5.0]


BAD_PAIRS = """sentence1,sentence2,label
one,two,yes
,two,yes
one,   ,yes
one,two,
one,two
three,four,no
"""


def test_bad_rows_of_pairs_are_listed(tmp_path):
    rows = PairClassification.read(write(tmp_path / "a.csv", BAD_PAIRS))
    assert rows.labels == ["yes", "no"]
    assert reasons(rows) == {
        3: "empty text: number 1 of 2",
        4: "empty text: number 2 of 2",
        5: "no label: the field is empty",
        6: "ragged row: 2 fields where the header has 3",
    }


@pytest.mark.parametrize("text", [["sentence1"], ["sentence1", "sentence2", "label"]])
def test_a_pair_needs_two_columns(tmp_path, text):
    file = write(tmp_path / "a.csv", BAD_PAIRS)
    with pytest.raises(OptionError, match=f"a pair needs two text columns, and {len(text)} are named"):
        PairClassification.read(file, text=text, labelled=False)


def test_files_without_pairs_are_told(tmp_path):
    file = write(tmp_path / "a.csv", "text,label\none,yes\n")
    with pytest.raises(DataError, match=r"no two columns look like a pair(?s:.*)found: 'text', 'label'"):
        PairClassification.read(file)


@pytest.mark.parametrize(
    ("cell", "number"), [("3", 3.0), ("-0.5", -0.5), ("+1e3", 1000.0), (" .25 ", 0.25), ("7.", 7.0)]
)
def test_numbers_are_read(tmp_path, cell, number):
    file = write(tmp_path / "a.csv", f"text,score\nfine,{cell}\n")
    assert Regression.read(file).labels == [number]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("good", "not a number: 'good'"),
        ('"3,5,1"', "not a number: '3,5,1'"),
        ("1_000", "not a number: '1_000'"),
        ("nan", "not a number: 'nan'"),
        ("inf", "not a number: 'inf'"),
        ("1e999", "not a number: 1e999 is not finite"),
        ("5 stars", "not a number: '5 stars'"),
        ("", "no label: the field is empty"),
    ],
)
def test_what_is_no_number_is_listed(tmp_path, cell, reason):
    rows = Regression.read(write(tmp_path / "a.csv", f"text,score\nfine,{cell}\ngood,2\n"))
    assert rows.labels == [2.0]
    assert reasons(rows) == {2: reason}


def test_json_values_that_are_no_numbers_are_listed(tmp_path):
    entries = [{"text": "a", "score": value} for value in (1, 2.5, "3", True, [4], None, 10**400)]
    rows = Regression.read(write_lines(tmp_path / "a.jsonl", *entries))
    assert rows.labels == [1.0, 2.5, 3.0]
    assert list(reasons(rows)) == [4, 5, 6, 7]
    assert "'true'" in reasons(rows)[4]
    assert "a list where one value is needed" in reasons(rows)[5]


def test_a_file_without_any_number_names_the_first_reason(tmp_path):
    with pytest.raises(DataError, match=r"line 2: none of the 2 rows(?s:.*)not a number: 'good'"):
        Regression.read(write(tmp_path / "a.csv", "text,label\na,good\nb,bad\n"))


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["b|a", "", "a"], [("b", "a"), (), ("a",)]),
        (["x, y|z", '"u, v"'], [("x, y", "z"), ("u, v",)]),
        (["b;a", "c, d"], [("b", "a"), ("c, d",)]),
        (["'b,a'", "c"], [("b", "a"), ("c",)]),
        (["a| a ||b|", "|"], [("a", "b"), ()]),
    ],
)
def test_fields_of_labels_are_cut_by_one_mark(tmp_path, cells, labels):
    rows = [f'word,"{cell.strip(chr(39)).strip(chr(34))}"' for cell in cells]
    file = write(tmp_path / "a.csv", "\n".join(["text,labels", *rows]) + "\n")
    assert MultiLabelClassification.read(file).labels == labels


def test_lists_of_labels_are_read(tmp_path):
    entries = [{"text": "a", "tags": tags} for tags in (["x", "y"], [], ["x, y", "x, y"], [1, True], '["z"]')]
    rows = MultiLabelClassification.read(write_lines(tmp_path / "a.jsonl", *entries))
    assert rows.labels == [("x", "y"), (), ("x, y",), ("1", "true"), ("z",)]
    table = pyarrow.table({"text": ["a", "b"], "labels": [["x"], []]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert MultiLabelClassification.read(tmp_path / "a.parquet").labels == [("x",), ()]


def test_bad_lists_of_labels_are_listed(tmp_path):
    values = [["x"], None, [["x"]], [""], [None], {"x": 1}, "['x', 'y'", '["x"']
    rows = MultiLabelClassification.read(
        write_lines(tmp_path / "a.jsonl", *({"text": "a", "labels": value} for value in values))
    )
    assert rows.labels == [("x",)]
    assert [reason.partition(":")[0] for reason in reasons(rows).values()] == [
        *["no label"] * 5,
        *["malformed list"] * 2,
    ]
    assert 'must be written as JSON, ["a", "b"]' in reasons(rows)[7]
