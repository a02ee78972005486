"""No acknowledged decision is lost, wherever the process that made it is killed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.review.made import items
from textgraft.review.store import ReviewStore


@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_acknowledged_decisions_outlive_kills(tmp_path, kills):
    path = tmp_path / "store.review"
    with ReviewStore(path) as store:
        store.add(items(500 * kills))  # more than a fast machine decides
    ended = subprocess.run(
        [sys.executable, "-m", "tests.review.killed_reviewer", path, str(kills)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    acknowledged = json.loads(ended.stdout)
    assert len(acknowledged) >= kills // 2
    with ReviewStore(path) as store:
        found = {decision.item: decision.answer for decision in store.decisions()}
        missing = [item for item, answer in acknowledged if found.get(item) != answer]
        assert missing == []
        # Each killed reviewer may have made one more, which nobody was told of.
        assert len(acknowledged) <= len(found) <= len(acknowledged) + kills
        assert store.stats().items["decided"] == len(found)
