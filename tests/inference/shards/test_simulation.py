"""The plan for many shards on many machines, simulated: every row once, and as long as it must take."""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from textgraft.data.dataset import Dataset, RowNumbers
from textgraft.executors.base import Job, LostWorkError
from textgraft.executors.simulated import SimulatedExecutor
from textgraft.inference.shards.run import ShardedWork, run_shards
from textgraft.inference.shards.writing import compute_shard

SHARDS = 60


def write_numbers(order: bytes) -> bytes:
    """Write the numbers of a shard's rows."""

    def write(_: bytes, rows: Dataset, handle: BinaryIO, form: str) -> dict[str, Any]:
        handle.writelines(f"{name}\n".encode() for name in rows.ids)
        return {"rows": len(rows)}

    return compute_shard(order, bytes, write)


def parts(rows: int) -> Iterator[Dataset]:
    for number in range(SHARDS):
        numbers = array("q", range(number * 3, number * 3 + 3))
        yield Dataset({"text": ["x"] * 3}, None, RowNumbers(numbers), numbers, "simulated")


def work(output: Path) -> ShardedWork:
    function = f"{__name__}:write_numbers"
    return ShardedWork("encode", function, {}, "simulated", parts, output, (".csv",))


def test_no_row_is_lost_or_doubled_where_many_jobs_are_lost(tmp_path: Path) -> None:
    executor = SimulatedExecutor(7, 10.0, losses=0.1, seed=1)
    summary = run_shards(work(tmp_path / "out.csv"), executor)
    assert executor.lost > 1
    assert (summary.computed, summary.rows, summary.left) == (SHARDS, 3 * SHARDS, 0)
    assert (tmp_path / "out.csv").read_text().split() == [str(number) for number in range(3 * SHARDS)]


def test_the_duration_is_that_of_the_work_on_all_slots(tmp_path: Path) -> None:
    """Nobody waits while there is work: the last round is all that may be left half empty."""
    executor = SimulatedExecutor(7, 10.0, spread=0.0)
    run_shards(work(tmp_path / "even.csv"), executor)
    assert executor.now == pytest.approx(10.0 * -(-SHARDS // 7))
    assert executor.worked == pytest.approx(10.0 * SHARDS)
    uneven = SimulatedExecutor(7, 10.0, spread=0.5)
    run_shards(work(tmp_path / "uneven.csv"), uneven)
    assert uneven.worked / 7 <= uneven.now < uneven.worked / 7 + 60


def test_what_is_always_lost_ends_the_work() -> None:
    executor = SimulatedExecutor(1, 1.0, losses=1.0)
    executor.submit(Job("shard 1", f"{__name__}:write_numbers", b""))
    with pytest.raises(LostWorkError, match="shard 1 was lost 5 times"):
        executor.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what a descriptor stands for")
def test_all_rows_are_on_the_disk_before_the_manifest_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a manifest names was brought to the disk, file by file and the names of them, before its own."""
    synced: list[str] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").resolve().name)
        sync(descriptor)

    monkeypatch.setattr("os.fsync", noted)
    run_shards(work(tmp_path / "out"), SimulatedExecutor(7, 10.0))
    manifest = next(place for place, name in enumerate(synced) if name.startswith(".manifest.json."))
    assert set(synced[:manifest]) == {*(f"{number:05d}.msgpack" for number in range(SHARDS)), "rows"}
