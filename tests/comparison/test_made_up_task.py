"""A task is added in one file and one line of the registry: this one stands here, and goes the whole way."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from typer.testing import CliRunner

import textgraft
from tests.tiny import topic_rows
from textgraft.cli import app
from textgraft.comparison.running.progress import TerminalReporter
from textgraft.evaluation.metrics import METRICS, TITLES
from textgraft.tasks import registry
from textgraft.tasks.sketch import Evidence, Guess, Sketch
from textgraft.tasks.text.classification import SingleLabelClassification


class Desk(SingleLabelClassification):
    """Which desk a message is for: a file of it has the column "desk"."""

    name = "desk"
    contenders_of = "classification"
    main_metric = "rightly_sent"
    metric_names = ("rightly_sent", *METRICS)
    metric_titles = TITLES | {"rightly_sent": "messages sent rightly"}

    @classmethod
    def recognise(cls, sketch: Sketch) -> Guess | None:
        if "desk" not in sketch.columns or not sketch.allows(["text"], ["desk"]):
            return None
        return Guess(cls.name, "'desk' says which desk a message is for", Evidence.FITS)

    def weighted_metrics(self, gold, answers, weights):
        found = super().weighted_metrics(gold, answers, weights)
        return {"rightly_sent": found["accuracy"], **found}


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setitem(registry.TASKS, "desk", f"{__name__}:Desk")
    path = tmp_path / "messages.jsonl"
    rows = [{"text": text, "desk": label} for text, label in topic_rows(120)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(*command):
    ended = CliRunner().invoke(app, list(map(str, command)))
    assert ended.exit_code == 0, ended.output
    return ended.output


def test_it_is_told_trained_predicted_and_evaluated(source, tmp_path):
    model, answers = tmp_path / "model", tmp_path / "answers.jsonl"
    assert "taken for desk: 'desk' says which desk" in run("check", source)
    run("train", source, "-o", model, "-c", "tfidf")
    card = (model / "README.md").read_text()
    assert "pipeline_tag: text-classification" in card
    assert "rightly_sent" in card
    run("predict", model, source, "-o", answers)
    assert {json.loads(line)["label"] for line in answers.read_text().splitlines()} == {
        "food",
        "space",
        "sport",
    }
    scored = textgraft.evaluate(model, source)
    assert (scored.task, scored.metric) == ("desk", "rightly_sent")
    assert scored.metrics["rightly_sent"].value > 0.9
    assert textgraft.pipeline("text-classification", model)("the rocket and the moon")


def test_it_is_compared_and_reported(source, tmp_path):
    screen = io.StringIO()
    result = textgraft.compare(
        source,
        contenders=["majority", "tfidf"],
        sizes=[30, 60],
        seeds=1,
        tuning=1,
        output=tmp_path / "run",
        reporter=TerminalReporter(Console(file=screen, width=200)),
    )
    assert result.verdict.task == "desk"
    assert result.verdict.pick == "tfidf"
    assert screen.getvalue().count("seed 0  messages sent rightly 0.") == len(result.trials)
    assert "messages sent rightly" in result.report.read_text()
    assert "messages sent rightly" in " ".join(result.verdict.sentences)
