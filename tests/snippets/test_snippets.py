"""What a user would paste runs as it stands; every snippet asserts what it shows.

A snippet whose first line is "# Needs the graft NAME" is skipped where that graft does not come with the
package. Those in SHORT_OF_IT show what the shipped graft is to say and does not say yet.
"""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from textgraft.inference.pipelines.shipped import FOLDER, shipped_graft

SNIPPETS = sorted(path for path in Path(__file__).parent.glob("*.py") if not path.name.startswith("test_"))

SHORT_OF_IT = {
    "pipeline_ner": "the graft takes 'John works' for a person where no full stop ends the sentence",
}


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda path: path.stem)
def test_snippet(
    snippet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    needed = re.match(r"# Needs the graft (\S+)\n", snippet.read_text())
    if needed and shipped_graft(needed[1]) is None:
        pytest.skip(f"the graft {needed[1]} is not in {FOLDER}")
    if snippet.stem in SHORT_OF_IT:
        request.applymarker(pytest.mark.xfail(reason=SHORT_OF_IT[snippet.stem], strict=True))
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(snippet), run_name="__main__")
