"""``textgraft stream MODEL``: a line in, an answer out, and a state that goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.export.tiny_models import recurrent
from textgraft.cli import app
from textgraft.cli.stream import kept
from textgraft.errors import TextgraftError
from textgraft.inference.predictor import load
from textgraft.inference.streaming.lines import answer_lines, open_stream


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
