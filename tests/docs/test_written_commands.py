"""What the pages tell people to type is what the commands and the package understand."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main

import textgraft
from tests.docs.test_tutorial import blocks
from textgraft.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted(path for path in (ROOT / "docs").glob("*.md") if path.stem != "commands"),
]
NOT_TYPED = ("…", "COMMAND", "{")
"""In what stands for others: a command of the reader's choice."""


def _commands(page: str) -> Iterator[list[str]]:
    """Yield the arguments of every textgraft command in the blocks of a page."""
    for block in _blocks(page):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"\s*(?:&&|\|\||\||;)\s*", line.partition(" #")[0].strip()):
                found = re.match(r"(?:\$ )?(?:\w+=\S+ )*textgraft (.+)", part)
                if found and not any(mark in found[1] for mark in NOT_TYPED):
                    yield shlex.split(re.sub(r"\s\d?[<>]+\s?\S+", "", found[1]).rstrip("&"))


def _blocks(page: str) -> Iterator[str]:
    """Yield indented blocks, and those between fences."""
    yield from re.findall(r"```\w*\n(.*?)```", page, re.DOTALL)
    yield from blocks(re.sub(r"```\w*\n.*?```", "", page, flags=re.DOTALL))


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_that_a_page_shows_can_be_typed(page: Path) -> None:
    found = {" ".join(arguments): _problem(arguments) for arguments in _commands(page.read_text())}
    assert {line: problem for line, problem in found.items() if problem} == {}


def test_commands_are_found_and_slips_are_seen() -> None:
    found = [arguments for page in PAGES for arguments in _commands(page.read_text())]
    assert len(found) > 100
    assert {arguments[0] for arguments in found} >= {"compare", "train", "predict", "evaluate", "serve"}
    assert _problem(["compare", "rows.csv", "--bugdet", "1m"])
    assert _problem(["compere", "rows.csv"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_name_that_python_blocks_use_is_there(page: Path) -> None:
    """Blocks are compiled, and what they take from the package is looked up; slow ones are not run."""
    for block in _blocks(page.read_text()):
        if not re.match(r"(import|from) textgraft", block):
            continue
        for node in ast.walk(ast.parse(block)):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "textgraft"
            ):
                assert hasattr(textgraft, node.attr), f"textgraft.{node.attr} in {page.name}"
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("textgraft"):
                module = __import__(str(node.module), fromlist=[name.name for name in node.names])
                assert all(hasattr(module, name.name) for name in node.names), ast.unparse(node)
