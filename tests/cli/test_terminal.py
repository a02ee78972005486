"""Names, labels and texts are shown letter by letter: no markup, no escape sequence reaches the terminal."""

from __future__ import annotations

import csv
import io
import logging
import sys

import pytest
from rich.progress import Progress, TextColumn
from rich.table import Table

from textgraft.cli import main
from textgraft.errors import DataError
from textgraft.terminal import VisibleFormatter, open_console, visible

HOSTILE = {
    "escape": "\x1b[31mred\x1b[0m",
    "title": "\x1b]0;owned\x07",
    "bell": "a\x07b",
    "backspaces": "no\x08\x08yes",
    "carriage return": "hidden\rshown",
    "c1": "a\x9b31mb",
    "right to left": "a\u202egpj.exe",
    "markup": "[/]x",
    "closed markup": "[/bold]x",
    "link": "[link=https://evil]x[/link]",
    "emoji": ":skull:x",
}
FORBIDDEN = set(map(chr, [*range(9), *range(11, 32), *range(127, 160), 0x202E]))


def run(monkeypatch, capfd, *arguments):
    monkeypatch.setattr(sys, "argv", ["textgraft", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    captured = capfd.readouterr()
    return stop.value.code, captured.out + captured.err


COMMANDS = {
    "compare": ["compare", "{}.csv"],
    "compare output": ["compare", "missing.csv", "-o", "{}"],
    "compare encoder": ["compare", "{rows}", "--encoder", "./{}"],
    "compare text": ["compare", "{rows}", "--text", "{}"],
    "compare label": ["compare", "{rows}", "--text", "text", "--label", "{}"],
    "compare contender": ["compare", "{rows}", "--contenders", "{}"],
    "train": ["train", "{}.csv", "-o", "out"],
    "train setting": ["train", "{rows}", "-o", "out", "--contender", "tfidf", "--set", "{}=1"],
    "evaluate": ["evaluate", "{}", "{rows}"],
    "predict model": ["predict", "{}", "{rows}"],
    "predict source": ["predict", "{}", "{}.csv"],
    "check": ["check", "{}.csv"],
    "check task": ["check", "{rows}", "--task", "{}"],
    "encode": ["encode", "{}.csv", "-o", "x.npy"],
    "encode encoder": ["encode", "{rows}", "-o", "x.npy", "--encoder", "./{}"],
    "pretrain": ["pretrain", "{}.txt", "-o", "out", "--tokens", "1k"],
    "vectors": ["vectors", "{}.txt", "-o", "out.vec"],
    "distill": ["distill", "{}.txt", "-o", "out", "--teacher", "./{}"],
    "cache": ["cache", "--clear", "{}"],
    "unknown command": ["{}"],
    "unknown option": ["check", "{rows}", "--{}"],
}


@pytest.fixture
def rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "rows.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([("text", "label"), *((f"text {n}", "ab"[n % 2]) for n in range(40))])
    return "rows.csv"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_hostile_name_is_shown_and_not_obeyed(command, rows, monkeypatch, capfd):
    for name in HOSTILE.values():
        arguments = [part.replace("{rows}", rows).replace("{}", name) for part in COMMANDS[command]]
        code, output = run(monkeypatch, capfd, *arguments)
        assert code == 2, (arguments, output)
        assert not FORBIDDEN & set(output), (arguments, output)
        assert "Traceback" not in output


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_columns_labels_and_files_in_a_data_check(kind, tmp_path, monkeypatch, capfd):
    name = HOSTILE[kind].replace("/", "")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"{name}.csv"
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["text", f"label {name}"])
        writer.writerows([(f"a text {n} {HOSTILE[kind]}", f"{n % 2} {HOSTILE[kind]}") for n in range(40)])
    code, output = run(monkeypatch, capfd, "check", str(path), "--text", "text", "--label", f"label {name}")
    assert not FORBIDDEN & set(output), output
    assert "Traceback" not in output
    assert code in (0, None, 2)


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_console_prints_letter_by_letter(kind):
    name = HOSTILE[kind]
    console = open_console()
    console.file = out = io.StringIO()
    table = Table(title=name)
    table.add_column(name)
    table.add_row(name)
    console.print(name, soft_wrap=True)
    console.print(table)
    # rich drops some controls before they are written out; none may stand there.
    assert not FORBIDDEN & set(out.getvalue())
    if kind in ("markup", "closed markup", "link", "emoji"):
        assert out.getvalue().count(name) == 4


def test_a_bar_is_literal_too():
    console = open_console()
    console.file = out = io.StringIO()
    with Progress(TextColumn("{task.description}", markup=False), console=console) as bar:
        bar.add_task(HOSTILE["title"])
    assert "\\x1b" in out.getvalue()
    assert not FORBIDDEN & set(out.getvalue())


def test_errors_and_warnings_are_visible_in_python_too():
    for name in HOSTILE.values():
        assert not FORBIDDEN & set(str(DataError(name, where=name, fix=name)))
        record = logging.LogRecord("x", logging.WARNING, "x", 1, "%s", (name,), None)
        assert not FORBIDDEN & set(VisibleFormatter().format(record))
    assert visible("kept: tab\tand line\nfeed, ä, 語") == "kept: tab\tand line\nfeed, ä, 語"
    assert visible("\x1b[31m") == "\\x1b[31m"
