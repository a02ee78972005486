from __future__ import annotations

import pytest
from typer.testing import CliRunner

from textgraft.cli import app
from textgraft.data.check import check_dataset
from textgraft.data.readers.reading import read_dataset
from textgraft.data.readers.tagged import read_tagged
from textgraft.data.spellings import find_spellings, merge_spellings, spelling_key
from textgraft.tasks.named import RowSettings
from textgraft.tasks.reading import read_splits
from textgraft.tasks.text.classification import SingleLabelClassification

ALIKE = [
    ("Food", "food"),
    ("TRUE", "True"),
    ("caf\u00e9", "cafe\u0301"),
    ("caf\u00e9 tech", "caf\u00e9\u00a0tech"),
    ("tech", "tech\u200b"),
    ("tech", "\ufefftech"),
    ("so  what", "so what"),
    ("\uff26ood", "food"),
    ("1.0", "1"),
    ("STRASSE", "straße"),
]
APART = [("food", "foot"), ("1", "-1"), ("1.5", "1"), ("c", "c++"), ("not spam", "notspam"), ("a-b", "a b")]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_spellings_of_one_label(one, other):
    assert spelling_key(one) == spelling_key(other)


@pytest.mark.parametrize(("one", "other"), APART)
def test_different_labels(one, other):
    assert spelling_key(one) != spelling_key(other)


def test_the_most_frequent_spelling_is_kept_without_what_is_not_seen():
    (found,) = find_spellings({"tech\u200b": 5, "Tech": 3, "TECH": 1, "other": 9})
    assert found.name == "tech"
    assert list(found.rows) == ["tech\u200b", "Tech", "TECH"]


def test_spellings_that_look_alike_are_shown_apart():
    (found,) = find_spellings({"caf\u00e9": 2, "cafe\u0301": 1})
    assert str(found) == r"'caf\xe9' (2), 'cafe\u0301' (1)"


def rows(path, labels):
    path.write_text("text,label\n" + "".join(f"text {n},{label}\n" for n, label in enumerate(labels)))
    return path


LABELS = ["Food", "food", "FOOD", "trip"] * 20


def test_check_names_the_groups_and_what_to_do(tmp_path):
    check = check_dataset(read_dataset(rows(tmp_path / "a.csv", LABELS)))
    (warning,) = [warning for warning in check.warnings if "ways" in warning]
    assert "'FOOD' (20), 'Food' (20), 'food' (20)" in warning
    assert "--merge-labels" in warning
    assert "merge_labels=True" in warning
    assert check.to_dict()["labels"]["spellings"][0]["rows"] == {"FOOD": 20, "Food": 20, "food": 20}


def test_an_option_merges_them_in_all_files(tmp_path):
    named = RowSettings(test=rows(tmp_path / "b.csv", ["food ", "TRIP"] * 5))
    source = rows(tmp_path / "a.csv", LABELS)
    splits, whole = read_splits(SingleLabelClassification, source, named)
    assert set(whole.labels) == {"Food", "food", "FOOD", "trip"}
    splits, whole = read_splits(SingleLabelClassification, source, named.but(merge_labels=True))
    assert set(whole.labels) == {"food", "trip"}
    assert set(splits.test.labels) == {"food", "trip"}
    assert not splits.test.rejected


def test_the_command_takes_the_option(tmp_path):
    source = str(rows(tmp_path / "a.csv", LABELS))
    plain = CliRunner().invoke(app, ["check", source])
    assert plain.exit_code == 0
    assert "merge-labels" in plain.output
    merged = CliRunner().invoke(app, ["check", source, "--merge-labels"])
    assert merged.exit_code == 0
    assert "merge-labels" not in merged.output


def test_label_sets_and_types_of_tags_are_merged_too(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("Ann B-PER\nLee I-PER\n\nRome B-Loc\n\nOslo B-LOC\n\nLima B-LOC\n")
    tagged = read_tagged(path)
    (merged,), found = merge_spellings([tagged])
    assert [group.name for group in found] == ["LOC"]
    assert merged.labels == [["B-PER", "I-PER"], ["B-LOC"], ["B-LOC"], ["B-LOC"]]
    assert merged.names == [("PER",), ("LOC",), ("LOC",), ("LOC",)]
    assert tagged.labels[1] == ["B-Loc"]
