"""Finished shards as the one file that was asked for, or as a folder with its manifest."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from textgraft.errors import DamagedError
from textgraft.files import atomic_writer, output_errors, remove_folder
from textgraft.inference.shards.records import WORK, Manifest, ShardDone, ShardFolder

_CHUNK = 1 << 20
REJECTED = "rejected.jsonl"


def join(folder: ShardFolder, shards: list[ShardDone], output: Path) -> None:
    """Put all shards into one file, in order; the folder is deleted when that is there.

    Args:
        folder: Where they are.
        shards: All of them.
        output: The file: an array of their rows, or the lines of all of them.

    Raises:
        OutputError: It cannot be written.
        DamagedError: A shard has other content than was written.
    """
    with atomic_writer(output) as handle:
        if folder.form == ".npy":
            shape = (sum(done.rows for done in shards), max(done.width for done in shards))
            header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32))}
            np.lib.format.write_array_header_1_0(handle, {**header, "fortran_order": False, "shape": shape})
        has_header = False
        for done in shards:
            _append(handle, folder.shard(done.number), done, has_header)
            has_header |= bool(done.header)
    remove_folder(folder.path)


def _append(handle: BinaryIO, path: Path, done: ShardDone, has_header: bool) -> None:
    """Write the content of a shard, and check it on the way."""
    digest = hashlib.sha256()
    with path.open("rb") as source:
        skipped = done.header if has_header else 0
        if path.suffix == ".npy":
            np.lib.format.read_magic(source)
            np.lib.format.read_array_header_1_0(source)
            skipped = source.tell()
        source.seek(0)
        head = source.read(skipped)
        digest.update(head)
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            handle.write(chunk)
    if digest.hexdigest() != done.sha256:
        raise DamagedError(
            "the shard has other content than was written",
            where=str(path),
            fix="Delete it: run the same command again, and it is computed anew.",
        )


def conclude(folder: ShardFolder, manifest: Manifest, shards: list[ShardDone]) -> None:
    """Write the manifest of a folder all of whose shards are there, and delete what was to be done."""
    kept = [msgspec.structs.replace(done, rejected=[]) for done in shards]
    folder.save(msgspec.structs.replace(manifest, shards=kept))
    shutil.rmtree(folder.path / WORK, ignore_errors=True)


def write_rejected(path: Path, shards: list[ShardDone], *, overwrite: bool) -> int:
    """Write the rows that could not be used, with line and reason; return how many there are.

    Args:
        path: The file; there is none where all rows could be used.
        shards: All of them.
        overwrite: Whether one of other rows may be deleted then.
    """
    count = sum(len(done.rejected) for done in shards)
    if count:
        with atomic_writer(path) as handle:
            handle.writelines(_lines(shards))
    elif overwrite:
        with output_errors(path):
            path.unlink(missing_ok=True)
    return count


def _lines(shards: list[ShardDone]) -> Iterator[bytes]:
    for done in shards:
        for row in done.rejected:
            yield msgspec.json.encode(row) + b"\n"
