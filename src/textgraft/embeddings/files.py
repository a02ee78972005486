"""Files of word vectors: GloVe's text, word2vec's text and binary, and gzip of each.

The formats, which the programs of their authors write:

GloVe text (Pennington et al. 2014)
    A line a word: the word and its numbers, a single space between. Words may hold spaces.
word2vec text (Mikolov et al. 2013; fastText's .vec is the same)
    The same below a first line with the number of words and the number of dimensions.
word2vec binary
    That first line; then for each word its bytes, a space and its numbers as little-endian float32, with or
    without a line end after them.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import re
import zlib
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from textgraft.errors import DataError, OptionError
from textgraft.files import atomic_writer, output_errors, sha256_file, write_atomic

_HEADER = re.compile(rb"(\d+)[ \t]+(\d+)[ \t]*\r?\n")
_SAMPLE = 4096
_LONGEST_WORD = 4096
"""Bytes without a space after which a binary file is taken for damaged."""


def read_vectors(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    """Read a file of word vectors; its format is told by its content.

    Returns:
        The words, and their vectors as rows, float32 [words, size].

    Raises:
        DataError: The file is missing, damaged or no file of word vectors, or a line is ragged, repeats a
            word or holds a number that is not finite; names the line.
    """
    values: array[float] | bytearray
    _check_written(path)
    with _reading(path) as handle:
        header = _HEADER.fullmatch(handle.readline(_SAMPLE))
        if header is None:
            handle.seek(0)
            words, values, first = *_read_text(path, handle, None, 1), 1
            size = len(values) // len(words)
        else:
            count, size = (int(group) for group in header.groups())
            if not count or not size:
                raise _no_vectors(path)
            start = handle.tell()
            is_binary = _looks_binary(handle.read(_SAMPLE), size)
            handle.seek(start)
            if is_binary:
                words, values, first = *_read_binary(path, handle, count, size), None
            else:
                words, values, first = *_read_text(path, handle, size, 2), 2
            if len(words) != count:
                raise DataError(
                    f"the first line promises {count:,} words, and the file holds {len(words):,}",
                    where=str(path),
                    fix="It was not copied to its end: fetch it again.",
                )
    matrix = np.frombuffer(values, dtype="<f4").astype(np.float32).reshape(len(words), size)
    _check(path, words, matrix, first)
    return words, matrix


ENDINGS = tuple(f"{kind}{packed}" for kind in (".txt", ".vec", ".bin") for packed in ("", ".gz"))
"""Of files of word vectors that are written: GloVe's, and word2vec's text and binary form."""


def write_vectors(path: Path, words: Sequence[str], matrix: NDArray[np.float32]) -> None:
    """Write word vectors atomically, in the format that the file's name tells, and their SHA-256 beside them.

    ``.bin`` is word2vec's binary form, ``.vec`` its text, any other name GloVe's text; a further ``.gz``
    compresses it. Text has nine digits a number, which give the same float32 again.

    Args:
        path: The file; one that stood there before is replaced.
        words: Without white space in them.
        matrix: Their vectors, float32 [words, size].

    Raises:
        OptionError: A word holds white space, which these formats have no place for.
        OutputError: The file cannot be written.
    """
    for word in words:
        if not word or word.split() != [word]:
            raise OptionError(f"the word {word!r} is empty or holds white space", where=str(path))
    suffixes = path.suffixes[-2:]
    is_packed = suffixes[-1:] == [".gz"]
    kind = suffixes[0] if is_packed and len(suffixes) == 2 else path.suffix
    rows = np.ascontiguousarray(matrix, dtype="<f4")
    with output_errors(path):
        _hash_file(path).unlink(missing_ok=True)  # never beside a file that it does not belong to
    with atomic_writer(path) as file, contextlib.ExitStack() as stack:
        # Without the time of writing in it, equal vectors make equal files.
        handle = stack.enter_context(gzip.GzipFile("", "wb", fileobj=file, mtime=0)) if is_packed else file
        if kind in (".bin", ".vec"):
            handle.write(b"%d %d\n" % rows.shape)
        pattern = "%s" + " %.9g" * rows.shape[1] + "\n"
        for word, row in zip(words, rows, strict=True):
            if kind == ".bin":
                handle.write(word.encode() + b" " + row.tobytes() + b"\n")
            else:
                handle.write((pattern % (word, *row.tolist())).encode())
    write_atomic(_hash_file(path), f"{sha256_file(path)}  {path.name}\n")


def _hash_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _check_written(path: Path) -> None:
    """Compare a file with the SHA-256 beside it, if there is one, in the form of the program sha256sum."""
    beside = _hash_file(path)
    if not path.is_file() or not beside.is_file():
        return
    if beside.read_bytes()[:64] != sha256_file(path).encode():
        raise DataError(
            "the file has other content than was written: it was damaged or changed",
            where=str(path),
            fix=f"Copy it again; if you changed it on purpose, delete {beside.name}.",
        )


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, unpacked where it is packed; turn what goes wrong in reading it into DataError."""
    try:
        with contextlib.ExitStack() as stack:
            handle: IO[bytes] = stack.enter_context(path.open("rb"))
            magic = handle.read(2)
            handle.seek(0)
            if magic == b"\x1f\x8b":
                handle = cast("IO[bytes]", stack.enter_context(gzip.open(handle)))
            yield handle
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"the packed file is damaged: {error}", where=str(path), fix="Fetch or copy it again."
        ) from error
    except OSError as error:
        raise DataError(
            f"the word vectors cannot be read: {error.strerror}",
            where=str(path),
            fix="Give a file in GloVe's or word2vec's format.",
        ) from error


def _looks_binary(sample: bytes, size: int) -> bool:
    """Tell word2vec's binary form from its text by what follows the first word."""
    row = sample.partition(b" ")[2]
    if sum(map(_is_number, row.partition(b"\n")[0].split())) == size:
        return False
    return any(byte not in b"\r\n\t" and not 32 <= byte <= 126 for byte in row[: 4 * size])


def _read_text(path: Path, handle: IO[bytes], size: int | None, first: int) -> tuple[list[str], array[float]]:
    """Read lines of words and numbers, the first of them being line ``first`` of the file."""
    words, values = [], array("f")
    for line, content in enumerate(handle, first):
        fields = content.rstrip().split(b" ")
        if size is None:
            size = min(len(fields) - 1, len(list(itertools.takewhile(_is_number, reversed(fields)))))
            if size < 1:
                raise _no_vectors(path)
        # The field before the numbers ends the word; were it a number, too, there would be one too many.
        if len(fields) <= size or (len(fields) > size + 1 and _is_number(fields[-size - 1])):
            expected = f"{size} numbers" if size > 1 else "1 number"
            raise _wrong(path, line, f"a word and {expected} are expected, and there are {len(fields)} parts")
        try:
            words.append(b" ".join(fields[:-size]).decode())
            values.extend(map(float, fields[-size:]))
        except UnicodeDecodeError as error:
            raise _wrong(path, line, "the word is not UTF-8") from error
        except ValueError as error:
            odd = next(field for field in fields[-size:] if not _is_number(field))
            raise _wrong(path, line, f"{odd.decode(errors='replace')!r} is no number") from error
        if not words[-1]:
            raise _wrong(path, line, "there is no word before the numbers")
    if not words:
        raise _no_vectors(path)
    return words, values


def _read_binary(path: Path, handle: IO[bytes], count: int, size: int) -> tuple[list[str], bytearray]:
    """Read ``count`` words, each with ``size`` numbers of four bytes, or as many as there are."""
    words, values = [], bytearray()
    for number in range(1, count + 1):
        word = bytearray()
        while (byte := handle.read(1)) not in (b" ", b""):
            word += byte
            if len(word) > _LONGEST_WORD:
                raise _wrong(path, number, "no word ends here: the file is damaged", "word")
        row = handle.read(4 * size)
        if len(row) < 4 * size:
            break
        try:
            words.append(word.lstrip(b"\n").decode())
        except UnicodeDecodeError as error:
            raise _wrong(path, number, "the word is not UTF-8", "word") from error
        values += row
    return words, values


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _check(path: Path, words: list[str], matrix: NDArray[np.float32], first: int | None) -> None:
    """Refuse numbers that are not finite and words that stand there twice."""
    kind, first = ("word", 1) if first is None else ("line", first)
    odd = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(odd):
        word = words[odd[0]]
        raise _wrong(path, odd[0] + first, f"a number of the word {word!r} is not finite", kind)
    rows: dict[str, int] = {}
    for row, word in enumerate(words):
        if (earlier := rows.setdefault(word, row)) != row:
            raise _wrong(path, row + first, f"the word {word!r} is on {kind} {earlier + first}, too", kind)


def _wrong(path: Path, place: int, what: str, kind: str = "line") -> DataError:
    return DataError(what, where=f"{path}, {kind} {place}", fix="Correct the file, or fetch it again.")


def _no_vectors(path: Path) -> DataError:
    return DataError(
        "this is no file of word vectors",
        where=str(path),
        fix="Give GloVe's text (a word and its numbers a line) or word2vec's text or binary form.",
    )
