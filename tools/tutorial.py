"""Run the tutorial's notebooks at full size and write them back with what they show and how long they take.

python tools/tutorial.py [NAME …]

Each runs in a kernel of its own, on one thread, in an empty folder; its pictures and figures are stored in it
and can be read where nothing runs. How long they take is processor time, which a busy neighbour does not
change. What differs from run to run without a meaning is left out.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = "1"

import nbformat
from nbclient import NotebookClient

from textgraft.lessons import lessons
from textgraft.wording import duration


def run(path: Path, *, timeout: int = 1200) -> nbformat.NotebookNode:
    """Return a notebook as it is after all its cells ran in an empty folder.

    Args:
        path: The notebook.
        timeout: Seconds that a cell may take.

    Raises:
        CellExecutionError: A cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    told = notebook.metadata
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(
            notebook, timeout=timeout, kernel_name="python3", record_timing=False, resources=resources
        ).execute()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told["textgraft"]["seconds"] = round(spent)
    told["language_info"] = {"name": "python"}
    return notebook


def main(names: list[str]) -> None:
    """Run those that are named, or all, and say how long each took."""
    for lesson in lessons():
        if names and lesson.name not in names:
            continue
        notebook = run(lesson.path)
        nbformat.write(notebook, lesson.path)
        print(f"{lesson.name}: {duration(notebook.metadata['textgraft']['seconds'])}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
