"""Standard input in place of a file: whatever a command reads can be piped into it, as "-"."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from textgraft.errors import OptionError, TextgraftError, unknown
from textgraft.files import STANDARD_INPUT as CALLED
from textgraft.files import called, holding_standard_input, output_errors

STANDARD_INPUT = "-"
FORMATS = ("csv", "tsv", "jsonl", "json", "txt", "conll", "parquet", "xlsx", "ods")
"""What standard input may hold, named as the endings of files are."""
_STEM = "standard-input"
_PARQUET, _ZIP = b"PAR1", b"PK\x03\x04"
_PACKED = ((b"\x1f\x8b", "gz"), (b"\x28\xb5\x2f\xfd", "zst"), (b"BZh", "bz2"), (b"\xfd7zXZ\0", "xz"))
_WORKBOOKS = {"[Content_Types].xml": "xlsx", "content.xml": "ods"}
"""Files that an archive holds which is a workbook."""
_SEEN = 1 << 16
"""Bytes that are looked at to tell a format."""


@dataclass(frozen=True)
class Reads:
    """Marks an argument or option of a command as a file that is read: it may be "-".

    Args:
        plain: The format of what shows none: "csv" where rows have labels, "txt" where a line is a text.
    """

    plain: str = "csv"


@dataclass(frozen=True)
class Writes:
    """Marks an option of a command as a file that is written: it may be "-", for standard output."""


LABELLED_ROWS = Reads()
TEXTS = Reads("txt")
STANDARD_OUTPUT = Writes()


def is_piped(source: str | Path | None) -> bool:
    """Tell whether a file holds what came by standard input."""
    return source is not None and called(source) == CALLED


@contextlib.contextmanager
def piped_file(form: str | None, plain: str) -> Iterator[Path]:
    """Put standard input into a file of this process while it is read; in errors it has no other name.

    Args:
        form: One of :data:`FORMATS`; told by the content where it is None.
        plain: As in :class:`Reads`.

    Raises:
        OptionError: There is no such format, or nothing comes.
    """
    if form is not None and form not in FORMATS:
        raise unknown("format", form, FORMATS, where="--format")
    content = sys.stdin.buffer.read()
    if not content.strip():
        raise OptionError("nothing comes by it", where=CALLED, fix="Pipe rows into it, or name a file.")
    with tempfile.TemporaryDirectory(prefix="textgraft-") as folder:
        path = Path(folder) / f"{_STEM}.{told_format(content, plain, form)}"
        with output_errors(path):
            path.write_bytes(content)
        try:
            with holding_standard_input(path):
                yield path
        except TextgraftError as error:
            # The user knows nothing of the file that it went through.
            error.where = error.where and error.where.replace(str(path), CALLED)
            error.what = error.what.replace(str(path), CALLED)
            error.fix = error.fix and error.fix.replace(str(path), CALLED)
            raise


def told_format(content: bytes, plain: str, form: str | None = None) -> str:
    """Tell the format of rows by how they begin.

    Args:
        content: All of them.
        plain: The format of text that shows none.
        form: The format that the user named; compressed rows are still told to be so.

    Returns:
        The ending of a file of that format.
    """
    for magic, packed in _PACKED:
        if content.startswith(magic):
            return f"{form or plain}.{packed}"
    if content.startswith(_ZIP):
        found = _archive(content)
        return found if form is None or found == "zip" else form
    if form is not None:
        return form
    if content.startswith(_PARQUET):
        return "parquet"
    text = content[:_SEEN].decode("utf-8-sig", errors="replace").lstrip()
    first = text.partition("\n")[0]
    if first.startswith("["):
        return "json"
    if first.startswith("{"):
        try:
            json.loads(first)
        except ValueError:
            return "json" if first.strip() == "{" else plain
        return "jsonl"
    if first.startswith("__label__"):
        return "txt"
    return "conll" if plain == "csv" and _is_tagged(text) else plain


def _archive(content: bytes) -> str:
    """Tell workbooks from other archives."""
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist())
    except zipfile.BadZipFile:
        return "zip"  # whoever opens it says so
    return next((form for name, form in _WORKBOOKS.items() if name in names), "zip")


def _is_tagged(text: str) -> bool:
    """Tell whether words and their tags stand in lines of their own, sentences apart from each other."""
    lines = [line.split() for line in text.splitlines()[:200]]
    words = [line for line in lines if line and not line[0].startswith(("-DOCSTART-", "#"))]
    tagged = sum(
        len(line) > 1 and (line[-1] == "O" or line[-1][:2] in ("B-", "I-", "E-", "S-", "L-", "U-"))
        for line in words
    )
    return bool(words) and tagged > len(words) / 2
