"""Texts that lie in a folder for each label."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from textgraft.cli import app
from textgraft.data.formats import folder as folders
from textgraft.data.readers.reading import read_dataset
from textgraft.errors import DataError
from textgraft.inference.model_rows import read_for_model
from textgraft.tasks.guessing import guess_task
from textgraft.tasks.text.classification import SingleLabelClassification


@pytest.fixture
def reviews(tmp_path):
    """Write a folder as the IMDB reviews come."""
    for label, texts in {
        "neg": ["bad", "worse"],
        "pos": ["good", "bien été", "best"],
        "unsup": ["hm"],
    }.items():
        (tmp_path / label).mkdir()
        for number, text in enumerate(texts):
            (tmp_path / label / f"{number}_7.txt").write_text(f"{text}\n", encoding="cp1252")
    (tmp_path / "pos" / ".hidden.txt").write_text("no")
    (tmp_path / "pos" / "notes.md").write_text("no")
    (tmp_path / "urls_pos.txt").write_text("https://…")
    return tmp_path


def test_sub_folders_are_labels_and_paths_are_ids(reviews):
    dataset = read_dataset(reviews)
    assert dict(zip(dataset.ids, zip(dataset.texts, dataset.labels, strict=True), strict=True)) == {
        "neg/0_7.txt": ("bad", "neg"), "neg/1_7.txt": ("worse", "neg"), "pos/0_7.txt": ("good", "pos"),
        "pos/1_7.txt": ("bien été", "pos"), "pos/2_7.txt": ("best", "pos"),
    }  # fmt: skip
    assert dataset.labels[:2] == ["neg", "pos"]  # in turn: the first rows have every label
    assert [(row.kind, row.excerpt) for row in dataset.rejected] == [("no label", "unsup/0_7.txt: hm")]
    assert "urls_pos.txt" in dataset.notes.remarks[0]
    assert guess_task(reviews).task == "classification"


def test_texts_to_predict_may_lie_in_the_folder_itself(reviews):
    rows = read_dataset(reviews / "pos", labelled=False)
    assert (rows.texts, list(rows.ids)) == (["good", "bien été", "best"], ["0_7.txt", "1_7.txt", "2_7.txt"])
    assert len(read_dataset(reviews, labelled=False)) == 6
    with pytest.raises(DataError, match="not one of texts by label"):
        read_dataset(reviews / "pos")


def test_a_folder_above_says_which_to_name(tmp_path, reviews):
    (tmp_path / "above").mkdir()
    with pytest.raises(DataError, match="nothing that can be read"):
        read_dataset(tmp_path / "above")
    (tmp_path / "above" / "train").mkdir()
    for folder in ("neg", "pos"):
        reviews.joinpath(folder).rename(tmp_path / "above" / "train" / folder)
    reviews.joinpath("urls_pos.txt").rename(tmp_path / "above" / "train" / "urls_pos.txt")
    with pytest.raises(DataError, match="It holds: train"):
        read_dataset(tmp_path / "above")


def test_texts_that_cannot_be_used_are_set_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "LONGEST_ROW", 40)
    (tmp_path / "a").mkdir()
    files = {
        "binary": b"%abc\0defgh", "empty": b"", "good": b"\xef\xbb\xbffine\nindeed", "long": b"x" * 41,
        "pdf": b"%PDF\xff", "utf16": "süß und gut".encode("utf-16"),
    }  # fmt: skip
    for name, data in files.items():
        (tmp_path / "a" / f"{name}.txt").write_bytes(data)
    dataset = read_dataset(tmp_path)
    assert dataset.texts == ["fine\nindeed", "süß und gut"]
    assert [row.kind for row in dataset.rejected] == [
        "broken UTF-8, or binary data", "empty text", "too long", "this is not a text file but a PDF",
    ]  # fmt: skip


def test_a_model_of_rows_in_a_table_reads_a_folder(reviews):
    trained = SimpleNamespace(text_columns=["review"], label_column="mood")
    rows = read_for_model(SingleLabelClassification, trained, str(reviews / "pos"), labelled=False)
    assert rows.texts == ["good", "bien été", "best"]
    assert set(read_for_model(SingleLabelClassification, trained, str(reviews)).labels) == {"neg", "pos"}


def test_commands_read_a_folder(reviews):
    result = CliRunner().invoke(app, ["check", str(reviews)])
    assert result.exit_code == 0, result.output
    assert "5 rows" in result.output
