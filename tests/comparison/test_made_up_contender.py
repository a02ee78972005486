"""A contender is added in one place: this one's entry stands here; everything else takes it from there."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import textgraft
from tests.tiny import write_topics
from textgraft.cli import app
from textgraft.comparison.contenders import registry
from textgraft.comparison.contenders.base import Contender, Fitted, Job, RecipeSettings
from textgraft.comparison.contenders.registry import choose_contenders, contenders_for
from textgraft.errors import OptionError
from textgraft.models.baselines.tfidf import fit_tfidf
from textgraft.tasks.registry import TASKS
from textgraft.tasks.text.classification import SingleLabelClassification
from textgraft.training.settings import Positive

TOPICS = {"food", "space", "sport"}


class SingleWordsSettings(RecipeSettings):
    """Settings of a linear model on single words."""

    c: Positive = 1.0


def single_words(job: Job, settings: SingleWordsSettings) -> Fitted:
    """Fit a linear model on single words."""
    labels = job.targets(job.train)
    model, tokenizer = fit_tfidf(job.train.texts, labels, len(job.task.labels), c=settings.c, ngrams=(1, 1))
    job.task.configure(model.config)
    return Fitted(model, tokenizer, job.max_length or 100)


ENTRY = Contender(
    name="single-words",
    title="words by themselves",
    recipe=single_words,
    grid=(SingleWordsSettings(c=10.0), SingleWordsSettings(c=1.0)),
    tasks=("classification",),
    colour="#123456",
    marker="bowtie-open",
    is_default=True,
)


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "CONTENDERS", (*registry.CONTENDERS, ENTRY))
    return write_topics(tmp_path / "topics.csv", 120)


def test_it_is_trained_and_answers(source, tmp_path):
    model, answers = tmp_path / "model", tmp_path / "answers.jsonl"
    command = ["train", str(source), "-o", str(model), "-c", "single-words", "--set", "c=3"]
    ended = CliRunner().invoke(app, command)
    assert ended.exit_code == 0, ended.output
    assert "single-words" in (model / "README.md").read_text()
    assert json.loads((model / "textgraft.json").read_text())["training"]["settings"] == {"c": 3.0}
    assert CliRunner().invoke(app, ["predict", str(model), str(source), "-o", str(answers)]).exit_code == 0
    assert {json.loads(line)["label"] for line in answers.read_text().splitlines()} == TOPICS
    assert textgraft.evaluate(model, source).metrics["macro_f1"].value > 0.9


@pytest.mark.parametrize(("settings", "message"), [({"d": 1}, "single-words"), ({"c": -1}, "c cannot be")])
def test_its_settings_are_checked(source, tmp_path, settings, message):
    with pytest.raises(OptionError, match=message):
        textgraft.train(source, tmp_path / "model", contender="single-words", settings=settings)


def test_it_competes_and_is_shown(source, tmp_path):
    assert "single-words" in {entry.name for entry in choose_contenders(None, "classification")}
    result = textgraft.compare(
        source,
        contenders=["single-words", "majority"],
        sizes=[30, 60],
        seeds=1,
        tuning=2,
        output=tmp_path / "run",
    )
    assert result.verdict.pick == "single-words"
    assert "single-words is better than" not in " ".join(result.verdict.sentences), "a floor is no rival"
    page = result.report.read_text()
    assert ENTRY.title in page
    assert ENTRY.colour in page
    assert ENTRY.marker in page
    assert "single-words" in (tmp_path / "run" / "best" / "README.md").read_text()
    assert result.best.predict(["goal and team"])[0].label in TOPICS
    assert [tried.settings for tried in result.trials[-1].configurations] == [{"c": 10.0}, {"c": 1.0}]


def test_a_task_that_is_like_another_has_its_contenders(monkeypatch):
    class Shouting(SingleLabelClassification):
        name = "shouting"
        contenders_of = "classification"

    monkeypatch.setattr(f"{__name__}.Shouting", Shouting, raising=False)
    monkeypatch.setitem(TASKS, "shouting", f"{__name__}:Shouting")
    assert contenders_for("shouting") == contenders_for("classification")
    assert [entry.name for entry in choose_contenders(["tfidf"], "shouting")] == ["tfidf"]
    # One that names the task competes beside them.
    loud = replace(ENTRY, name="loud", tasks=("shouting",))
    monkeypatch.setattr(registry, "CONTENDERS", (*registry.CONTENDERS, loud))
    assert contenders_for("shouting") == {**contenders_for("classification"), "loud": loud}


def test_no_other_room_knows_a_contender_by_name():
    """What is to be known of a contender is a field of its entry."""
    names = {entry.name for entry in registry.CONTENDERS} - {
        "nearest",
        "copy",
        "lead",
        "llm",
    }  # words of other rooms, and of options
    own = Path(registry.__file__).parent
    found = [
        f"{path}: {node.value}"
        for room in ("cli", "comparison", "inference")
        for path in (own.parents[1] / room).rglob("*.py")
        if own not in path.parents
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in names
    ]
    assert found == []
