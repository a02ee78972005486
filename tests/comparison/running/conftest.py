"""Rows that comparisons learn in a second, and contenders whose cost is measured in every comparison."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tiny import write_topics
from textgraft.comparison.running import costs


@pytest.fixture(scope="package", autouse=True)
def _measured_every_time() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("glance", "probe"):
            patch.setattr(costs, name, getattr(costs, name).__wrapped__)
        yield


@pytest.fixture(scope="module")
def topics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_topics(tmp_path_factory.mktemp("topics") / "topics.csv", 90)
