"""One shard: its rows computed, written beside, brought to the disk, renamed, and noted as done."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from textgraft.data.dataset import Dataset
from textgraft.files import atomic_writer, sha256_file
from textgraft.inference.shards.records import RejectedRow, ShardDone, ShardFolder


class ShardOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a process needs to know to compute a shard."""

    folder: str
    form: str
    number: int
    choices: dict[str, Any]
    """By which the model or the encoder is opened."""


Compute = Callable[[Dataset, BinaryIO, str], dict[str, Any]]
"""Writes the results of rows into a file of a form; returns fields of :class:`ShardDone`."""


def compute_shard(order: ShardOrder, compute: Compute) -> bytes:
    """Compute a shard, unless it is there.

    Args:
        order: Which one.
        compute: Does the work.

    Returns:
        Its :class:`ShardDone` as MessagePack, without the rejected rows.

    Raises:
        OutputError: It cannot be written.
        DamagedError: Its rows cannot be read.
    """
    folder = ShardFolder(Path(order.folder), order.form)
    done = folder.done(order.number)
    if done is None:
        start = time.perf_counter()
        rows = folder.rows(order.number)
        path = folder.shard(order.number)
        with atomic_writer(path) as handle:
            facts = compute(rows, handle, order.form)
        done = ShardDone(
            number=order.number,
            bytes=path.stat().st_size,
            sha256=sha256_file(path),
            seconds=time.perf_counter() - start,
            rejected=[RejectedRow(row.line, row.reason, row.excerpt) for row in rows.rejected],
            **facts,
        )
        folder.finish(done)
    return msgspec.msgpack.encode(msgspec.structs.replace(done, rejected=[]))
