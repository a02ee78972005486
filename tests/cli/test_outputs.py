"""What stands in an output's place is replaced with --overwrite alone, and that is said before any work."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from textgraft.cli import app
from textgraft.errors import OptionError, OutputError, TextgraftError

COMMANDS = {
    "encode": (["encode", "absent.csv", "-o"], "a.npy"),
    "predict": (["predict", "absent", "absent.csv", "-o"], "a.csv"),
    "check": (["check", "absent.csv", "-o"], "a.json"),
    "evaluate": (["evaluate", "absent", "absent.csv", "-o"], "a.json"),
    "vectors": (["vectors", "absent", "-o"], "a.vec.gz"),
    "distill": (["distill", "absent", "absent", "-o"], "student"),
    "pretrain": (["pretrain", "absent", "--budget", "1s", "-o"], "encoder"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_replaced_unasked(tmp_path: Path, name: str) -> None:
    command, output = COMMANDS[name]
    path = tmp_path / output
    if path.suffix:
        path.write_text("mine")
    else:
        path.mkdir()
        (path / "config.json").write_text("mine")
    result = CliRunner().invoke(app, [*command, str(path)])
    assert isinstance(result.exception, OutputError), result.output
    assert "--overwrite" in str(result.exception)
    # Allowed to, it goes on, and stumbles over the input that is not there.
    result = CliRunner().invoke(app, [*command, str(path), "--overwrite"])
    assert isinstance(result.exception, TextgraftError)
    assert "absent" in str(result.exception)
    assert "mine" in (path if path.suffix else path / "config.json").read_text()


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("encode", "a.csv2"),
        ("predict", "a.xlsx"),
        ("vectors", "a.csv2"),
        ("vectors", "a"),
        ("predict", "a.csv.gz"),
    ],
)
def test_unknown_endings_are_refused_with_those_known(tmp_path: Path, name: str, output: str) -> None:
    command, known = COMMANDS[name]
    result = CliRunner().invoke(app, [*command, str(tmp_path / output)])
    assert isinstance(result.exception, OptionError), result.output
    assert Path(known).suffixes[0] in str(result.exception)
    assert not list(tmp_path.iterdir())
