"""Jobs on a Ray cluster: results, errors, and what was lost is done anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.executors.nodes import make_importable
from textgraft.errors import DataError, ServiceError
from textgraft.executors.base import Job, LostWorkError
from textgraft.executors.open import open_executor

pytest.importorskip("ray", reason="Ray is not installed")

JOBS = "tests.executors.jobs:"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    make_importable(monkeypatch)


def test_a_cluster_does_jobs_and_does_anew_what_was_lost(tmp_path: Path) -> None:
    with open_executor(2, "local") as executor:
        for name, function, order in (
            ("a", "double", b"x"),
            ("b", "dies_once", str(tmp_path / "seen").encode()),
        ):
            executor.submit(Job(name, JOBS + function, order))
        found = {done.name: done.result for done in (executor.wait(), executor.wait())}
        assert found == {"a": b"xx", "b": b"alive"}
        executor.submit(Job("c", f"{JOBS}mistake", b""))
        with pytest.raises(DataError, match=r"rows\.csv, line 3: no such row"):
            executor.wait()
        executor.submit(Job("shard 7", f"{JOBS}dies", b""))
        with pytest.raises(LostWorkError, match="shard 7 was lost 5 times"):
            executor.wait()


def test_where_no_cluster_is_that_is_said() -> None:
    with pytest.raises(ServiceError, match="no Ray cluster answers"), open_executor(2, "auto"):
        pass
