"""Every task through the whole comparison with every contender, from a file to the winner's answers."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import textgraft
from tests.tiny import FILLER, TOPICS, save_tiny_bert, topic_rows
from textgraft.cli import app
from textgraft.comparison.contenders.base import RecipeSettings
from textgraft.comparison.contenders.registry import CONTENDERS, contenders_for
from textgraft.comparison.records.trials import load_test_set
from textgraft.comparison.result import Comparison
from textgraft.tasks.registry import TASKS

ROWS = 120


def _lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _classification(folder: Path) -> Path:
    return _lines(folder / "a.jsonl", [{"text": text, "label": label} for text, label in topic_rows(ROWS)])


def _multi_label(folder: Path) -> Path:
    firsts, seconds = topic_rows(ROWS, 1), topic_rows(ROWS, 2)
    rows = [
        {"text": f"{one} {two}", "labels": sorted({first, second})}
        for (one, first), (two, second) in zip(firsts, seconds, strict=True)
    ]
    return _lines(folder / "a.jsonl", rows)


def _regression(folder: Path) -> Path:
    lengths = {"sport": 1.25, "food": 2.5, "space": 4.75}
    rows = [
        {"text": text, "score": lengths[label] + 0.01 * (number % 7)}
        for number, (text, label) in enumerate(topic_rows(ROWS))
    ]
    return _lines(folder / "a.jsonl", rows)


def _pairs(folder: Path, *, numbers: bool = False) -> Path:
    firsts, seconds = topic_rows(ROWS, 1), topic_rows(ROWS, 2)
    rows = [
        {
            "sentence1": one,
            "sentence2": two,
            **({"score": 0.5 + 4 * (a == b)} if numbers else {"label": "same" if a == b else "other"}),
        }
        for (one, a), (two, b) in zip(firsts, seconds, strict=True)
    ]
    return _lines(folder / "a.jsonl", rows)


def _tagged(folder: Path) -> Path:
    kinds = {word: kind.upper() for kind, words in TOPICS.items() for word in words}
    sentences = []
    for text, _ in topic_rows(ROWS):
        words = text.split()
        sentences.append("\n".join(f"{w}\t{'B-' + kinds[w] if w in kinds else 'O'}" for w in words))
    path = folder / "a.conll"
    path.write_text("\n\n".join(sentences) + "\n")
    return path


def _questions(folder: Path) -> Path:
    generator = np.random.default_rng(0)
    rows = []
    for number in range(ROWS):
        topic = str(generator.choice(list(TOPICS)))
        answer = str(generator.choice(TOPICS[topic]))
        words = [*map(str, generator.choice(FILLER, 6)), answer]
        generator.shuffle(words)
        context = " ".join(words)
        given = {"text": [answer], "answer_start": [f" {context} ".index(f" {answer} ")]}
        rows.append({"id": str(number), "question": "the old", "context": context, "answers": given})
    return _lines(folder / "a.jsonl", rows)


def _choices(folder: Path) -> Path:
    generator = np.random.default_rng(0)
    rows = []
    for text, label in topic_rows(ROWS):
        right = int(generator.integers(3))
        choices = ["the new big", "we had a", "saw with the"]
        choices[right] = f"{TOPICS[label][0]} and"
        rows.append({"prompt": text, "choices": choices, "label": right})
    return _lines(folder / "a.jsonl", rows)


def _reversed(folder: Path, source: str, target: str) -> Path:
    rows = [text.split()[:4] for text, _ in topic_rows(ROWS)]
    return _lines(
        folder / "a.jsonl", [{source: " ".join(words), target: " ".join(reversed(words))} for words in rows]
    )


def _summaries(folder: Path) -> Path:
    rows = [{"document": text, "summary": f"{label} news"} for text, label in topic_rows(ROWS)]
    return _lines(folder / "a.jsonl", rows)


def _captions(folder: Path) -> Path:
    generator = np.random.default_rng(0)
    rows = []
    for _, label in topic_rows(ROWS):
        place = list(TOPICS).index(label)
        vector = (generator.normal(0, 0.2, 4) + 10 * np.eye(4)[place]).tolist()
        rows.append({"vector": vector, "caption": f"this is {label}"})
    return _lines(folder / "a.jsonl", rows)


MAKERS: dict[str, Callable[[Path], Path]] = {
    "classification": _classification,
    "multi-label": _multi_label,
    "regression": _regression,
    "pairs": _pairs,
    "similarity": lambda folder: _pairs(folder, numbers=True),
    "token-classification": _tagged,
    "question-answering": _questions,
    "multiple-choice": _choices,
    "translation": lambda folder: _reversed(folder, "de", "en"),
    "text2text": lambda folder: _reversed(folder, "source", "target"),
    "summarization": _summaries,
    "captioning": _captions,
}


def test_every_task_has_a_file():
    assert MAKERS.keys() == TASKS.keys()


_SIZES = ("hidden_size", "embedding_size", "feed_forward_size", "between_size", "between_feed_forward_size")


def _tiny(settings: RecipeSettings) -> RecipeSettings:
    """Make of a configuration that of a small network which writes without beams."""
    given = settings.given()
    small = {name: min(32, given[name]) for name in _SIZES if name in given}
    return settings.but(**small, **({"num_beams": 1} if "num_beams" in given else {}))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    return save_tiny_bert(tmp_path_factory.mktemp("encoder") / "bert")


@pytest.mark.parametrize("task", TASKS)
def test_from_a_file_to_the_winners_answers(task, encoder, tmp_path, monkeypatch):
    # Few epochs: what is looked at here is that everything fits together.
    monkeypatch.setattr("textgraft.comparison.contenders.base.EpochSchedule.number", lambda self, size: 2)
    source = MAKERS[task](tmp_path)
    monkeypatch.setattr(
        "textgraft.comparison.contenders.registry.CONTENDERS",
        tuple(entry.with_grid(_tiny) for entry in CONTENDERS),
    )
    # Those that begin with a language model of their own are compared in test_lstm_pretrained.py, the one
    # that is asked elsewhere in contenders/test_llm.py.
    names = [
        name
        for name, entry in contenders_for(task).items()
        if name not in ("rnn", "gru") and not entry.needs_language_model and not entry.is_remote
    ]
    result = textgraft.compare(
        source,
        contenders=names,
        encoder=str(encoder),
        sizes=[30, 60] if task == "classification" else [60],
        seeds=1,
        tuning=1,
        output=tmp_path / "run",
    )
    assert {trial.contender for trial in result.trials} == set(names)
    assert result.verdict.task == task, "the task is told by the file"
    for row in result.verdict.standings:
        assert row.score.low <= row.score.high
        assert np.isfinite(row.score.value)
    page = result.report.read_text()
    assert result.verdict.metric in page
    assert "What next" in page
    answers = tmp_path / "answers.jsonl"
    command = ["predict", str(tmp_path / "run" / "best"), str(source), "-o", str(answers)]
    ended = CliRunner().invoke(app, command)
    assert ended.exit_code == 0, ended.output
    assert len(answers.read_text().splitlines()) == ROWS
    as_table = [*command[:-1], str(tmp_path / "answers.csv")]
    assert CliRunner().invoke(app, as_table).exit_code == 0
    monkeypatch.setattr("textgraft.inference.evaluating.robustness.MOST_ROWS", 12)
    scored = textgraft.evaluate(
        tmp_path / "run" / "best", source, report=tmp_path / "report", robustness=True
    )
    assert (scored.robustness is None) == (task == "captioning"), "vectors cannot be written otherwise"
    assert scored.rows == ROWS
    assert scored.seen is not None
    assert scored.seen.train > 0
    assert all(0 <= one.quality.value <= 1 for one in scored.details.slices)
    evaluated = html.unescape((tmp_path / "report" / "report.html").read_text())
    assert scored.titles[scored.metric] in evaluated
    if task in WRITTEN:
        _look_at_what_was_written(result, source, page)


WRITTEN = ("translation", "text2text", "summarization", "captioning")


def _look_at_what_was_written(result: Comparison, source: Path, page: str) -> None:
    """Look for samples, attention, speed and signatures, and score the test rows once more."""
    test_set = load_test_set(result.folder)
    test = result.folder / "test.jsonl"
    lines = source.read_text().splitlines()
    test.write_text("".join(f"{lines[int(name) - 1]}\n" for name in test_set.test_ids))
    assert "<h3>Samples</h3>" in page
    for trial in result.trials:
        learned = trial.stopped_by != "closed form"
        assert trial.writing.tokens_per_second > 0
        invents = learned and trial.contender != "bert-extractive"
        assert (trial.writing.perplexity is not None) == invents
        attends = invents and trial.contender not in ("lstm-seq2seq", "lstm-captioner")
        assert bool(trial.writing.attentions) == attends
        for seen in trial.writing.attentions:
            assert np.shape(seen.weights) == (len(seen.target), len(seen.source))
            np.testing.assert_allclose(np.sum(seen.weights, axis=1), 1, atol=1e-2)
        scored = textgraft.evaluate(result.folder / "models" / trial.id, test)
        again = {name: scored.metrics[name].value for name in trial.metrics}
        assert again == pytest.approx(trial.metrics)
        if invents:
            assert scored.metrics["perplexity"].value == pytest.approx(trial.writing.perplexity, rel=1e-3)
        for signature in scored.signatures.values():
            assert signature in page
    assert ("plot-attention-0" in page) == any(trial.writing.attentions for trial in result.trials)
