"""What the pages tell people to type is understood: also what test_snippets_run.py does not run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main

from tests.docs import shell
from tests.docs.files import FILES
from tests.docs.pages import PAGES, name_of, snippets
from tests.docs.stage import NAMES_OF
from tests.docs.tables import FORMS, NOT_RUN, REPLACED, reason
from textgraft.cli import app

SHOWN = [snippet for page in PAGES for snippet in snippets(page)]
TYPED = [snippet for snippet in SHOWN if not snippet.is_python and not reason(snippet.text, is_whole=True)]


def _commands(page: Path) -> Iterator[list[str]]:
    """Yield the arguments of every textgraft command of a page."""
    for snippet in TYPED:
        if snippet.page == name_of(page):
            for words in shell.lines_of(snippet.text):
                for command, _ in shell.commands_of(words):
                    if command[0] in ("textgraft", "torchrun"):
                        yield _without_redirections(command[command.index("textgraft") + 1 :])


def _without_redirections(words: list[str]) -> list[str]:
    at = min((words.index(mark) for mark in ("<", ">", ">>") if mark in words), default=len(words))
    return words[:at]


def _problem(arguments: list[str]) -> str | None:
    """Say what the parser has against a command; None if it takes it."""
    command: Any = typer.main.get_command(app)
    context: Any = typer.Context(command, info_name="textgraft")
    rest = list(arguments)
    while hasattr(command, "commands"):
        name = rest.pop(0) if rest else ""
        if name.startswith("-"):
            return None  # of textgraft itself, as --version
        if name not in command.commands:
            return f"there is no command {name!r}"
        command = command.commands[name]
        context = typer.Context(command, info_name=name, parent=context)
    try:
        command.make_context(command.name, rest, parent=context.parent)
    except (SystemExit, typer.Exit):
        return None  # --help
    except Exception as error:
        return str(getattr(error, "message", error))
    return None


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_a_page_shows_can_be_typed(page: Path) -> None:
    found = {" ".join(arguments): _problem(arguments) for arguments in _commands(page)}
    assert {line: problem for line, problem in found.items() if problem} == {}


def test_commands_are_found_and_slips_are_seen() -> None:
    found = [arguments for page in PAGES for arguments in _commands(page)]
    assert len(found) > 150
    assert {arguments[0] for arguments in found} >= {"compare", "train", "predict", "evaluate", "serve"}
    assert _problem(["compare", "rows.csv", "--bugdet", "1m"])
    assert _problem(["compere", "rows.csv"])


def test_every_command_stands_on_a_page() -> None:
    root: Any = typer.main.get_command(app)
    shown = {arguments[0] for page in PAGES for arguments in _commands(page)}
    assert set(root.commands) - shown <= {"cache", "demo", "learn"}, "these have no options to try"


def test_nothing_is_excused_or_presumed_in_vain() -> None:
    texts = [snippet.text for snippet in SHOWN]
    lines = [line for text in texts for line in text.splitlines()]
    for entry in NOT_RUN:
        places = texts if entry.is_whole else lines
        assert any(re.search(entry.pattern, place) for place in places), f"{entry.pattern} stands nowhere"
    for entry in REPLACED:
        assert any(re.search(entry.pattern, text, re.MULTILINE) for text in texts), entry.pattern
    assert {snippet.section for snippet in SHOWN} >= FORMS
    behind = [made.path for made in NAMES_OF["pipelines"].values() if hasattr(made, "path")]
    everything = "\n".join([*texts, *behind])
    assert [name for name in FILES if name.rpartition(": ")[2] not in everything] == []
