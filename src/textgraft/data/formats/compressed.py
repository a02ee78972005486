"""Files as streams of bytes, decompressed on the way where their ending says so."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from textgraft.errors import DataError

if TYPE_CHECKING:
    from pyarrow import NativeFile

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
"""Endings, and the compression they stand for."""
_TESTS = {"gzip": "gzip -t", "zstd": "zstd -t"}


def bare_name(path: Path) -> str:
    """Return a file's name without the ending of its compression: "a.jsonl" for a.jsonl.gz."""
    return path.stem if path.suffix.lower() in COMPRESSIONS else path.name


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading, decompressed if it ends in one of :data:`COMPRESSIONS`.

    Raises:
        OSError: It cannot be opened.
        DataError: It is a pipe. While it is read: the compressed data is damaged or breaks off.
    """
    if path.is_fifo():
        raise DataError(
            "this is a pipe, and a file is read more than once",
            where=str(path),
            fix="Give - for standard input, and pipe the rows there: … | textgraft … -",
        )
    compression = COMPRESSIONS.get(path.suffix.lower())
    if compression is None:
        return path.open("rb")
    import pyarrow

    # Python has no zstd before 3.14. Several streams, one after the other in a file, are read as one.
    raw = pyarrow.input_stream(str(path), compression=compression)
    return cast("BinaryIO", io.BufferedReader(_Decompressed(raw, path, compression), 1 << 20))


class _Decompressed(io.RawIOBase):
    """A decompressing stream whose errors say what is wrong with the file."""

    def __init__(self, stream: NativeFile, path: Path, compression: str) -> None:
        super().__init__()
        self._stream, self._path, self._compression = stream, path, compression

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # whatever has a buffer
        try:
            data = self._stream.read(len(buffer))
        except OSError as error:
            raise DataError(
                f"the compressed data is damaged or breaks off: {str(error).strip().splitlines()[0]}",
                where=str(self._path),
                fix=f"Copy or download the file again; {_TESTS[self._compression]} tells if it is whole.",
            ) from error
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()
