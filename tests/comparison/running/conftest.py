"""Rows that comparisons learn in a second."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny import write_topics


@pytest.fixture(scope="module")
def topics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_topics(tmp_path_factory.mktemp("topics") / "topics.csv", 90)
