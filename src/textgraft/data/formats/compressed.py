"""Files as streams of bytes, decompressed on the way where their ending says so."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO, cast

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
"""Endings, and the compression they stand for."""


def bare_name(path: Path) -> str:
    """Return a file's name without the ending of its compression: "a.jsonl" for a.jsonl.gz."""
    return path.stem if path.suffix.lower() in COMPRESSIONS else path.name


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading, decompressed if it ends in one of :data:`COMPRESSIONS`.

    Raises:
        OSError: It cannot be opened; reading raises it, too, where compressed data is damaged or breaks off.
    """
    compression = COMPRESSIONS.get(path.suffix.lower())
    if compression is None:
        return path.open("rb")
    import pyarrow

    # Python has no zstd before 3.14. Several streams, one after the other in a file, are read as one.
    raw = pyarrow.input_stream(str(path), compression=compression)
    return cast("BinaryIO", io.BufferedReader(raw, 1 << 20))
