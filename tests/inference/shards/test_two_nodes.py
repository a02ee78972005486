"""One of two nodes lost in the middle: no row is lost or doubled."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.executors.nodes import make_importable, removed_when, two_nodes
from tests.tiny import write_topics
from textgraft.executors.open import open_executor
from textgraft.inference.shards.run import run_shards
from textgraft.inference.shards.work import prediction_work

pytest.importorskip("ray", reason="Ray is not installed")


@pytest.mark.slow
def test_no_row_is_lost_or_doubled_with_a_node(
    topic_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_importable(monkeypatch)
    rows = write_topics(tmp_path / "rows.csv", 600, seed=5)
    given = {"engine": "auto", "sets": None, "reject": None, "opener": None}

    def work(name: str):
        return prediction_work(topic_model, str(rows), tmp_path / name, given, shard_rows=3)

    done = tmp_path / "cluster.csv.shards" / "work" / "done"

    def in_the_middle() -> bool:
        return not done.is_dir() or len(list(done.glob("*.json"))) > 60

    with two_nodes() as (cluster, node), open_executor(None, cluster.address) as executor:
        assert executor.slots == 2
        done.mkdir(parents=True)
        with removed_when(cluster, node, in_the_middle):
            summary = run_shards(work("cluster.csv"), executor)
    assert (summary.rows, summary.left, summary.shards) == (600, 0, 200)
    with open_executor() as executor:
        run_shards(work("alone.csv"), executor)
    assert (tmp_path / "cluster.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()
