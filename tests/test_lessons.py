"""The tutorial's notebooks: they run, they are found wherever the package lies, and copies are whole."""

from __future__ import annotations

import ast
import json
import runpy
import shutil
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from textgraft import lessons as module
from textgraft.cli import app
from textgraft.errors import DamagedError, OutputError
from textgraft.lessons import copy_lessons, lessons, lessons_folder

ROOT = Path(__file__).parents[1]
LESSONS = lessons()
NAMES = [lesson.name for lesson in LESSONS]
FEW_CHAPTERS = {
    "Data Types": ("datetime", "collections", "enum"),
    "Concurrent Execution": ("threading", "subprocess", "queue"),
    "Internet Data Handling": ("mailbox", "base64", "json"),
}
"""So that the library's sources are read in a moment."""


def code_cells(path: Path) -> list[str]:
    cells = json.loads(path.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def run(cell: str, names: dict[str, Any], where: str) -> Any:
    """Run a cell as a notebook does; return what its last line shows."""
    tree = ast.parse(cell)
    last = tree.body[-1]
    shows = isinstance(last, ast.Expr) and not cell.rstrip().endswith(";")
    exec(compile(ast.Module(tree.body[: -1 if shows else None], []), where, "exec"), names)
    return eval(compile(ast.Expression(last.value), where, "eval"), names) if shows else None


@pytest.fixture
def quick(monkeypatch, tmp_path) -> None:
    """Small sizes, in an empty folder: what runs is what a reader runs."""
    monkeypatch.setenv("TEXTGRAFT_TUTORIAL_QUICK", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("textgraft.pretraining.pretrain.TRIAL_SECONDS", 0.0)
    monkeypatch.setattr("textgraft.inspection.context.neighbours.CANDIDATES", 20)
    monkeypatch.setattr("textgraft.inspection.context.neighbours.OF_OTHERS", 2)
    monkeypatch.setattr("textgraft.data.demo.embedded.CHAPTERS", FEW_CHAPTERS)


@pytest.mark.parametrize("lesson", LESSONS, ids=NAMES)
def test_every_cell_runs_and_shows_what_can_be_drawn(lesson, quick):
    names: dict[str, Any] = {"__name__": "__main__"}
    pictures = 0
    for number, cell in enumerate(code_cells(lesson.path)):
        shown = run(cell, names, f"{lesson.name}, code cell {number}")
        if hasattr(shown, "_repr_svg_"):
            ET.fromstring(shown._repr_svg_())
            pictures += 1
        elif hasattr(shown, "_repr_html_"):
            pictures += "<svg" in shown._repr_html_()
    assert pictures >= 2


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS, ids=NAMES)
def test_at_full_size_nothing_fails_and_nothing_is_complained_of(lesson, monkeypatch):
    pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    notebook = runpy.run_path(str(ROOT / "tools" / "tutorial.py"))["run"](lesson.path)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output.text for output in outputs if output.get("name") == "stderr"]


def test_they_teach_in_order_within_twenty_minutes():
    assert [name[:3] for name in NAMES] == ["01_", "02_", "03_", "04_"]
    assert all(lesson.title and lesson.shows for lesson in LESSONS)
    assert 0 < sum(lesson.seconds for lesson in LESSONS) < 20 * 60


@pytest.mark.parametrize("lesson", LESSONS, ids=NAMES)
def test_what_is_stored_is_whole_and_tells_no_machine(lesson):
    text = lesson.path.read_text()
    assert not [part for part in ("/home/", "/root/", "/tmp/", "/work/", "/usr/", "C:\\\\") if part in text]
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    counts = [cell["execution_count"] for cell in cells]
    assert counts in ([None] * len(cells), list(range(1, len(cells) + 1))), "run: python tools/tutorial.py"
    assert not [one for cell in cells for one in cell["outputs"] if one.get("name") == "stderr"]


def test_an_installed_package_has_them_beside_its_modules(monkeypatch, tmp_path):
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {"docs/tutorial": "textgraft/notebooks"}
    installed = tmp_path / "site-packages" / "textgraft"
    installed.mkdir(parents=True)
    monkeypatch.setattr(module, "__file__", str(installed / "lessons.py"))
    with pytest.raises(DamagedError, match="not here"):
        lessons()
    shutil.copytree(ROOT / "docs" / "tutorial", installed / "notebooks")
    assert lessons_folder() == installed / "notebooks"
    assert [lesson.name for lesson in lessons()] == NAMES
    (installed / "notebooks" / NAMES[0]).write_text("{}")
    with pytest.raises(DamagedError, match="no notebook of the tutorial"):
        lessons()


def test_copies_are_whole_and_replace_nothing_unasked(tmp_path):
    folder = tmp_path / "new" / "folder"
    copies = copy_lessons(folder)
    assert [path.read_bytes() for path in copies] == [lesson.path.read_bytes() for lesson in LESSONS]
    copies[1].write_text("my notes")
    copies[0].unlink()
    with pytest.raises(OutputError):
        copy_lessons(folder)
    assert not copies[0].exists()
    assert copies[1].read_text() == "my notes"
    copy_lessons(folder, overwrite=True)
    assert copies[1].read_bytes() == LESSONS[1].path.read_bytes()


def test_the_command_lists_and_copies(tmp_path):
    listed = CliRunner().invoke(app, ["learn"])
    assert listed.exit_code == 0
    for lesson in LESSONS:
        assert lesson.title in listed.stdout
        assert str(lesson.path) in listed.stdout
    copied = CliRunner().invoke(app, ["learn", "--copy", str(tmp_path / "here"), "--json"])
    copies = [tmp_path / "here" / name for name in NAMES]
    assert [row["path"] for row in json.loads(copied.stdout)] == list(map(str, copies))
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == NAMES
    nothing = CliRunner().invoke(app, ["learn", "--overwrite"])
    assert "--overwrite" in str(nothing.exception)
