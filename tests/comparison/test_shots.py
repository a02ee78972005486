"""Sizes that count the rows of every label."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import textgraft
from tests.tiny import topic_rows, write_topics
from textgraft.cli import app
from textgraft.comparison.contenders.registry import choose_contenders
from textgraft.comparison.preparing import choose, read
from textgraft.comparison.records.trials import load_trials
from textgraft.comparison.running.progress import SilentReporter
from textgraft.comparison.settings import CompareSettings
from textgraft.errors import OptionError


class Notes(SilentReporter):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.trials = 0

    def note(self, text: str) -> None:
        self.notes.append(text)

    def trial_finished(self, trial, metric) -> None:
        self.trials += 1


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three labels, and one that only eight rows have."""
    path = write_topics(tmp_path_factory.mktemp("rows") / "topics.csv", 200)
    with path.open("a") as handle:
        handle.writelines(f"{text} rain wind,weather\n" for text, _ in topic_rows(8, seed=9))
    return path


def test_so_many_rows_of_every_label_are_learned_from_and_it_is_said(source, tmp_path):
    reporter = Notes()
    command = ["compare", str(source), "--shots", "8,2", "-c", "majority,tfidf", "--seeds", "2"]
    result = CliRunner().invoke(app, [*command, "-o", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    trials = load_trials(tmp_path / "run")
    rare = min(
        8, json.loads((tmp_path / "run" / "plan.json").read_text())["programmes"]["tfidf"]["sizes"][1] - 24
    )
    assert rare < 8
    sizes = {trial.size: trial.shots for trial in trials}
    assert sizes == {8: 2, 24 + rare: 8}
    flat = " ".join(result.output.split())
    assert "8 rows (2 a label)" in flat
    assert "1 of 4 labels have fewer than 8 training rows and give all they have" in flat
    assert f"'weather' has {rare}" in flat
    assert f"{24 + rare} labelled rows (8 a label)" in flat
    assert "(8 a label)" in (tmp_path / "run" / "best" / "README.md").read_text()
    report = (tmp_path / "run" / "report.html").read_text()
    assert f"<td>{24 + rare} (8 a label)</td>" in report
    assert "<td>8 (2 a label)</td>" in report
    again = textgraft.compare(
        source,
        shots=[2, 8],
        contenders="majority,tfidf",
        seeds=2,
        output=tmp_path / "run",
        reporter=reporter,
    )
    assert "resuming where an earlier run stopped" in reporter.notes
    assert reporter.trials == 0
    assert again.verdict.shots == {8: 2, 24 + rare: 8}
    assert f"{24 + rare} labels (8 a label)" in again.verdict.sentences[0]


def test_it_is_another_request_than_the_same_sizes(source, tmp_path):
    folder = tmp_path / "run"
    textgraft.compare(source, sizes="8", contenders="tfidf", seeds=1, tuning=1, output=folder)
    with pytest.raises(OptionError, match="a finished comparison with other options"):
        textgraft.compare(source, shots=2, contenders="tfidf", seeds=1, tuning=1, output=folder)


@pytest.mark.parametrize(
    ("rows", "are_few", "competes"), [(90, False, True), (240, False, False), (240, True, True)]
)
def test_contrastive_fine_tuning_competes_unasked_where_rows_are_few(rows, are_few, competes, tmp_path):
    settings = CompareSettings()
    source, notes = write_topics(tmp_path / "topics.csv", rows), Notes()
    chosen = functools.partial(choose_contenders, settings.contenders)
    entrants = choose(source, settings, chosen, notes.note, are_usual=True)
    material = read(source, entrants, settings, notes.note, are_few=are_few)
    assert ("bert-contrastive" in material.entrants.names) is competes
    assert {"tfidf", "lstm", "bert-frozen"} <= {*material.entrants.names}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shots": "4,8", "sizes": "100"}, "--sizes counts all rows and --shots those of every label"),
        ({"shots": "4,x"}, "'x' is not a whole number"),
        ({"shots": "0"}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(given, message):
    with pytest.raises(OptionError, match=message):
        CompareSettings(**given)


def test_rows_without_one_label_each_are_refused(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("text,score\n" + "".join(f"{text},{i}.5\n" for i, (text, _) in enumerate(topic_rows(60))))
    with pytest.raises(OptionError, match="rows of the task regression do not have one label each"):
        textgraft.compare(path, shots=4, task="regression", contenders="tfidf")
