"""The reference has every command, option, setting, task, file, variable and Python name."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import typer.main

import textgraft
from tests.docs.pages import ROOT
from tests.tiny import write_topics
from textgraft.cli import app
from textgraft.tasks.registry import TASKS

REFERENCE = (ROOT / "docs" / "reference.md").read_text()
MADE = {"commands": "commands", "settings": "settings", "python": "python_names"}
"""Pages that are made from the code, and by which of the tools."""


def _section(heading: str) -> str:
    """Return a section of the reference."""
    return re.split(r"^## ", REFERENCE.partition(f"## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("page", MADE)
def test_pages_that_are_made_from_the_code_are_up_to_date(page: str, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    made = runpy.run_path(str(ROOT / "tools" / f"{MADE[page]}.py"))["page"]()
    assert (ROOT / "docs" / f"{page}.md").read_text() == made, (
        f"run: python tools/{MADE[page]}.py > docs/{page}.md"
    )


@pytest.mark.parametrize("page", MADE)
def test_whatever_they_list_is_explained(page: str) -> None:
    rows = [line for line in (ROOT / "docs" / f"{page}.md").read_text().splitlines() if line.startswith("|")]
    assert [row for row in rows if row.endswith("|  |")] == []
    assert len(rows) > 100


def test_every_command_stands_in_the_reference() -> None:
    root: Any = typer.main.get_command(app)
    named = re.findall(r"^\| `([\w-]+)", _section("Commands"), re.MULTILINE)
    assert set(named) == set(root.commands)
    for group in ("review", "inspect"):
        parts = re.search(rf"^\| `{group} (\S+) ", _section("Commands"), re.MULTILINE)
        assert parts is not None
        assert set(parts[1].split(r"\|")) == set(root.commands[group].commands)


def test_every_public_name_stands_in_the_reference() -> None:
    python = _section("Python")
    missing = [name for name in textgraft.__all__ if f"textgraft.{name}" not in python]
    assert missing == ["__version__"]


def test_every_task_stands_in_the_reference() -> None:
    assert set(re.findall(r"^\| `([\w-]+)`", _section("Tasks"), re.MULTILINE)) == set(TASKS)


def test_every_variable_stands_in_the_reference() -> None:
    files = Path(textgraft.__file__).parent.rglob("*.py")
    used = {name for path in files for name in re.findall(r"TEXTGRAFT_[A-Z_]*[A-Z]", path.read_text())}
    assert used == set(re.findall(r"TEXTGRAFT_[A-Z_]*[A-Z]", _section("Environment")))


def test_every_file_of_a_comparison_and_of_its_models_stands_in_the_reference(tmp_path: Path) -> None:
    rows = write_topics(tmp_path / "rows.csv", 90)
    rows.write_text(rows.read_text() + "\n,sport\n")  # one that cannot be used
    folder = textgraft.compare(
        rows, contenders="tfidf", sizes="all", seeds=1, tuning=1, output=tmp_path / "run", robustness=True
    ).folder
    told = set(re.findall(r"`([\w.<>/]+)`", _section("A comparison folder")))
    found = {f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir()}
    assert found <= {name.split("/")[0] + "/" * ("/" in name) for name in told}
    in_model = {path.name for path in (folder / "best").iterdir()}
    assert {name for name in in_model if name not in _section("A model directory")} == set()
