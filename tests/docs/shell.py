"""A shell for documentation: commands of a page run in this process, one after the other."""

from __future__ import annotations

import contextlib
import io
import os
import re
import runpy
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from textgraft.cli import app

_WRITING = ("-o", "--output", "--report", "--submission", "--copy")
_BESIDE = {"predict": "predictions", "label-next": "next"}
"""Commands that write beside what they read, and what they call it."""
_KEEPING = ("--overwrite", "--add", "--share", "--plan", "--print-config")
"""What a command with one of these writes to may exist already."""


class CommandError(Exception):
    """A command ended in an error, or there is no such program here."""


def lines_of(text: str) -> Iterator[list[str]]:
    """Yield the words of every line; a line goes on behind a backslash, and while a quotation is open."""
    pending = ""
    for line in text.splitlines():
        pending += line
        if pending.endswith("\\"):
            pending = pending[:-1] + " "
            continue
        try:
            words = _words(pending)
        except ValueError:  # a quotation that is not closed yet
            pending += "\n"
            continue
        if words:
            yield words
        pending = ""
    if pending.strip():
        raise CommandError(f"a quotation is never closed: {pending}")


def _words(line: str) -> list[str]:
    reading = shlex.shlex(line, posix=True, punctuation_chars=True)
    reading.whitespace_split = True
    reading.commenters = ""
    words = []
    for word in reading:
        # As in a shell, a comment begins with a word of its own.
        if word.startswith("#"):
            break
        words.append(word)
    return words


def run(text: str, patch: pytest.MonkeyPatch, provide: Callable[[str], None]) -> str:
    """Run lines of commands in the folder that we are in.

    Args:
        text: Lines as they are typed: with pipes, redirections, comments, and variables.
        patch: Sets what ``export`` sets.
        provide: Called with the name of every file that is read before it is.

    Returns:
        What they print.

    Raises:
        CommandError: One of them fails.
    """
    printed = []
    for words in lines_of(text):
        given = b""
        for command, operator in commands_of(words):
            out = _run(command, given, patch, provide)
            given = out if operator == "|" else b""
            if operator != "|":
                printed.append(out.decode())
    return "".join(printed)


def commands_of(words: list[str]) -> Iterator[tuple[list[str], str]]:
    """Yield the commands of a line, each with the operator that follows it."""
    command: list[str] = []
    for word in [*words, ";"]:
        if word in ("|", "||", "&&", ";", "&"):
            if command:
                yield command, word
            command = []
        else:
            command.append(word)


def _run(words: list[str], given: bytes, patch: pytest.MonkeyPatch, provide: Callable[[str], None]) -> bytes:
    words = [os.path.expandvars(word) for word in words]
    while words and re.fullmatch(r"\w+=.*", words[0]):
        patch.setenv(*words.pop(0).split("=", 1))
    for operator in ("<", ">>", ">"):
        if operator in words:
            at = words.index(operator)
            path = Path(words[at + 1])
            del words[at : at + 2]
            if operator == "<":
                provide(str(path))
                given = path.read_bytes()
            else:
                before = path.read_bytes() if operator == ">>" and path.exists() else b""
                path.write_bytes(before + _run(words, given, patch, provide))
                return b""
    program, *arguments = words or ["true"]
    if program == "textgraft":
        return _textgraft(arguments, given, provide)
    if program.endswith("python") and arguments[:1] == ["-c"]:
        return _python(given, [], code=arguments[1])
    if program.endswith("python") and arguments[0].endswith(".py") and Path(arguments[0]).is_file():
        return _python(given, arguments)
    if program == "export":
        patch.setenv(*arguments[0].split("=", 1))
        return b""
    if program == "echo":
        return " ".join(arguments).encode() + b"\n"
    if program == "cat":
        for name in arguments:
            provide(name)
        return b"".join(Path(name).read_bytes() for name in arguments)
    if program == "true":
        return b""
    raise CommandError(f"{shlex.join(words)}: there is no {program} in these tests: see tests/docs/tables.py")


def _textgraft(arguments: list[str], given: bytes, provide: Callable[[str], None]) -> bytes:
    written = _written(arguments)
    for word in arguments:
        if word not in written:
            for part in re.split(r"[,=]", word):
                provide(part)
    if not set(_KEEPING) & set(arguments):
        _remove(written, arguments)
    result = CliRunner().invoke(app, arguments, input=given)
    if result.exit_code:
        error = result.exception
        raise CommandError(f"textgraft {shlex.join(arguments)}: {error!r} {error}\n{result.output[-600:]}")
    return result.stdout_bytes


def _written(arguments: list[str]) -> list[str]:
    """Return the names that a command writes to."""
    if arguments[0] == "serve":
        return []
    return [value for option, value in pairwise(arguments) if option in _WRITING]


def _remove(written: list[str], arguments: list[str]) -> None:
    """Remove what a command would write anew: the lines of a block are often one or the other."""
    beside = []
    if not written and arguments[0] in _BESIDE:
        beside = [f"{Path(word).stem}.{_BESIDE[arguments[0]]}.*" for word in arguments[1:]]
    for path in [*map(Path, written), *(path for name in beside for path in Path().glob(name))]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _python(given: bytes, arguments: list[str], code: str = "") -> bytes:
    """Run a script, or code, as a program of its own."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    before, path, modules = sys.argv, list(sys.path), set(sys.modules)
    sys.argv = arguments or ["-c"]
    try:
        with contextlib.redirect_stdout(out), pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"))
            if code:
                exec(compile(code, "<typed>", "exec"), {"__name__": "__main__"})
            else:
                runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise CommandError(f"python {shlex.join(arguments)} ended with {end.code}") from end
    finally:
        sys.argv, sys.path[:] = before, path
        for name in set(sys.modules) - modules:
            if getattr(sys.modules[name], "__file__", "").startswith(str(Path.cwd())):
                del sys.modules[name]
    return out.buffer.getvalue()
