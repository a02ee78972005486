"""Text files as numbered lines: encodings recognised, damage marked, memory bounded."""

from __future__ import annotations

import codecs
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from textgraft.data.formats.compressed import open_bytes
from textgraft.data.formats.scripts_of_bytes import tell_encoding
from textgraft.errors import DataError

LONGEST_ROW = 1_000_000
"""Rows of more characters are rejected, so that a damaged file cannot fill the memory: twice a novel."""

_HEAD = 4096
_CHUNK = 1 << 20
# The longer marks first: that of UTF-32 begins with that of UTF-16.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_FOREIGN_FORMATS: tuple[tuple[bytes | tuple[bytes, ...], str, str], ...] = (
    (
        b"PK\x03\x04",
        "a ZIP archive or an Excel workbook",
        "Give a workbook its ending, .xlsx or .ods, and an archive of one file .zip.",
    ),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "Save it as .xlsx, or the sheet as CSV (UTF-8)."),
    (b"\x1f\x8b", "compressed with gzip", "Give it the ending .gz, as in reviews.csv.gz."),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "Give it the ending .zst, as in reviews.csv.zst."),
    (b"\xfd7zXZ\0", "compressed with xz", "Give it the ending .xz, as in reviews.csv.xz."),
    (
        tuple(b"BZh%d1AY&SY" % level for level in range(1, 10)),
        "compressed with bzip2",
        "Give it the ending .bz2, as in reviews.csv.bz2.",
    ),
    (b"%PDF", "a PDF", "Extract its text into a CSV file first."),
    (b"SQLite format 3", "an SQLite database", "Export the table as CSV first."),
    (b"PAR1", "a Parquet file", "Give it the ending .parquet."),
)
_NOT_IN_WINDOWS_1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_UNDECODED_BYTE = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class Encoding:
    """The character encoding of a file."""

    codec: str
    """As Python names it."""
    title: str
    """As people name it."""
    byte_order_mark: bool = False
    first_undecodable_line: int | None = None
    """First line, counted from 1, that is not UTF-8; None when all are."""


class Line(NamedTuple):
    """One line of a text file, its end-of-line characters included."""

    number: int
    text: str
    """The whole line; the first 200 characters of one that is too long."""
    problem: str | None = None
    """Why the line cannot be used, as a reason for :class:`~textgraft.data.dataset.Rejected`."""
    odd_quotes: bool = False
    """Whether the number of double quotes in the line is odd (the cut part of a long line included)."""


def detect_encoding(path: Path) -> Encoding:
    """Recognise the encoding of a text file from its byte order mark or its bytes.

    Without a mark the file is UTF-8, unless most of its lines with other than ASCII characters are not valid
    UTF-8: then it is Windows-1252, or Latin-1 if it has bytes that Windows-1252 leaves undefined; or, where
    whole words lie beyond ASCII, what :mod:`textgraft.data.formats.scripts_of_bytes` tells.

    Raises:
        DataError: The file is empty or not a text file.
    """
    with open_bytes(path) as handle:
        head = handle.read(_HEAD)
    if len(head) < _HEAD and not head.strip(b"\r\n\t \xef\xbb\xbf\xff\xfe"):
        raise DataError("the file is empty", where=str(path), fix="Check that it was written to the end.")
    for magic, name, fix in _FOREIGN_FORMATS:
        if head.startswith(magic):
            raise DataError(f"this is not a text file but {name}", where=str(path), fix=fix)
    for mark, codec, title in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return Encoding(codec, title, byte_order_mark=True)
    # In UTF-16 every other byte of a Western text is zero; in UTF-8 none is.
    even_zeros, odd_zeros = head[0::2].count(0), head[1::2].count(0)
    if max(even_zeros, odd_zeros) > len(head) // 4 and not min(even_zeros, odd_zeros):
        return Encoding("utf-16-le" if odd_zeros else "utf-16-be", "UTF-16")
    return Encoding("utf-8", "UTF-8") if _is_utf8(path) else _judge_broken_lines(path)


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open_bytes(path) as handle:
        try:
            while chunk := handle.read(_CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _judge_broken_lines(path: Path) -> Encoding:
    """Decide between UTF-8 with a few damaged lines and an encoding of one byte a character."""
    valid = broken = 0
    number, first = 1, None
    sample = b""
    beyond_windows = False
    with open_bytes(path) as handle:
        while piece := handle.readline(_CHUNK):
            if not piece.isascii():
                try:
                    piece.decode()
                    valid += 1
                except UnicodeDecodeError:
                    broken += 1
                    first = first or number
                    beyond_windows = beyond_windows or bool(_NOT_IN_WINDOWS_1252.search(piece))
                    if len(sample) < _HEAD:
                        sample += piece[: 4 * _HEAD]
            number += piece.endswith(b"\n")
    if valid >= broken:
        return Encoding("utf-8", "UTF-8", first_undecodable_line=first)
    if (told := tell_encoding(sample)) is not None:
        return Encoding(*told, first_undecodable_line=first)
    codec, title = ("latin-1", "Latin-1") if beyond_windows else ("cp1252", "Windows-1252")
    return Encoding(codec, title, first_undecodable_line=first)


class TextLines:
    """The lines of a text file, numbered from 1; lines read ahead can be given back.

    No more than :data:`LONGEST_ROW` characters of a line are held, however long the lines of the file are.
    """

    def __init__(self, path: Path, encoding: Encoding) -> None:
        self._unread: deque[Line] = deque()
        self._lines = self._read(path, encoding)

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        return self._unread.popleft() if self._unread else next(self._lines)

    def give_back(self, lines: Iterable[Line]) -> None:
        """Put ``lines`` in front again, to be read next in the same order."""
        self._unread.extendleft(reversed(list(lines)))

    @staticmethod
    def _read(path: Path, encoding: Encoding) -> Iterator[Line]:
        is_utf8 = encoding.title == "UTF-8"
        # Bytes that are not UTF-8 pass as lone surrogates, so that their line can be told from the others.
        errors = "surrogateescape" if is_utf8 else "replace"
        damaged = is_utf8 and encoding.first_undecodable_line is not None
        with (
            open_bytes(path) as stream,
            io.TextIOWrapper(stream, encoding=encoding.codec, errors=errors, newline="") as handle,
        ):
            number = 0
            while text := handle.readline(LONGEST_ROW):
                number += 1
                problem = None
                odd_quotes = '"' in text and text.count('"') % 2 == 1
                if len(text) == LONGEST_ROW and not text.endswith(("\n", "\r")):
                    problem = f"too long: the line has more than {LONGEST_ROW:,} characters"
                    more = text
                    while not more.endswith(("\n", "\r")) and (more := handle.readline(LONGEST_ROW)):
                        odd_quotes ^= more.count('"') % 2 == 1
                    text = text[:200]
                elif "\0" in text:
                    problem = "NUL byte: the line holds binary data"
                elif damaged and (found := _UNDECODED_BYTE.search(text)):
                    byte = ord(found.group()) - 0xDC00
                    problem = f"broken UTF-8: byte 0x{byte:02x} at character {found.start() + 1}"
                    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
                elif not is_utf8 and "\ufffd" in text:
                    problem = f"broken {encoding.title}: at character {text.index(chr(0xFFFD)) + 1}"
                yield Line(number, text, problem, odd_quotes)
