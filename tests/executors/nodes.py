"""A Ray cluster of two nodes on this machine, one of which can be lost."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


def make_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Ray's workers find the package and the tests."""
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", f"{root / 'src'}:{root}")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")


@contextlib.contextmanager
def two_nodes() -> Iterator[tuple[Any, Any]]:
    """Start a cluster of two nodes with a core each; yield it with the second node."""
    from ray.cluster_utils import Cluster

    size = {"num_cpus": 1, "object_store_memory": 80 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={**size, "include_dashboard": False})
    try:
        yield cluster, cluster.add_node(**size)
    finally:
        cluster.shutdown()


@contextlib.contextmanager
def removed_when(cluster: Any, node: Any, is_time: Callable[[], bool]) -> Iterator[None]:
    """Remove a node at a moment of the block, as if its machine were switched off."""
    ended = threading.Event()

    def watch() -> None:
        while not is_time():
            if ended.wait(0.01):
                return
        cluster.remove_node(node, allow_graceful=False)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
        assert is_time(), "the node was to go in the middle"
    finally:
        ended.set()
        thread.join()
