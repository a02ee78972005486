"""The page of commands says what the commands say."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_command_and_option_is_in_the_reference():
    made = runpy.run_path(str(ROOT / "tools" / "commands.py"))["page"]()
    assert (ROOT / "docs" / "commands.md").read_text() == made, (
        "run: python tools/commands.py > docs/commands.md"
    )
