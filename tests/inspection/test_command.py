"""textgraft inspect on the command line: texts and files, JSON, reports, and mistakes."""

import json
import signal

import pytest
from typer.testing import CliRunner

from tests.tiny import write_topics
from textgraft.cli import app
from textgraft.errors import DataError, OptionError, OutputError
from textgraft.interrupts import Stopped

TEXT = "the coach was very old"


def run(*arguments):
    return CliRunner().invoke(app, ["inspect", *map(str, arguments)], catch_exceptions=False)


def test_json_alone_is_printed(recurrent):
    result = run("gates", recurrent("lstm"), TEXT, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["keeping"] == "forget"


def test_a_row_of_a_file_and_a_report(recurrent, tmp_path):
    rows = write_topics(tmp_path / "rows.csv", 5)
    result = run(
        "gradients", recurrent("gru"), rows, "--row", 2, "--text", "text", "--report", tmp_path / "g.html"
    )
    assert result.exit_code == 0
    assert (tmp_path / "g.html").read_text().startswith("<!doctype html>")
    assert (
        json.loads((tmp_path / "g.json").read_text())["text"]
        == rows.read_text().splitlines()[2].split(",")[0]
    )
    with pytest.raises(OutputError, match="nothing is replaced unasked"):
        run("gradients", recurrent("gru"), TEXT, "--report", tmp_path / "g.html")


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        (["gates", "MODEL", "rows.csv"], DataError, "there is no such file"),
        (["gradients", "MODEL"], OptionError, "there is no text"),
        (["gradients", "MODEL", TEXT, "--steps", "10"], OptionError, "a model is named"),
        (["gradients", "--label", "food"], OptionError, "there is no model"),
        (["gradients", "--task", "recal"], OptionError, "Did you mean 'recall'"),
        (["tokens", "MODEL", TEXT, "--rows", "20"], OptionError, "there is one text"),
        (["context", "MODEL"], OptionError, "there is no sentence"),
    ],
)
def test_mistakes_are_told_at_once(arguments, error, told, recurrent):
    given = [recurrent("rnn") if one == "MODEL" else one for one in arguments]
    with pytest.raises(error, match=told):
        run(*given)


@pytest.mark.parametrize("command", ["gradients", "gates", "attention", "context", "tokens"])
def test_every_command_has_help_and_last_words(command, monkeypatch):
    def stop(*given, **named):
        raise Stopped(signal.SIGTERM)

    assert run(command, "--help").exit_code == 0
    monkeypatch.setattr("textgraft.cli.inspect.open_console", stop)
    result = run(command, "bundled", TEXT)
    assert result.exit_code == 143
    assert "stopped. " in result.stderr
