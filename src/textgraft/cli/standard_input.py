"""Standard input in place of a file: whatever a command reads can be piped into it, as "-"."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from textgraft.errors import OptionError, TextgraftError, unknown

STANDARD_INPUT = "-"
FORMATS = ("csv", "tsv", "jsonl", "json", "txt", "conll", "parquet", "xlsx", "ods")
"""What standard input may hold, named as the endings of files are."""
_STEM = "standard-input"
_CALLED = "standard input"
_MAGIC = ((b"PAR1", "parquet"), (b"PK\x03\x04", "xlsx"), (b"\x1f\x8b", "gz"), (b"\x28\xb5\x2f\xfd", "zst"))
_SEEN = 1 << 16
"""Bytes that are looked at to tell a format."""


@dataclass(frozen=True)
class Reads:
    """Marks an argument or option of a command as a file that is read: it may be "-".

    Args:
        plain: The format of what shows none: "csv" where rows have labels, "txt" where a line is a text.
    """

    plain: str = "csv"


LABELLED_ROWS = Reads()
TEXTS = Reads("txt")

_piped: ContextVar[Path | None] = ContextVar("piped", default=None)


def is_piped(source: str | Path | None) -> bool:
    """Tell whether a file holds what came by standard input."""
    return source is not None and _piped.get() == Path(source)


@contextlib.contextmanager
def piped_file(form: str | None, plain: str) -> Iterator[Path]:
    """Put standard input into a file of this process while it is read; in errors it has no other name.

    Args:
        form: One of :data:`FORMATS`; told by the content where it is None.
        plain: As in :class:`Reads`.

    Raises:
        OptionError: There is no such format, or nothing comes.
    """
    from textgraft.files import output_errors

    if form is not None and form not in FORMATS:
        raise unknown("format", form, FORMATS, where="--format")
    content = sys.stdin.buffer.read()
    if not content.strip():
        raise OptionError("nothing comes by it", where=_CALLED, fix="Pipe rows into it, or name a file.")
    with tempfile.TemporaryDirectory(prefix="textgraft-") as folder:
        path = Path(folder) / f"{_STEM}.{form or told_format(content, plain)}"
        with output_errors(path):
            path.write_bytes(content)
        former = _piped.set(path)
        try:
            yield path
        except TextgraftError as error:
            # The user knows nothing of the file that it went through.
            error.where = error.where and error.where.replace(str(path), _CALLED)
            error.what = error.what.replace(str(path), _CALLED)
            raise
        finally:
            _piped.reset(former)


def told_format(content: bytes, plain: str) -> str:
    """Tell the format of rows by how they begin.

    Args:
        content: All of them.
        plain: The format of text that shows none.
    """
    for magic, form in _MAGIC:
        if content.startswith(magic):
            return f"{plain}.{form}" if form in ("gz", "zst") else form
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


def _is_tagged(text: str) -> bool:
    """Tell whether words and their tags stand in lines of their own, sentences apart from each other."""
    lines = [line.split() for line in text.splitlines()[:200]]
    words = [line for line in lines if line and not line[0].startswith(("-DOCSTART-", "#"))]
    tagged = sum(
        len(line) > 1 and (line[-1] == "O" or line[-1][:2] in ("B-", "I-", "E-", "S-", "L-", "U-"))
        for line in words
    )
    return bool(words) and tagged > len(words) / 2
