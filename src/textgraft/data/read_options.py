"""The keywords of every task's ``read``: what can be said of a file beside where it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from textgraft.errors import OptionError, unknown


class TextColumns(TypedDict, total=False):
    """Which columns of rows to predict are read; what is left out, or None, is told by names and values."""

    text: str | Sequence[str] | None
    """The text column or columns, in the order to join them."""
    id_column: str | None
    """A column whose values are unique; without it ids are the row numbers "1", "2", …."""


class ColumnNames(TextColumns, total=False):
    """Which columns of any rows are read, likewise."""

    label: str | Sequence[str] | None
    """The label column, or one for each label where the task allows it. Not read unless ``labelled``."""
    group: str | None
    """A column whose equal values must stay on one side of every split."""
    labelled: bool
    """Whether rows need a label; they do if this is left out."""


class Offsets(TypedDict, total=False):
    """How files say where something stands."""

    offsets: str
    """What the offsets of spans and answers count: "characters", "utf-16" or "utf-8"."""


class ReadOptions(ColumnNames, Offsets, total=False):
    """All of it. Only tasks whose files have offsets take ``offsets``."""


def read_options(given: ReadOptions) -> ReadOptions:
    """Return what was given, for a task whose files have offsets.

    Raises:
        OptionError: A keyword does not exist; the nearest is suggested.
    """
    return _known(given, ReadOptions)


def column_names(given: ReadOptions) -> ColumnNames:
    """Return what was given, for a task whose files have no offsets.

    Raises:
        OptionError: A keyword does not exist (the nearest is suggested), or offsets are given.
    """
    if "offsets" in given:
        raise OptionError("the files of this task have no offsets", where="offsets", fix="Leave it out.")
    return _known(given, ColumnNames)


def _known(given: ReadOptions, kind: type[ReadOptions | ColumnNames]) -> ReadOptions:
    for name in given:
        if name not in kind.__annotations__:
            raise unknown("keyword", name, kind.__annotations__)
    return given
