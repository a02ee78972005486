"""Sources and targets from tables and from files of lines."""

from __future__ import annotations

import json

import pytest

from textgraft.data.readers.sequences import find_languages, read_sequences
from textgraft.errors import DataError, OptionError


def lines(path, *texts):
    path.write_text("".join(f"{text}\n" for text in texts))
    return path


@pytest.mark.parametrize(
    "header",
    ["de\ten", "source\ttarget", "document\tsummary", "input\toutput", "one\tother", "body\tsubject"],
)
def test_the_sides_are_told_by_their_names(tmp_path, header):
    path = lines(tmp_path / "a.tsv", header, "Hallo\thello", "ja\tyes")
    found = read_sequences(path)
    assert found.texts == ["Hallo", "ja"]
    assert found.labels == [["hello"], ["yes"]]
    assert found.label_column == header.split("\t")[1]


def test_a_named_side_leaves_the_other(tmp_path):
    path = lines(tmp_path / "a.tsv", "de\ten", "ja\tyes")
    for options in ({"text": "en"}, {"label": "de"}, {"text": ["en"], "label": "de"}):
        found = read_sequences(path, **options)
        assert (found.texts, found.labels) == (["yes"], [["ja"]])


def test_of_three_languages_both_must_be_named(tmp_path):
    path = lines(tmp_path / "a.tsv", "de\ten\tfr", "ja\tyes\toui")
    with pytest.raises(DataError, match="text"):
        read_sequences(path)
    assert read_sequences(path, text="de", label="fr").labels == [["oui"]]
    with pytest.raises(OptionError, match="fr"):
        read_sequences(path, text="de", label="frr")


def test_languages_may_have_regions():
    assert find_languages(["number", "de_AT", "pt-BR"]) == ("de_AT", "pt-BR")
    assert find_languages(["text", "label"]) is None


def test_several_right_targets_come_as_a_list(tmp_path):
    rows = [{"document": "a b c", "summary": ["a", " b ", ""]}, {"document": "d", "summary": 7}]
    path = lines(tmp_path / "a.jsonl", *map(json.dumps, rows))
    assert read_sequences(path).labels == [["a", "b"], ["7"]]


def test_two_files_of_lines_are_a_table(tmp_path):
    lines(tmp_path / "train.de", "Hallo", "ja, bitte", '"so')
    lines(tmp_path / "train.en", "hello", "yes, please", "so")
    source = f"{tmp_path / 'train.de'},{tmp_path / 'train.en'}"
    found = read_sequences(source)
    assert found.columns == {"de": ["Hallo", "ja, bitte", '"so']}
    assert found.labels == [["hello"], ["yes, please"], ["so"]]
    # Lines have no header, so that a model which was trained on other names reads them too.
    assert list(read_sequences(source, text=["source"], label="target").columns) == ["source"]


def test_sides_of_unequal_length_are_refused_with_both_numbers(tmp_path):
    lines(tmp_path / "a.de", "eins", "zwei", "drei")
    lines(tmp_path / "a.en", "one", "two")
    with pytest.raises(DataError, match=r"a\.de has 3 and a\.en has 2"):
        read_sequences(f"{tmp_path / 'a.de'},{tmp_path / 'a.en'}")


def test_a_missing_side_is_named(tmp_path):
    lines(tmp_path / "a.de", "eins")
    with pytest.raises(DataError, match=r"a\.en"):
        read_sequences(f"{tmp_path / 'a.de'},{tmp_path / 'a.en'}")


def test_empty_sources_and_targets_are_listed_and_nothing_is_lost(tmp_path):
    lines(tmp_path / "a.de", "eins", "", "drei", " ", "fünf")
    lines(tmp_path / "a.en", "one", "two", "", "\t", "five")
    found = read_sequences(f"{tmp_path / 'a.de'},{tmp_path / 'a.en'}")
    assert found.texts == ["eins", "fünf"]
    assert [(row.line, row.kind) for row in found.rejected] == [
        (2, "empty source"),
        (3, "empty target"),
        (4, "empty source"),
    ]
    assert len(found) + len(found.rejected) == found.notes.total_rows == 5


def test_a_damaged_line_of_one_side_sets_the_row_aside(tmp_path):
    (tmp_path / "a.de").write_bytes(("gut\n" * 9).encode() + b"b\x00d\n")
    lines(tmp_path / "a.en", *["good"] * 9, "bad")
    found = read_sequences(f"{tmp_path / 'a.de'},{tmp_path / 'a.en'}")
    assert len(found) == 9
    assert [(row.line, row.kind) for row in found.rejected] == [(10, "NUL byte")]


@pytest.mark.parametrize("name", ["new.de", "new.txt", "new"])
def test_rows_to_predict_may_be_one_file_of_lines(tmp_path, name):
    path = lines(tmp_path / name, "Hallo", "ja")
    found = read_sequences(path, labelled=False, text=["de"])
    assert found.columns in ({"de": ["Hallo", "ja"]}, {"text": ["Hallo", "ja"]})
    assert found.labels is None


def test_a_comma_in_a_name_makes_no_pair(tmp_path):
    path = lines(tmp_path / "a,b.tsv", "de\ten", "ja\tyes")
    assert read_sequences(path).texts == ["ja"]
