"""The house stands: imports run one way, downwards, and never in a circle."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import textgraft

ROOT = Path(textgraft.__file__).parent
FLOORS = (
    ("__init__", "__main__"),
    ("cli", "sklearn"),
    ("serving", "benchmarking"),
    ("comparison", "export", "inspection", "review"),
    ("inference",),
    ("reporting",),
    ("pretraining",),
    ("training",),
    ("tasks",),
    ("models",),
    ("client",),
    ("embeddings", "data", "evaluation", "tokenization", "executors"),
)
"""The rooms, from the roof to the ground; those of one floor may know each other, without circles.

Below them all lie the single files beside the rooms, as errors.py.
"""
_REGISTERED = re.compile(r"textgraft(\.\w+)+:\w+")
"""How a registry names what it imports later."""


def _modules(root: Path) -> dict[str, Path]:
    """Return every file under ``root`` by its name inside the package, as "data.readers.squad"."""
    names = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if len(parts) > 1 and parts[-1] == "__init__":
            parts = parts[:-1]
        names[".".join(parts)] = path
    return names


def _imported(tree: ast.Module, known: dict[str, Path]) -> Iterator[str]:
    """Yield the modules of the package that a file names: at its top, in functions, for types, in strings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (_longest(alias.name, known) for alias in node.names if _ours(alias.name))
        elif isinstance(node, ast.ImportFrom) and (node.level or _ours(node.module or "")):
            assert node.level == 0, "imports are absolute"
            yield from (_longest(f"{node.module}.{alias.name}", known) for alias in node.names)
        elif isinstance(node, ast.Constant) and _REGISTERED.fullmatch(str(node.value)):
            yield _longest(node.value.replace(":", "."), known)


def _ours(module: str) -> bool:
    return module.partition(".")[0] == "textgraft"


def _longest(name: str, known: dict[str, Path]) -> str:
    """Return the module that a dotted name stands for, or lies in."""
    parts = name.split(".")[1:]
    while parts and ".".join(parts) not in known:
        parts.pop()
    return ".".join(parts) or "__init__"


def _graph(root: Path) -> dict[str, set[str]]:
    known = _modules(root)
    return {name: set(_imported(ast.parse(path.read_text()), known)) - {name} for name, path in known.items()}


def _upward(graph: dict[str, set[str]]) -> list[str]:
    """Return the imports of a higher room."""
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    return [
        f"{name} imports {other}"
        for name, others in graph.items()
        for other in sorted(others)
        if floor.get(other.partition(".")[0], len(FLOORS)) < floor.get(name.partition(".")[0], len(FLOORS))
    ]


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    return _graph(ROOT)


def test_every_room_has_its_floor():
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert rooms == {room for rooms in FLOORS[1:] for room in rooms}


def test_imports_run_downwards(graph):
    assert _upward(graph) == []


def test_no_file_imports_itself_by_way_of_others(graph):
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_help_and_the_entries_of_contenders_load_nothing_heavy():
    """Help answers at once, and who competes is known before torch is loaded."""
    code = """if True:
        import sys
        from typer.testing import CliRunner
        from textgraft.cli import app
        for name in (None, *(command.name for command in app.registered_commands)):
            assert CliRunner().invoke(app, [name, "--help"] if name else ["--help"]).exit_code == 0, name
        import textgraft.comparison.contenders.registry
        print([name for name in ("torch", "transformers", "sklearn", "scipy") if name in sys.modules])
    """
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_both_are_seen_wherever_they_stand(tmp_path):
    """The checks find an import inside a function, one for types, and one that a registry names."""
    files = {
        "data/a.py": "def f():\n    from textgraft.data import b\n",
        "data/b.py": "if TYPE_CHECKING:\n    from textgraft.data.c import C\n",
        "data/c.py": "import textgraft.data.a\n",
        "models/d.py": "TABLE = {'x': 'textgraft.tasks.e:E'}\n",
        "tasks/e.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    graph = _graph(tmp_path)
    assert _upward(graph) == ["models.d imports tasks.e"]
    with pytest.raises(CycleError):
        TopologicalSorter({name: others for name, others in graph.items() if "data" in name}).prepare()
