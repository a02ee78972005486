"""The keywords of every task's ``read``: what can be said of a file beside where it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict, cast

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


class Packing(TypedDict, total=False):
    """How rows are held in memory."""

    packed: bool
    """Whether texts and labels take little of it (:mod:`textgraft.data.packed`): each is then made when it is
    asked for."""


class OffsetOptions(ColumnNames, Offsets, total=False):
    """What a task takes whose files have offsets."""


class TableOptions(ColumnNames, Packing, total=False):
    """What a task takes whose rows are plain texts with their labels."""


class ReadOptions(ColumnNames, Offsets, Packing, total=False):
    """All of it. Tasks with ``has_offsets`` take ``offsets``, those with ``packs_texts`` take ``packed``."""


def read_options(given: ReadOptions) -> OffsetOptions:
    """Return what was given, for a task whose files have offsets.

    Raises:
        OptionError: A keyword does not exist; the nearest is suggested.
    """
    _must_be_of(OffsetOptions, given)
    return cast("OffsetOptions", given)


def table_options(given: ReadOptions) -> TableOptions:
    """Return what was given, for a task whose rows are plain texts with their labels.

    Raises:
        OptionError: As for :func:`column_names`.
    """
    _refuse_offsets(given)
    _must_be_of(TableOptions, given)
    return cast("TableOptions", given)


def column_names(given: ReadOptions) -> ColumnNames:
    """Return what was given, for a task whose files have no offsets.

    Raises:
        OptionError: A keyword does not exist (the nearest is suggested), or offsets are given.
    """
    _refuse_offsets(given)
    _must_be_of(ColumnNames, given)
    return cast("ColumnNames", given)


def _refuse_offsets(given: ReadOptions) -> None:
    if "offsets" in given:
        raise OptionError("the files of this task have no offsets", where="offsets", fix="Leave it out.")


def _must_be_of(kind: type[ColumnNames], given: ReadOptions) -> None:
    for name in given:
        if name not in kind.__annotations__:
            raise unknown("keyword", name, kind.__annotations__)
