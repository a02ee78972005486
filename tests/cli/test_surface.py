"""What every command has in common: --json, --quiet, --verbose, and standard input in place of files."""

from __future__ import annotations

import gzip
import inspect as signatures
import io
import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import typer
import typer.main
from typer.testing import CliRunner

from tests.tiny import topic_rows, write_topics
from textgraft.cli import app, surface
from textgraft.cli.standard_input import Reads, told_format
from textgraft.errors import OptionError, TextgraftError

NOT_READ = {
    "output", "report", "review", "store", "model", "models", "language_model", "keys", "runtime", "state",
    "copy", "data", "submission",
}  # fmt: skip
"""Paths that are written, and folders and databases, which no pipe holds."""


def _commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with the names that call it."""
    groups = [((), app), *(((group.name,), group.typer_instance) for group in app.registered_groups)]
    for path, group in groups:
        for command in group.registered_commands:
            yield (*path, command.name), command.callback


COMMANDS = dict(_commands())
NAMES = [" ".join(name) for name in COMMANDS]


def _reads(name: str) -> dict[str, Reads]:
    hints = get_type_hints(signatures.unwrap(COMMANDS[tuple(name.split())]), include_extras=True)
    return {
        parameter: mark
        for parameter, hint in hints.items()
        for mark in get_args(hint)
        if isinstance(mark, Reads)
    }


def _run(*command: Any, given: str | bytes | None = None) -> Any:
    return CliRunner().invoke(app, list(map(str, command)), input=given)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, topic_model: Path) -> dict[str, Path]:
    """Rows, a model and whatever else commands read."""
    folder = tmp_path_factory.mktemp("surface")
    rows = write_topics(folder / "rows.csv", 240)
    (folder / "vectors.txt").write_text("one 1.0 0.0\ntwo 0.9 0.1\nthree 0.0 1.0\n")
    new = folder / "new.txt"
    new.write_text("soup, with cheese\nthe rocket\n")
    others = write_topics(folder / "others.csv", 200, seed=1)
    assert _run("review", "import", folder / "reviews.db", rows, "--task", "classification").exit_code == 0
    return {"folder": folder, "rows": rows, "others": others, "model": topic_model, "new": new}


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_the_three_options(name: str) -> None:
    command: Any = typer.main.get_command(app)
    for part in name.split():
        command = command.commands[part]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {"--json", "--quiet", "-q", "--verbose", "-v"} <= options
    assert ("--format" in options) or not _reads(name)


@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_read_may_be_standard_input(name: str) -> None:
    hints = get_type_hints(signatures.unwrap(COMMANDS[tuple(name.split())]))
    paths = {parameter for parameter, hint in hints.items() if Path in (hint, *get_args(hint))}
    paths |= {parameter for parameter in hints if parameter in ("source", "corpus", "text_or_file")}
    paths |= {inner for inner in hints if list[Path] in get_args(hints[inner])}
    assert paths - NOT_READ <= set(_reads(name))


def _zip(*names: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    return made.getvalue()


BROKEN = "text,label\nonly one row,a\n"
"""Rows that no command takes: the error must name where they came from, and not the file in between."""


def _given(name: str, world: dict[str, Path]) -> list[str]:
    """The arguments before the one that is read, and what a command cannot do without."""
    model, folder = str(world["model"]), world["folder"]
    before = {
        "evaluate": [model], "predict": [model], "threshold": [model], "cascade": [model, model],
        "label-next": [model], "monitor": ["-", str(world["rows"])], "distill": ["bundled"],
        "review import": [str(folder / "r.db")], "inspect gates": [model], "inspect attention": [model],
        "inspect gradients": [model], "inspect context": ["bundled"], "inspect tokens": [model],
        "early-decisions": [model], "serve": ["--calibration"],
        "benchmark": ["glue", "--data", str(folder), "--vectors"],
    }.get(name, [])  # fmt: skip
    after = {
        "threshold": ["--precision", "0.9"], "pretrain": ["--plan"], "vectors": ["--nearest", "one"],
        "train": ["-c", "tfidf"], "compare": ["-c", "tfidf"],
    }.get(name, [])  # fmt: skip
    needs_output = {"train", "compare", "cascade", "distill", "encode"}
    place = [] if "-" in before else ["-"]
    return [*before, *place, *after, *(["-o", str(folder / f"out-{name}")] if name in needs_output else [])]


@pytest.mark.parametrize("name", [name for name in NAMES if _reads(name) and name != "review export"])
def test_nothing_by_standard_input_is_said(name: str, world: dict[str, Path]) -> None:
    result = _run(*name.split(), *_given(name, world), given="")
    assert isinstance(result.exception, OptionError), result.output
    assert "standard input: nothing comes by it" in str(result.exception)


@pytest.mark.parametrize("name", ["train", "evaluate", "threshold"])
def test_errors_name_standard_input_and_not_what_it_went_through(name: str, world: dict[str, Path]) -> None:
    result = _run(*name.split(), *_given(name, world), given=BROKEN.replace("text", "wrong"))
    assert isinstance(result.exception, TextgraftError), result.output
    assert "standard-input" not in str(result.exception)
    assert "/tmp" not in str(result.exception)


CHEAP: dict[str, tuple[list[str], str]] = {
    "cache": ([], "kinds"),
    "list": (["contenders", "--task", "pairs"], ""),
    "check": (["{rows}"], "labels"),
    "train": (["{rows}", "-c", "majority", "-o", "{folder}/majority"], "trial"),
    "compare": (
        ["-", "-c", "majority,tfidf", "--sizes", "60", "--seeds", "1", "--tuning", "1", "-o", "{folder}/c"],
        "verdict",
    ),
    "evaluate": (["{model}", "{others}"], "metrics"),
    "predict": (["{model}", "{new}", "-o", "{folder}/new.csv"], "computed"),
    "threshold": (["{model}", "--remove"], "threshold"),
    "label-errors": (["{rows}"], "doubted"),
    "label-next": (["{model}", "{new}", "-o", "{folder}/next.csv"], "rows"),
    "vectors": (["{folder}/vectors.txt", "--nearest", "one"], "nearest"),
    "serve": (["--new-key", "ann"], "key"),
    "review import": (["{folder}/imported.db", "{rows}", "--task", "classification"], "items"),
    "review next": (["{folder}/reviews.db", "--by", "ann"], ""),
    "review stats": (["{folder}/reviews.db"], "items"),
    "review export": (["{folder}/reviews.db", "{folder}/decided.csv"], "rows"),
    "inspect tokens": (["{model}", "soup with cheese", "--method", "occlusion"], "label"),
}


@pytest.mark.parametrize("name", CHEAP)
def test_json_is_all_that_standard_output_has(name: str, world: dict[str, Path]) -> None:
    arguments, key = CHEAP[name]
    filled = [argument.format(**world) for argument in arguments]
    result = _run(*name.split(), *filled, "--json", given=world["rows"].read_text())
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert not key or key in found
    json.loads(result.stdout, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))


def test_the_answers_to_standard_input_are_one_list(world: dict[str, Path]) -> None:
    result = _run("predict", world["model"], "-", "--json", given="soup, with cheese\nthe rocket\n")
    assert [row["label"] for row in json.loads(result.stdout)] == ["food", "space"]


def test_quiet_leaves_the_result_alone(world: dict[str, Path]) -> None:
    told = _run("check", world["rows"])
    result = _run("check", world["rows"], "--quiet")
    assert "sport" in result.stdout or "labels" in result.stdout
    assert result.stderr == ""
    assert len(result.stdout) <= len(told.stdout)
    predicted = _run("predict", world["model"], world["new"], "-o", world["folder"] / "q.csv", "-q")
    assert (predicted.exit_code, predicted.output) == (0, "")


def test_verbose_says_what_it_took_and_where_errors_arise(world: dict[str, Path]) -> None:
    assert "of processor time" in _run("check", world["rows"], "--verbose").stderr
    result = _run("check", "absent.csv", "--verbose")
    assert "Traceback" in result.stderr
    assert isinstance(_run("check", "absent.csv", "-v", "-q").exception, OptionError)


def test_standard_input_is_read_once(world: dict[str, Path]) -> None:
    result = _run("check", "-", "--test", "-", given="text,label\n")
    assert "it can be read once" in str(result.exception)


@pytest.mark.parametrize(
    ("content", "plain", "form"),
    [
        (b"text,label\na,b\n", "csv", "csv"),
        (b"Hello, world\n", "txt", "txt"),
        (b'{"text": "a"}\n', "txt", "jsonl"),
        (b'{\n "text": ["a"]}\n', "txt", "json"),
        (b"{not json}\n", "txt", "txt"),
        (b'\xef\xbb\xbf[{"text": "a"}]', "csv", "json"),
        (b"EU B-ORG\nrejects O\n\nGerman B-MISC\n", "csv", "conll"),
        (b"__label__a text\n", "csv", "txt"),
        (b"PAR1...", "csv", "parquet"),
        (b"\x1f\x8b...", "csv", "csv.gz"),
        (b"BZh91AY", "txt", "txt.bz2"),
        (b"\xfd7zXZ\0", "csv", "csv.xz"),
        (_zip("rows.csv"), "csv", "zip"),
        (_zip("[Content_Types].xml", "xl/workbook.xml"), "csv", "xlsx"),
        (_zip("mimetype", "content.xml"), "csv", "ods"),
        (b"PK\x03\x04...", "csv", "zip"),
    ],
)
def test_formats_are_told_by_their_beginning(content: bytes, plain: str, form: str) -> None:
    assert told_format(content, plain) == form
    assert told_format(b"a\tb\n", "txt", "tsv") == "tsv"
    assert told_format(b"\x1f\x8b...", "txt", "tsv") == "tsv.gz"


def test_what_came_by_standard_input_is_called_so(
    world: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where what comes is kept meanwhile
    rows, folder = world["others"].read_text() + "no label,\n", world["folder"]
    report = folder / "piped-report"
    made = folder / "piped"
    for command in (
        ["check", "-", "--json"],
        ["evaluate", world["model"], "-", "--report", report, "--json"],
        ["train", "-", "-c", "majority", "-o", made],
    ):
        result = _run(*command, given=rows)
        assert result.exit_code == 0, result.output
        files = [path for written in (report, made) for path in written.rglob("*") if path.is_file()]
        told = [result.output, *(path.read_text("utf-8", "replace") for path in files)]
        assert not [text for text in told if "standard-input" in text or str(tmp_path) in text]
        assert any("standard input" in text for text in told)


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (["evaluate", "{model}", "{rows}", "-o", "-"], "--output"),
        (["evaluate", "{model}", "{rows}", "--report", "-"], "--report"),
        (["train", "{rows}", "-c", "majority", "-o", "-"], "--output"),
        (["encode", "{new}", "-o", "-"], "--output"),
        (["label-errors", "{rows}", "-o", "-"], "--output"),
        (["predict", "-", "{new}"], "MODEL"),
    ],
)
def test_a_dash_is_no_name_of_a_file(
    command: list[str], option: str, world: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = _run(*(part.format(**world) for part in command))
    assert isinstance(result.exception, OptionError), result.output
    assert str(result.exception).startswith(f"{option}: - is standard input or output")
    assert list(tmp_path.iterdir()) == []


def test_compressed_rows_come_by_standard_input(world: dict[str, Path]) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("rows.csv", world["others"].read_text())
    for given in (content.getvalue(), gzip.compress(world["others"].read_bytes())):
        assert json.loads(_run("check", "-", "--json", given=given).stdout)["rows"] == 200


def test_json_is_valid_whatever_the_texts_are() -> None:
    value = {
        "text": "\x9b31m \ud800 \u202e ü",
        "nan": float("nan"),
        "path": Path("a"),
        "rows": (1, 2.5, None),
    }
    written = surface.as_json(value)
    assert written.encode("utf-8")
    assert "\x9b" not in written
    found = json.loads(written)
    assert found == {"text": value["text"], "nan": None, "path": "a", "rows": [1, 2.5, None]}
    assert surface.as_json(topic_rows(1)[0])
