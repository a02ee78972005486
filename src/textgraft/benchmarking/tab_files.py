"""GLUE's own files: fields between tabs, and quotes that are nothing but quotes.

A reader of CSV takes a quote at the beginning of a field for the beginning of a quoted one, and many of these
sentences begin with one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from textgraft.data.formats.given import GivenTable
from textgraft.data.formats.lines import TextLines, detect_encoding
from textgraft.errors import DataError


def read_tabs(path: Path, without_header: Sequence[str], known: Collection[str]) -> GivenTable:
    """Read such a file; fields that a line lacks are missing, and its row is set aside later.

    Args:
        path: The file.
        without_header: Its columns, where it has no header.
        known: Names of columns, one of which a header has.

    Raises:
        DataError: The file is empty or not text, or has a header without any of these names.
    """
    lines = [line.text.rstrip("\r\n").split("\t") for line in TextLines(path, detect_encoding(path))]
    lines = [fields for fields in lines if any(field.strip() for field in fields)]
    names = [name.strip() for name in lines[0]] if lines else []
    if any(name in known for name in names):
        lines = lines[1:]
    elif without_header and len(names) == len(without_header):
        names = list(without_header)
    else:
        raise DataError(
            f"its first line has none of the columns {', '.join(sorted(known))}",
            where=str(path),
            fix="Give GLUE's files as they are downloaded.",
        )
    columns = {
        name: [fields[place] if place < len(fields) else None for fields in lines]
        for place, name in enumerate(names)
    }
    return GivenTable(columns, str(path))
