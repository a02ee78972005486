"""A language model competes only where it is named; its folder holds a prompt, and works through it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import textgraft
from tests.inference.prompting.stand_in import completion, labelled, stand_in
from tests.tiny import TOPICS, write_topics
from textgraft.cli import app, main
from textgraft.comparison.contenders.registry import choose_contenders
from textgraft.errors import DamagedError, ModelError, OptionError
from textgraft.inference.prompting import chat
from textgraft.inference.prompting.prompt import load_prompt
from textgraft.integrity import write_record
from textgraft.models.manifest import read_manifest, stamp


@pytest.fixture(autouse=True)
def _own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTGRAFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    monkeypatch.delenv("TEXTGRAFT_LLM_KEY", raising=False)
    monkeypatch.setattr(chat, "FIRST_WAIT", 0.01)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return write_topics(tmp_path_factory.mktemp("llm") / "topics.csv", 90)


@pytest.fixture
def server():
    with stand_in() as running:
        yield running


def train(source, server, output, **options):
    notes: list[str] = []
    trained = textgraft.train(
        source, output, contender="llm", llm=server.url, llm_model="tiny", reporter=notes.append, **options
    )
    return trained, notes


def test_it_is_trained_saved_and_answers(source, server, tmp_path):
    model, answers = tmp_path / "model", tmp_path / "answers.csv"
    trained, notes = train(source, server, model, llm_examples=3)
    assert sum("that is this machine" in note for note in notes) == 1
    trial = trained.trial
    assert (trial.size, trial.score, trial.cost.asked.unanswered) == (3, 1.0, 0)
    assert (trial.cost.asked.input_tokens, trial.cost.asked.output_tokens) == (100, 4)
    assert trial.cost.latency_ms_p50 >= 5
    prompt = load_prompt(model)
    assert (prompt.model, prompt.labels, len(prompt.examples)) == ("tiny", sorted(TOPICS), 3)
    assert {example.label for example in prompt.examples} == set(TOPICS), "each label is shown"
    assert not any(b"secret-key" in path.read_bytes() for path in model.iterdir())
    card = (model / "README.md").read_text()
    assert "sent to" in card
    assert "127.0.0.1" in card
    before = len(server.requests)
    for again in (textgraft.load(model), trained.predictor):
        assert again.predict(["goal and team"])[0].label == "sport"
    assert len(server.requests) == before + 1
    ended = CliRunner().invoke(app, ["predict", str(model), str(source), "-o", str(answers)])
    assert ended.exit_code == 0, ended.output
    lines = answers.read_text().splitlines()
    assert lines[0] == "id,text,given_label,label"
    assert {line.split(",")[-1] for line in lines[1:]} == set(TOPICS)
    assert textgraft.evaluate(model, source).metrics["accuracy"].value == 1.0
    with pytest.raises(ModelError, match="holds a prompt"):
        textgraft.pipeline("text-classification", model)


def test_a_folder_sends_nothing_to_a_host_that_the_user_has_not_named(source, server, tmp_path, monkeypatch):
    model = tmp_path / "model"
    train(source, server, model, llm_examples=0)
    members = json.loads((model / "prompt.json").read_text())
    del members["checksum"]
    members["endpoint"] = "http://far.invalid:8000/v1/chat/completions"
    write_record(model / "prompt.json", members)
    stamp(model, read_manifest(model))
    monkeypatch.setattr(chat, "TRIES", 1)
    with pytest.raises(OptionError, match=r"sends every text, with your key, to far.invalid:8000"):
        textgraft.load(model).predict(["goal"])
    monkeypatch.setenv("TEXTGRAFT_LLM_HOST", "far.invalid:8000")
    with pytest.raises(ModelError, match="cannot be reached"):
        textgraft.load(model).predict(["goal"])


def test_a_changed_prompt_is_refused(source, server, tmp_path):
    model = tmp_path / "model"
    train(source, server, model, llm_examples=0)
    file = model / "prompt.json"
    file.write_text(file.read_text().replace("127.0.0.1", "127.0.0.2"))
    with pytest.raises(DamagedError, match="other content"):
        textgraft.load(model)


def test_descriptions_are_told(source, server, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("label,description\nfood,what is eaten\n")
    train(source, server, tmp_path / "model", llm_examples=0, describe=path)
    assert "- food: what is eaten\n- space\n" in server.requests[0]["messages"][0]["content"]


def test_rows_without_a_label_count_as_wrong(source, server, tmp_path):
    server.answer = lambda body: completion("no idea")
    trained, _ = train(source, server, tmp_path / "model", llm_examples=0)
    assert trained.trial.score == 0.0
    assert trained.trial.cost.asked.unanswered == len(trained.trial.predicted)
    assert "test rows got no label" in (tmp_path / "model" / "README.md").read_text()


def test_a_wrong_key_is_one_error(source, server, tmp_path, capsys, monkeypatch):
    server.answer = lambda body: (401, {}, {"error": {"message": "invalid key secret-key"}})
    command = ["train", str(source), "-o", str(tmp_path / "m"), "-c", "llm", "--llm", server.url]
    monkeypatch.setattr("sys.argv", ["textgraft", *command, "--llm-model", "tiny"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "refuses the key in OPENAI_API_KEY" in told
    assert "secret-key" not in told
    assert "Traceback" not in told
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"contender": "llm"}, "no endpoint is named"),
        ({"contender": "llm", "llm": "http://localhost/v1"}, "no model is named"),
        ({"contender": "tfidf", "llm": "http://localhost/v1"}, "none of tfidf asks a language model"),
        ({"contender": "llm", "llm": "localhost", "llm_model": "m"}, "is no URL"),
        ({"contender": "llm", "llm_examples": 1000}, "llm_examples cannot be 1000"),
    ],
)
def test_what_cannot_be_meant_is_refused(source, tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        textgraft.train(source, tmp_path / "model", task="classification", **options)


def test_it_never_competes_unnamed():
    assert "llm" not in {entry.name for entry in choose_contenders(None, "classification")}


def test_a_server_that_fails_takes_no_other_contender_with_it(source, server, tmp_path, monkeypatch):
    monkeypatch.setattr(chat, "TRIES", 1)
    notes = list[str]()
    asked = {"llm": server.url, "llm_model": "tiny", "llm_examples": 0, "sizes": "20", "seeds": 1}
    asked |= {"contenders": "tfidf,llm", "tuning": 1, "output": tmp_path / "run"}
    server.answer = lambda body: (503, {}, {})
    with pytest.raises(ModelError, match="no answer after 1 tries"):
        textgraft.compare(source, **asked)  # before anything is trained
    server.requests.clear()
    server.answer = lambda body: labelled(body) if len(server.requests) < 6 else (503, {}, {})
    first = textgraft.compare(source, reporter=notes.append, **asked)
    assert any("llm on 0 rows has no result: 127.0.0.1" in note for note in notes)
    assert {trial.contender for trial in first.trials} == {"tfidf"}
    server.answer = labelled
    again = textgraft.compare(source, **asked)
    assert {trial.contender for trial in again.trials} == {"tfidf", "llm"}
    server.answer = lambda body: (503, {}, {})
    with pytest.raises(ModelError, match="no answer"):
        textgraft.compare(
            source, **asked | {"contenders": "llm", "output": tmp_path / "alone", "llm_model": "b"}
        )
