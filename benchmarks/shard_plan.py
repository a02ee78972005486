"""What a hundred million documents cost in shards: measured for one shard, and simulated for all of them.

    python benchmarks/shard_plan.py [--documents 100000000] [--slots 100]

First a few shards are encoded and predicted, which tells the seconds a document takes. Then the whole is
simulated: the real reader, scheduler, records and manifest, shards of one row that are really written, and
jobs that take as long on a clock as was measured, some of which are lost and begun again. What that costs
beside the simulated work is the bookkeeping. Reading and setting out the rows is measured apart.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from check import write_rows
from machine import describe
from scale import run as run_command

from textgraft.data.dataset import Dataset, RowNumbers
from textgraft.executors.serial import SerialExecutor
from textgraft.executors.simulated import SimulatedExecutor
from textgraft.inference.shards.run import ShardedWork, run_shards
from textgraft.inference.shards.work import encoding_work, prediction_work
from textgraft.inference.shards.writing import compute_shard

SHARD_ROWS = {"encode": ("encode, bundled encoder", 10_000), "predict": ("predict, TF-IDF", 500_000)}
"""What is simulated, and the rows of a shard: so many that it takes half a minute or more."""


def write_shard(order: bytes) -> bytes:
    """Write a shard without computing anything."""

    def write(_: bytes, rows: Dataset, handle: BinaryIO, form: str) -> dict[str, Any]:
        handle.write(b"x\n" * len(rows))
        return {"rows": len(rows)}

    return compute_shard(order, bytes, write)


def one_row_parts(shards: int) -> Iterator[Dataset]:
    """Yield so many parts of a row each."""
    for number in range(1, shards + 1):
        numbers = array("q", [number])
        yield Dataset({"text": ["x"]}, None, RowNumbers(numbers), numbers, "simulated")


def measured(folder: Path, rows: int) -> dict[str, float]:
    """Return seconds of wall-clock a document, by what is done with it; the first shard is left out."""
    source = folder / "rows.csv"
    write_rows(source, rows)
    write_rows(folder / "train.csv", 2000, seed=1)
    run_command(["train", str(folder / "train.csv"), "-o", str(folder / "model"), "--contender", "tfidf"])
    shard_rows = rows // 5
    works = {
        "encode, bundled encoder": encoding_work(
            str(source), folder / "vectors", {"encoder": "bundled"}, text=["text"], shard_rows=shard_rows
        ),
        "predict, TF-IDF": prediction_work(
            folder / "model",
            str(source),
            folder / "answers",
            {"engine": "auto", "sets": None, "reject": None, "opener": None},
            text=["text"],
            shard_rows=shard_rows,
        ),
    }
    found = {}
    for name, work in works.items():
        run_shards(work, SerialExecutor())
        manifest = work.folder.manifest()
        assert manifest is not None
        shards = manifest.shards[1:]
        found[name] = sum(done.seconds for done in shards) / sum(done.rows for done in shards)
    start = time.perf_counter()
    for number, part in enumerate(works["encode, bundled encoder"].parts(10_000)):
        works["encode, bundled encoder"].folder.make()
        works["encode, bundled encoder"].folder.stage(number, part)
    found["reading and setting out"] = (time.perf_counter() - start) / rows
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--documents", type=int, default=100_000_000)
    parser.add_argument("--commands", nargs="+", choices=list(SHARD_ROWS), default=list(SHARD_ROWS))
    parser.add_argument("--slots", type=int, default=100)
    parser.add_argument("--losses", type=float, default=0.01, help="Chance that a job is lost.")
    parser.add_argument("--measured-rows", type=int, default=2000)
    arguments = parser.parse_args()
    print(describe("torch"))
    with tempfile.TemporaryDirectory() as name:
        costs = measured(Path(name), arguments.measured_rows)
        for what, seconds in costs.items():
            hours = seconds * arguments.documents / 3600
            print(f"{what}: {seconds * 1e6:,.1f} µs a document, {hours:,.1f} core-hours for all")
        for command in arguments.commands:
            what, shard_rows = SHARD_ROWS[command]
            shards = -(-arguments.documents // shard_rows)
            seconds = costs[what] * shard_rows
            executor = SimulatedExecutor(arguments.slots, seconds, losses=arguments.losses)
            work = ShardedWork(
                command="encode",
                function=f"{Path(__file__).stem}:write_shard",
                choices={},
                source="simulated",
                parts=lambda rows, shards=shards: one_row_parts(shards),
                output=Path(name) / f"all-{command}",
                forms=(),
            )
            wall, processor = time.perf_counter(), time.process_time()
            summary = run_shards(work, executor)
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            assert summary.rows == summary.shards == shards
            print(
                f"{what}, {shards:,} shards of {seconds:,.1f} s on {arguments.slots} slots: "
                f"{executor.now / 3600:,.2f} h, {executor.lost:,} lost and done anew, "
                f"{executor.worked / 3600:,.1f} core-hours; bookkeeping {wall:.1f} s of wall-clock "
                f"({processor:.1f} s of processor time), {wall / executor.worked:.4%} of the work, "
                f"{wall / executor.now:.2%} of the duration if one process did all of it"
            )


if __name__ == "__main__":
    main()
