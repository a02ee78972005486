"""What the user named of his rows: their task, their columns and their files, checked at once."""

from __future__ import annotations

import os
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, InstanceOf

from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import GivenTable, as_source
from textgraft.settings import Checked


def _path(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _columns(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _rows(value: Any) -> Any:
    return None if value is None else as_source(value, where="test or dev", labelled=True)


FilePath = Annotated[str, BeforeValidator(_path)]
Columns = Annotated[list[str], BeforeValidator(_columns)]
OwnRows = Annotated[str | InstanceOf[GivenTable] | InstanceOf[Dataset] | None, BeforeValidator(_rows)]
"""A file, or rows that are given in its place."""


class RowSettings(Checked):
    """Which rows are read, and how.

    Raises:
        OptionError: A key does not exist (the nearest is suggested), or a value cannot be used.
    """

    kind: ClassVar[str] = "option"

    task: str | None = None
    """Guessed from the file if left out."""
    text: Columns | None = None
    """Text columns, guessed from common names if left out; so are the following ones."""
    label: Columns | None = None
    id_column: str | None = None
    """Column that names rows."""
    group: str | None = None
    """Column whose equal values never straddle splits."""
    merge_labels: bool = False
    """Whether labels that differ in spelling alone, as Food and food, are one label, in all files alike."""
    offsets: str = "characters"
    """What the offsets of spans and answers count: "characters", "utf-16" or "utf-8"."""
    dev: OwnRows = None
    """Own dev rows, a file or given; otherwise a tenth of the rows."""
    test: OwnRows = None
    """Own test rows, likewise; otherwise a fifth of the rows, fixed by hash."""

    @classmethod
    def place(cls, name: str) -> str:
        """Name the option of the command line."""
        return "--" + {"id_column": "id"}.get(name, name).replace("_", "-")
