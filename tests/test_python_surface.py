"""What Python calls take: the command line's names, rows in any form, and one error for each mistake."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main

import textgraft
from tests.tiny import save_tiny_bert, topic_rows
from textgraft.cli import app
from textgraft.errors import OptionError, TextgraftError

CALLS = ("benchmark", "check", "compare", "encode", "evaluate", "predict", "train")
SHARDED = {"jobs", "ray", "share", "shard_rows"}
"""Calls answer in memory; shards are files."""
ONLY_IN_A_TERMINAL = {
    "encode": {"output", "overwrite", "url", "key", "model", *SHARDED},  # Client.encode asks a service
    "evaluate": {"output"},  # save_evaluation writes it
    "predict": {"light", *SHARDED},  # load_light gives a predictor
    # settings say the same; a plan is plan_training's.
    "train": {"config", "setting", "plan", "print_config"},
}
OF_EVERY_COMMAND = {"as_json", "quiet", "verbose", "input_format", "help"}
ONLY_IN_PYTHON = {"labels", "progress", "reporter", "settings", "threads", "cache"}


@pytest.fixture(scope="module")
def rows() -> tuple[list[str], list[str]]:
    texts, labels = zip(*topic_rows(60), strict=True)
    return list(texts), list(labels)


@pytest.fixture(scope="module")
def model(rows, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("surface") / "model"
    textgraft.train(rows[0], folder, labels=rows[1], contender="tfidf")
    return folder


@pytest.mark.parametrize("name", CALLS)
def test_options_are_keywords_of_the_same_names(name):
    """Whatever an option of the command says, the call takes, and the other way round."""
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    options = {parameter.name for parameter in command.params} - OF_EVERY_COMMAND
    keywords = set(inspect.signature(getattr(textgraft, name)).parameters)
    assert options - keywords == ONLY_IN_A_TERMINAL.get(name, set())
    assert keywords - options <= ONLY_IN_PYTHON


@pytest.mark.parametrize("name", CALLS)
def test_every_parameter_is_typed_and_described(name):
    call = getattr(textgraft, name)
    told = inspect.getdoc(call) or ""
    for parameter in inspect.signature(call).parameters.values():
        assert parameter.kind is not inspect.Parameter.VAR_KEYWORD
        assert parameter.annotation not in (inspect.Parameter.empty, "Any"), parameter.name
        assert f"\n    {parameter.name}: " in told, parameter.name


def test_public_names_are_the_only_ones_that_are_listed():
    assert dir(textgraft) == sorted(textgraft.__all__)
    assert all(getattr(textgraft, name) is not None for name in CALLS)


def test_choices_are_written_as_on_the_command_line(rows, tmp_path):
    texts, labels = rows
    one = textgraft.compare(
        texts, labels, contenders="majority", sizes="20,30", seeds="1", tuning="1", budget="10m",
        output=tmp_path / "one",
    )  # fmt: skip
    other = textgraft.compare(
        [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)],
        contenders=["majority"], sizes=[30, "20"], seeds=1, tuning=1, budget=600, output=tmp_path / "one",
    )  # fmt: skip
    assert [trial.id for trial in one.trials] == [trial.id for trial in other.trials]
    assert {trial.size for trial in one.trials} == {20, 30}


def test_frames_are_taken_everywhere(rows, model, tmp_path):
    pandas = pytest.importorskip("pandas")
    texts, labels = rows
    frame = pandas.DataFrame({"utterance": texts, "topic": labels})
    assert textgraft.check(frame).rows == 60
    named = {"text": "utterance", "label": "topic"}
    assert textgraft.evaluate(model, frame, **named, progress=False).rows == 60
    assert [row["label"] for row in textgraft.predict(model, frame, text="utterance")] == [
        prediction.label for prediction in textgraft.load(model).predict(texts)
    ]
    trained = textgraft.train(frame, tmp_path / "m", **named, contender="majority")
    assert trained.predictor.manifest.text_columns == ["utterance"]


def test_texts_and_labels_are_scored_by_a_model_of_other_names(rows, model):
    texts, labels = rows
    assert (
        textgraft.evaluate(model, texts, labels).metrics == textgraft.evaluate(model, (texts, labels)).metrics
    )


def test_predicting_sets_aside_what_is_no_text_and_keeps_the_order(model, tmp_path):
    rows = [{"text": "the goal of the team"}, {"text": None}, {"text": "soup with cheese"}]
    found = textgraft.predict(model, rows, output=tmp_path / "out.jsonl")
    assert [row["id"] for row in found] == ["1", "3"]
    assert [(row.line, row.kind) for row in found.rejected] == [(2, "empty text")]
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2
    assert found.table().columns[:4] == ["id", "text", "label", "score"]
    assert repr(found) == "<Predicted 2 rows of rows, 1 set aside>"


def test_encode_takes_files_tables_and_dicts(rows, tmp_path):
    encoder = save_tiny_bert(tmp_path / "tiny")
    texts = rows[0][:5]
    (tmp_path / "rows.csv").write_text("text,n\n" + "".join(f"{text},1\n" for text in texts))
    wanted = textgraft.encode(texts, encoder, engine="torch")
    for given in (
        tmp_path / "rows.csv",
        str(tmp_path / "rows.csv"),
        [{"text": text, "n": 1} for text in texts],
        np.array(list(zip(texts, [1] * 5, strict=True)), dtype=[("text", "U200"), ("n", int)]),
    ):
        np.testing.assert_allclose(textgraft.encode(given, encoder, engine="torch"), wanted, atol=1e-5)


CALLED: dict[str, dict[str, Any]] = {
    "check": {"source": ["a", "b"]},
    "compare": {"source": ["a", "b"]},
    "encode": {"source": ["a"]},
    "evaluate": {"source": ["a", "b"]},
    "distill": {"corpus": "corpus.txt", "output": "m"},
    "load": {},
    "pipeline": {"task": "sentiment-analysis"},
    "predict": {"source": ["a", "b"]},
    "threshold": {"source": ["a", "b"], "precision": 0.9},
    "train": {"source": ["a", "b"], "output": "m"},
    "word_vectors": {"corpus": "corpus.txt"},
}
"""Public calls, each with what it needs beside a model, an encoder and labels."""


@pytest.mark.parametrize("name", CALLED)
def test_whatever_is_of_no_kind_at_all_is_one_error_of_ours(name, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    encoder = save_tiny_bert(tmp_path / "tiny")
    call = getattr(textgraft, name)
    parameters = inspect.signature(call).parameters
    given = {**CALLED[name], "model": model, "path": model, "labels": ["x", "y"], "encoder": encoder}
    given["teacher"] = encoder
    right = {key: value for key, value in given.items() if key in parameters}
    for parameter, its in parameters.items():
        if "Callable" in str(its.annotation) or its.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        with pytest.raises(TextgraftError) as caught:
            call(**{**right, parameter: object()})
        assert isinstance(caught.value, OptionError), parameter
    assert {path.name for path in tmp_path.iterdir()} == {"tiny"}


WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "no rows": ("compare", {"source": 7}),
    "a number of seeds": ("compare", {"seeds": "many"}),
    "sizes": ("compare", {"sizes": 2.5}),
    "sizes in a list": ("compare", {"sizes": [20, None]}),
    "contenders": ("compare", {"contenders": 3}),
    "a contender": ("compare", {"contenders": [3]}),
    "a budget": ("compare", {"budget": "soon"}),
    "a preference": ("compare", {"prefer": 1}),
    "an output": ("compare", {"output": 5}),
    "a reporter": ("compare", {"reporter": "print"}),
    "progress": ("compare", {"progress": "yes"}),
    "columns": ("compare", {"text": 3}),
    "a task": ("check", {"task": 4}),
    "test rows": ("check", {"test": 4}),
    "a folder": ("train", {"output": 5}),
    "settings": ("train", {"settings": 5}),
    "a seed": ("train", {"seed": "one"}),
    "a model": ("evaluate", {"model": 5}),
    "a report": ("evaluate", {"report": 5}),
    "a model to predict": ("predict", {"model": None}),
    "sets": ("predict", {"sets": "many"}),
    "an engine": ("predict", {"engine": 5}),
    "texts": ("encode", {"source": 5}),
    "one text": ("encode", {"source": "a text of its own"}),
    "a length": ("encode", {"max_length": "long"}),
    "a precision": ("encode", {"precision": 16}),
}


@pytest.mark.parametrize(("name", "wrong"), WRONG.values(), ids=WRONG)
def test_a_wrong_type_is_one_error_of_ours(name, wrong, rows, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts, labels = rows
    right: dict[str, dict[str, Any]] = {
        "check": {"source": texts, "labels": labels},
        "compare": {"source": (texts, labels), "contenders": "majority", "sizes": "20", "seeds": 1},
        "train": {"source": texts, "output": tmp_path / "m", "labels": labels, "contender": "majority"},
        "evaluate": {"model": model, "source": texts, "labels": labels},
        "predict": {"model": model, "source": texts},
        "encode": {"source": texts},
    }
    with pytest.raises(TextgraftError) as caught:
        getattr(textgraft, name)(**{**right[name], **wrong})
    assert isinstance(caught.value, OptionError)
    assert not list(tmp_path.glob("runs/*/trials"))


def test_print_is_told_what_goes_on(rows, tmp_path):
    lines: list[str] = []
    textgraft.compare(
        *rows, contenders="majority", sizes="20", seeds=1, output=tmp_path / "run", reporter=lines.append
    )
    assert any(line.startswith("majority, 20 rows, seed 0: macro F1 0.") for line in lines)
    assert lines[-1] == f"report: {tmp_path / 'run' / 'report.html'}"
