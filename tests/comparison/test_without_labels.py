"""Contenders of few labels or none in a comparison: at sizes of their own, with their costs, and resumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.inference.prompting.stand_in import labelled, stand_in
from tests.tiny import save_tiny_bert, write_topics
from textgraft.comparison.compare import compare
from textgraft.comparison.contenders.registry import choose_contenders
from textgraft.comparison.records.trials import load_test_set, load_trials
from textgraft.comparison.running import costs
from textgraft.comparison.running.probing import probe
from textgraft.comparison.running.progress import SilentReporter
from textgraft.errors import ModelError, OptionError
from textgraft.inference.prompting import chat

PRICES = {"llm_price_in": 2.0, "llm_price_out": 10.0}


class Notes(SilentReporter):
    """Keeps what is noted."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("without")
    return write_topics(folder / "topics.csv", 120), save_tiny_bert(folder / "tiny-bert")


@pytest.fixture(autouse=True)
def _own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTGRAFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TEXTGRAFT_LLM_KEY", "secret-key")
    monkeypatch.setattr(chat, "FIRST_WAIT", 0.01)


@pytest.fixture
def server():
    with stand_in() as running:
        yield running


def run(world, server, folder, **changes):
    notes = Notes()
    given = {"contenders": "tfidf,zero-shot,llm", "sizes": "30,60", "seeds": 1, "tuning": 1, **changes}
    result = compare(
        world[0],
        task="classification",
        encoder=world[1],
        llm=server.url,
        output=folder,
        reporter=notes,
        **{"llm_model": "tiny", "llm_examples": 3, **given},
    )
    return result, notes.lines


def test_each_has_sizes_of_its_own_and_its_price(world, server, tmp_path, monkeypatch):
    read = {}

    def probed(contender, *given, **named):
        read[contender.name] = named["texts"]
        return probe(contender, *given, **named)

    monkeypatch.setattr(costs, "probe", probed)
    result, notes = run(world, server, tmp_path / "run", **PRICES)
    assert read == {"llm": 3 + load_test_set(result.folder).dev_rows}, "its own sizes count"
    places = {(trial.contender, trial.size) for trial in result.trials}
    assert places == {("tfidf", 30), ("tfidf", 60), ("zero-shot", 0), ("llm", 0), ("llm", 3)}
    assert sum("every text is sent to 127.0.0.1" in line for line in notes) == 1
    llm = result.verdict.standing("llm")
    assert (llm.size, llm.score.value, llm.calibration_error) == (3, 1.0, None)
    # 100 tokens in and 4 out, at 2 and 10 for a million.
    assert llm.price_of_thousand == pytest.approx(1000 * (100 * 2 + 4 * 10) / 1e6)
    told = " ".join(result.verdict.sentences)
    assert "it reads 100 tokens for it and writes 4; a thousand texts cost 0.24 at the prices given." in told
    assert "a thousand texts" in result.report.read_text()
    assert not any(b"secret-key" in path.read_bytes() for path in (tmp_path / "run").rglob("*.json"))
    asked = len(server.requests)
    again, _ = run(world, server, tmp_path / "run", prefer="llm")
    assert len(server.requests) == asked, "what is answered is not asked again"
    assert again.verdict.pick == "llm"
    assert "a thousand texts" not in again.report.read_text()
    assert again.best.predict(["goal and team"])[0].label == "sport"
    with pytest.raises(OptionError, match="--add"):
        run(world, server, tmp_path / "run", llm_model="another")


def test_examples_are_no_more_than_the_training_rows(world, server, tmp_path):
    given = {"contenders": "tfidf,llm", "sizes": "all", "llm_examples": 100}
    result, notes = run(world, server, tmp_path / "run", **given)
    trained = max(trial.size for trial in result.trials if trial.contender == "tfidf")
    assert trained < 100
    assert {trial.size for trial in result.trials if trial.contender == "llm"} == {0, trained}
    assert any("there are no more" in note for note in notes)


def test_a_wrong_key_is_told_before_anything_is_trained(world, server, tmp_path):
    server.answer = lambda body: (401, {}, {"error": "no"})
    with pytest.raises(ModelError, match="refuses the key in TEXTGRAFT_LLM_KEY"):
        run(world, server, tmp_path / "run")
    assert load_trials(tmp_path / "run") == []


def test_a_key_that_ends_in_between_loses_nothing(world, server, tmp_path):
    def answer(body):
        return (401, {}, {"error": "expired"}) if len(server.requests) > 20 else labelled(body)

    server.answer = answer
    result, notes = run(world, server, tmp_path / "run")
    assert sum("expired" in note for note in notes) == 1
    kept = {trial.contender for trial in result.trials}
    server.answer = labelled
    result, _ = run(world, server, tmp_path / "run")
    assert {trial.contender for trial in result.trials} == {"tfidf", "zero-shot", "llm"} >= kept
    questions = [str(request["messages"]) for request in server.requests]
    repeated = len(questions) - len(set(questions))
    assert repeated <= 4, "only what was refused is asked again"


def test_whoever_names_nobody_gets_the_contender_without_labels():
    usual = {entry.name for entry in choose_contenders(None, "classification")}
    assert "zero-shot" in usual
    assert "llm" not in usual
