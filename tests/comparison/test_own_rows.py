"""The user's own test and dev files: unusable rows are said, and what makes scores too good is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.tiny import topic_rows
from textgraft.cli import app
from textgraft.comparison.compare import compare
from textgraft.comparison.running.progress import SilentReporter
from textgraft.comparison.train import train
from textgraft.data.check import DataCheck
from textgraft.errors import DataError


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Files with unusable rows: an empty text, an empty label, a label that no training row has."""
    bad = [("", "food"), ("no label at all", ""), ("of another kind", "music")]
    return {
        "train": write(tmp_path / "train.csv", topic_rows(90)),
        "test": write(tmp_path / "test.csv", [*topic_rows(40, seed=1), *bad]),
        "dev": write(tmp_path / "dev.csv", [*topic_rows(40, seed=2), *bad[1:]]),
    }


class Listener(SilentReporter):
    def data(self, check: DataCheck, folder: Path) -> None:
        self.check = check


def test_unusable_rows_of_every_file_are_reported_by_compare(files, tmp_path):
    reporter = Listener()
    compare(
        files["train"], test=files["test"], dev=files["dev"], contenders="majority", sizes="30", seeds=1,
        output=tmp_path / "run", reporter=reporter,
    )  # fmt: skip
    assert sum(reporter.check.rejected.values()) == 5
    assert {example["row"] for example in reporter.check.rejected_examples} == {
        "test.csv:42", "test.csv:43", "test.csv:44", "dev.csv:42", "dev.csv:43",
    }  # fmt: skip
    assert "5 rows cannot be used" in reporter.check.warnings[0]
    assert len((tmp_path / "run" / "rejected.jsonl").read_text().splitlines()) == 5


def test_unusable_rows_of_every_file_are_reported_by_train(files, tmp_path):
    notes: list[str] = []
    train(
        files["train"], tmp_path / "model", test=files["test"], dev=files["dev"], contender="majority",
        reporter=notes.append,
    )  # fmt: skip
    assert any(note.startswith(f"{files['test']}: 3 rows cannot be used") for note in notes)
    assert any(note.startswith(f"{files['dev']}: 2 rows cannot be used") for note in notes)


@pytest.mark.parametrize("command", ["compare", "train"])
def test_the_same_file_for_dev_and_test_is_refused(files, tmp_path, command):
    arguments = [command, str(files["train"]), "-o", str(tmp_path / "out")]
    arguments += ["--test", str(files["test"]), "--dev", str(files["test"])]
    result = CliRunner().invoke(app, arguments)
    assert "the dev rows are the test rows" in str(result.exception or result.output)
    assert not (tmp_path / "out").exists()


def test_test_rows_of_one_label_allow_no_verdict(files, tmp_path):
    test = write(tmp_path / "one.csv", [row for row in topic_rows(60, seed=3) if row[1] == "food"])
    with pytest.raises(DataError, match="same target"):
        compare(files["train"], test=test, output=tmp_path / "run")
    notes: list[str] = []
    train(files["train"], tmp_path / "model", test=test, contender="majority", reporter=notes.append)
    assert any("test scores tell nothing" in note for note in notes)
