"""How the records of a comparison are read: JSON with a checksum, and a format version asked first."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from textgraft.errors import ModelError
from textgraft.integrity import read_members, read_record

FORMAT = 4
"""Of all records of a comparison. Format 3 had the same sizes for all contenders."""
NOT_A_COMPARISON = "Give the folder that textgraft compare wrote, or run the comparison again."

Record = TypeVar("Record", bound=msgspec.Struct)


def load_record(path: Path, kind: type[Record], fix: str) -> Record:
    """Read a record.

    Args:
        path: Its file.
        kind: What it is of.
        fix: What to do where it is damaged.

    Raises:
        DamagedError: The file is missing or has other content than was written.
        ModelError: Another version of textgraft wrote it.
    """
    found = read_members(path, fix=fix).get("format", 2)
    if found != FORMAT:
        raise ModelError(
            f"this file has the format {found}, and this version of textgraft reads format {FORMAT}",
            where=str(path),
            fix="Run the comparison again into another folder, or use the version that wrote this one.",
        )
    return read_record(path, kind, fix=fix)
