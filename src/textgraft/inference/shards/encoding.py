"""Shards of encodings: what encodes the rows of one, and in which forms it is written."""

from __future__ import annotations

import functools
from typing import Any, BinaryIO

import msgspec
import numpy as np

from textgraft.data.dataset import Dataset
from textgraft.errors import ModelError
from textgraft.inference.encodable import aligned
from textgraft.inference.encode import Encoder
from textgraft.inference.shards.writing import compute_shard

ENCODER_OPTIONS = (
    "revision",
    "prompt",
    "engine",
    "precision",
    "pooling",
    "normalize",
    "max_length",
    "calibration",
)


def encode_shard(order: bytes) -> bytes:
    """Encode the rows of a shard.

    Args:
        order: A :class:`~textgraft.inference.shards.writing.ShardOrder` as MessagePack; its choices are the
            keywords of :class:`~textgraft.inference.encode.Encoder`, and the ``identity`` that it must have.

    Raises:
        ModelError: The encoder is another one here.
    """
    return compute_shard(order, _opened, _encode)


@functools.lru_cache(maxsize=1)
def _opened(choices: bytes) -> Encoder:
    given = msgspec.msgpack.decode(choices)
    encoder = Encoder(given["encoder"], **{name: given[name] for name in ENCODER_OPTIONS if name in given})
    if encoder.source.identity != given["identity"]:
        raise ModelError(
            f"the encoder {given['encoder']!r} is another one here than where the work was given out",
            where=str(encoder.source.path),
            fix="Put the same files there.",
        )
    return encoder


def _encode(encoder: Encoder, rows: Dataset, handle: BinaryIO, form: str) -> dict[str, Any]:
    """Write the encodings of rows: an array, or a table of lines and vectors."""
    texts = rows.texts if len(rows) else []
    vectors = encoder.encode(texts) if texts else np.empty((0, encoder.dimension), dtype=np.float32)
    tokens, lost = encoder.tokens if texts else (0, 0)
    vectors = aligned(vectors, rows)
    if form == ".npy":
        np.save(handle, vectors)
    else:
        _write_table(handle, rows, vectors)
    return {
        "rows": len(vectors),
        "empty": sum(not text or text.isspace() for text in texts),
        "tokens": tokens,
        "lost": lost,
        "width": encoder.dimension,
        "note": encoder.open().note,
    }


def _write_table(handle: BinaryIO, rows: Dataset, vectors: np.ndarray) -> None:
    """Write the columns ``line`` and ``vector``; a row that cannot be used has no vector."""
    import pyarrow
    import pyarrow.parquet

    lines = np.sort([*rows.lines, *(row.line for row in rows.rejected)]).astype(np.int64)
    missing = ~np.isin(lines, np.asarray(rows.lines, dtype=np.int64))
    flat = pyarrow.array(vectors.reshape(-1), type=pyarrow.float32())
    column = pyarrow.FixedSizeListArray.from_arrays(
        flat, vectors.shape[1], mask=pyarrow.array(missing) if missing.any() else None
    )
    table = pyarrow.table({"line": pyarrow.array(lines), "vector": column})
    pyarrow.parquet.write_table(table, handle, compression="zstd", compression_level=1)
