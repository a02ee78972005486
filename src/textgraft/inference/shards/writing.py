"""One shard: its rows computed, written beside, brought to the disk, renamed, and noted as done."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec

from textgraft.data.dataset import Dataset
from textgraft.files import atomic_writer, sha256_file
from textgraft.inference.shards.records import RejectedRow, ShardDone, ShardFolder

T = TypeVar("T")


class ShardOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a process needs to know to compute a shard."""

    folder: str
    form: str
    number: int
    choices: dict[str, Any]
    """By which the model or the encoder is opened."""


def compute_shard(
    given: bytes,
    opened: Callable[[bytes], T],
    write: Callable[[T, Dataset, BinaryIO, str], dict[str, Any]],
) -> bytes:
    """Compute a shard, unless it is there.

    Args:
        given: Its :class:`ShardOrder` as MessagePack.
        opened: Opens the model or the encoder by the choices of the order, as MessagePack.
        write: Writes its results of rows into a file of a form; returns fields of :class:`ShardDone`.

    Returns:
        Its :class:`ShardDone` as MessagePack, without the rejected rows.

    Raises:
        OutputError: It cannot be written.
        DamagedError: Its rows cannot be read.
    """
    order = msgspec.msgpack.decode(given, type=ShardOrder)
    model = opened(msgspec.msgpack.encode(order.choices))
    folder = ShardFolder(Path(order.folder), order.form)
    done = folder.done(order.number)
    if done is None:
        start = time.perf_counter()
        rows = folder.rows(order.number)
        path = folder.shard(order.number)
        with atomic_writer(path) as handle:
            facts = write(model, rows, handle, order.form)
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
