"""What a user would paste runs as it stands; every snippet asserts what it shows.

A snippet whose first line is "# Needs the graft NAME" is skipped where that graft does not come with the
package.
"""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from textgraft.models.shipped import FOLDER, shipped_graft

SNIPPETS = sorted(path for path in Path(__file__).parent.glob("*.py") if not path.name.startswith("test_"))


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda path: path.stem)
def test_snippet(snippet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = re.match(r"# Needs the graft (\S+)\n", snippet.read_text())
    if needed and shipped_graft(needed[1]) is None:
        pytest.skip(f"the graft {needed[1]} is not in {FOLDER}")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(snippet), run_name="__main__")
