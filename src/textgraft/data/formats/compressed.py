"""Files as streams of bytes, decompressed on the way where their ending says so.

Nothing is unpacked but what is asked for, so that a file of a few bytes cannot fill the memory, whatever it
unpacks to.
"""

from __future__ import annotations

import bz2
import io
import lzma
import shlex
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from textgraft.errors import DataError

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bzip2", ".xz": "xz", ".zip": "zip"}
"""Endings, and the compression they stand for. A .zip holds one file, whose name tells its format."""
XZ_MEMORY = 1 << 28
"""Bytes that unpacking an .xz may take: four times what ``xz -9`` asks for."""
_ZIP = ".zip"
_TESTS = {"gzip": "gzip -t", "zstd": "zstd -t", "bzip2": "bzip2 -t", "xz": "xz -t", "zip": "unzip -t"}
_BLOCK = 1 << 16
_SHOWN = 8
_DAMAGES = (OSError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile)


def bare_name(path: Path) -> str:
    """Return a file's name without the ending of its compression: "a.jsonl" for a.jsonl.gz.

    Of a .zip it is the name of the file inside.

    Raises:
        DataError: It is a .zip that is damaged, or holds several files or none.
    """
    if path.suffix.lower() == _ZIP and path.is_file():
        with _open_zip(path) as archive:
            return Path(_only_file(archive, path).filename).name
    return path.stem if path.suffix.lower() in COMPRESSIONS else path.name


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading, decompressed if it ends in one of :data:`COMPRESSIONS`.

    Raises:
        OSError: It cannot be opened.
        DataError: It is a pipe; or a .zip that is locked, or holds several files or none. Also while it is
            read: the compressed data is damaged or breaks off.
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
    return cast("BinaryIO", io.BufferedReader(_Decompressed(_unpacked(path, compression), path), 1 << 20))


class _Stream(Protocol):
    """What gives the next bytes, at most so many; none at its end."""

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


def _unpacked(path: Path, compression: str) -> _Stream:
    if compression == "zip":
        return _ZipFile(path)
    if compression == "xz":
        return _XzFile(path)
    if compression == "bzip2":
        return bz2.BZ2File(path)
    import pyarrow

    # Python has no zstd before 3.14. Several streams, one after the other in a file, are read as one.
    stream: _Stream = pyarrow.input_stream(str(path), compression=compression)
    return stream


class _Decompressed(io.RawIOBase):
    """A decompressing stream whose errors say what is wrong with the file."""

    def __init__(self, stream: _Stream, path: Path) -> None:
        super().__init__()
        self._stream, self._path = stream, path

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # whatever has a buffer
        try:
            data = self._stream.read(len(buffer))
        except _DAMAGES as error:
            raise _damaged(self._path, error) from error
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _XzFile:
    """An .xz file, or several one after the other; Python's own reader does not bound its memory."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._unpacker = lzma.LZMADecompressor(memlimit=XZ_MEMORY)
        self._packed = b""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most so many."""
        while True:
            if self._unpacker.eof:
                # Behind a stream may stand zeros, and the next one.
                self._packed = self._unpacker.unused_data.lstrip(b"\0")
                while not self._packed:
                    block = self._file.read(_BLOCK)
                    if not block:
                        return b""
                    self._packed = block.lstrip(b"\0")
                self._unpacker = lzma.LZMADecompressor(memlimit=XZ_MEMORY)
            elif self._unpacker.needs_input:
                self._packed = self._file.read(_BLOCK)
                if not self._packed:
                    raise EOFError("the end is missing")
            data, self._packed = self._unpacker.decompress(self._packed, size), b""
            if data:
                return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _ZipFile:
    """The one file in a .zip."""

    def __init__(self, path: Path) -> None:
        self._archive = _open_zip(path)
        try:
            self._stream = self._archive.open(_only_file(self._archive, path))
        except BaseException as error:
            self._archive.close()
            if isinstance(error, _DAMAGES):
                raise _damaged(path, error) from error
            raise

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most so many."""
        return self._stream.read(size)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        self._archive.close()


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise _damaged(path, error) from error


def _only_file(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    """Return the file in an archive, beside what systems put there by themselves."""
    files = [info for info in archive.infolist() if not info.is_dir() and not _is_by_the_way(info.filename)]
    if not files:
        raise DataError("the archive holds no file", where=str(path), fix="Check how it was written.")
    if len(files) > 1:
        names = [info.filename for info in files]
        shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
        raise DataError(
            f"the archive holds {len(names):,} files, and one is read: {shown}",
            where=str(path),
            fix=f"Say which: unzip -p {shlex.quote(str(path))} {shlex.quote(names[0])} | textgraft … -",
        )
    (found,) = files
    if found.flag_bits & 1:
        raise DataError(
            "the archive is locked with a password", where=str(path), fix="Unpack it, and give the file."
        )
    # Python unpacks what was packed in other ways a block at a time, and of such there are bombs.
    if found.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(
            f"the archive is packed in a way (method {found.compress_type}) that is not read here",
            where=str(path),
            fix="Unpack it, and give the file.",
        )
    return found


def _is_by_the_way(name: str) -> bool:
    return name.startswith("__MACOSX/") or Path(name).name.startswith(".")


def _damaged(path: Path, error: BaseException) -> DataError:
    told = (str(error).strip() or type(error).__name__).splitlines()[0]
    test = _TESTS[COMPRESSIONS[path.suffix.lower()]]
    return DataError(
        f"the compressed data is damaged or breaks off: {told}",
        where=str(path),
        fix=f"Copy or download the file again; {test} tells if it is whole.",
    )
