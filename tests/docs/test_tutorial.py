"""The tutorial runs as it is written, on the file that it makes."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNTESTED = ("python -m venv", "textgraft serve")
"""How blocks begin that install, or never end."""


def blocks(page: str) -> Iterator[str]:
    """Yield the indented blocks of a page."""
    block: list[str] = []
    for line in [*page.splitlines(), "end"]:
        if line.startswith("    ") or (block and not line.strip()):
            block.append(line)
        elif block:
            yield textwrap.dedent("\n".join(block)).strip()
            block = []


def run(block: str, folder: Path) -> str:
    """Run a block of shell commands, or of Python; return what it prints."""
    is_python = block.startswith("import ")
    command = [sys.executable, "-c", block] if is_python else ["sh", "-ec", block]
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PATH": path, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder where textgraft and python are those of the tests."""
    (tmp_path / "bin").mkdir()
    for name, call in (("textgraft", "-m textgraft"), ("python", "")):
        script = tmp_path / "bin" / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {call} "$@"\n')
        script.chmod(0o755)
    return tmp_path


def test_the_tutorial_leads_to_a_model_that_answers(folder):
    page = (ROOT / "docs" / "tutorial.md").read_text()
    # The same with one contender: what the others do is tested elsewhere, and takes its minute.
    page = page.replace("--budget 1m", "--contenders tfidf --seeds 1 --tuning 1")
    said = [run(block, folder) for block in blocks(page) if not block.startswith(UNTESTED)]
    assert len(said) >= 6
    assert (folder / "notes" / "report.html").is_file()
    assert (folder / "notes.predictions.csv").is_file()
    assert any(line == "payment" for output in said for line in output.splitlines())
