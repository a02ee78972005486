"""``textgraft stream MODEL``: a line in, an answer out, and a state that goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.export.tiny_models import recurrent
from tests.tiny import topic_rows
from textgraft.cli import app
from textgraft.cli.stream import kept
from textgraft.errors import TextgraftError
from textgraft.inference.predictor import load
from textgraft.inference.streaming.lines import answer_lines, open_stream
from textgraft.models.manifest import read_manifest


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return recurrent(tmp_path_factory.mktemp("lines") / "m", bidirectional=False)


def run(*arguments: object, text: str = "") -> list[dict]:
    ended = CliRunner().invoke(app, ["stream", *map(str, arguments)], input=text)
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    assert ended.exit_code == 0, ended.output
    if "--json" in arguments:
        return json.loads(ended.stdout)
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_every_line_is_answered_and_a_state_goes_on(model, tmp_path):
    whole = run(model, text="the new team\nsaw a goal")
    assert [line["read"] for line in whole] == [3, 5, 6], "the last word is read at the end"
    expected = load(model, engine="torch").predict(["the new team saw a goal"])[0]
    assert whole[-1]["label"] == expected.label
    assert abs(whole[-1]["score"] - expected.score) < 1e-4
    state = tmp_path / "s.safetensors"
    first = run(model, "--state", state, text="the new team\n")
    second = run(model, "--state", state, text="saw a goal\n")
    assert [*first, *second] == [whole[0], whole[-1]]
    assert run(model, "--json", text="the new team\n") == first
    assert str(state) in kept(state)


def test_a_final_answer_ends_it(model):
    (line,) = run(model, "--until", 0.34, text="the new team\nsaw a goal\n")
    assert line["final"] is True
    assert line["score"] >= 0.34


def test_answers_come_early_as_was_decided_on_other_rows(tmp_path):
    """Decided and kept, heeded by streams, told, and taken away again."""
    folder = recurrent(tmp_path / "m", bidirectional=False)
    with pytest.raises(TextgraftError, match="was not decided"):
        run(folder, "--answer-early", text="the new team\n")
    texts = [text for text, _ in topic_rows(600, seed=5)]
    gold = [answer.label for answer in load(folder, engine="torch").predict(texts)]
    rows = tmp_path / "dev.csv"
    rows.write_text("text,label\n" + "".join(f"{row[0]},{row[1]}\n" for row in zip(texts, gold, strict=True)))
    arguments = ["early-decisions", str(folder), str(rows), "--tolerance", "0.1"]
    told = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert told.exit_code == 0, told.output
    early = read_manifest(folder).early
    assert early is not None
    assert f"answered from a score of {early.least:.4f} on" in told.stdout
    assert "whole text" in told.stdout
    assert "## Answers before the end\nA text is answered" in (folder / "README.md").read_text()
    (line,) = run(folder, "--answer-early", text="\n".join(texts[:9]))
    assert line["final"] is True
    assert line["score"] >= early.least
    stream = load(folder, engine="torch").stream(until=early.least)
    stream.feed("\n".join(texts[:9]))
    assert line["read"] == stream.read, "the first token after which it is sure enough"
    with pytest.raises(TextgraftError, match="contradicts"):
        run(folder, "--answer-early", "--until", "0.9", text="the new team\n")
    removed = CliRunner().invoke(app, ["early-decisions", str(folder), "--remove"])
    assert removed.exit_code == 0, removed.output
    assert read_manifest(folder).early is None
    assert (folder / "README.md").read_text() == "# card\n"


def test_what_was_read_is_kept_when_it_is_stopped(model, tmp_path):
    def lines():
        yield "the new team\n"
        raise KeyboardInterrupt

    state = tmp_path / "s.safetensors"
    with pytest.raises(KeyboardInterrupt):
        list(answer_lines(open_stream(model), lines(), state=state))
    stream = open_stream(model)
    stream.restore(state)
    assert stream.read == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--state", "state.bin"], r"\.safetensors"),
        (["--until", "7"], "no probability"),
    ],
)
def test_options_that_do_not_fit_are_refused(model, arguments, message):
    with pytest.raises(TextgraftError, match=message):
        run(model, *arguments)
