"""The columns of a file that a task does not read: who wrote a row, when, through which channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from textgraft.data.columns import as_tuple
from textgraft.data.dataset import Dataset, Rejected
from textgraft.data.formats.given import Source
from textgraft.data.readers.reading import open_table
from textgraft.errors import DataError, unknown

MOST_COLUMNS = 50
"""Of a wider file the first ones are looked at, unless they are named."""


def side_columns(
    source: Source, dataset: Dataset, names: Sequence[str] | None = None
) -> dict[str, list[Any]]:
    """Read the columns of a file besides those of text, label and id, a value for each row that is used.

    Args:
        source: The file that the rows were read from.
        dataset: The rows, as read.
        names: Only these columns; all others if None.

    Returns:
        By name the values of each row, None where one is missing; nothing for files that are no tables.

    Raises:
        OptionError: A named column does not exist.
    """
    try:
        table = open_table(source)
        columns = table.columns
        wanted = list(names) if names is not None else _others(columns, dataset)
        for name in wanted:
            if name not in columns:
                raise unknown("column", name, columns, where=str(source))
        values = {row.line: row.values for row in table.rows(wanted) if not isinstance(row, Rejected)}
    except (DataError, OSError):
        if names:
            raise
        return {}
    if not wanted or any(line not in values for line in dataset.lines):
        return {}  # its rows are made of several of the table's, as sentences of words
    return {name: [values[line][at] for line in dataset.lines] for at, name in enumerate(wanted)}


def with_columns(source: Source, dataset: Dataset) -> Dataset:
    """Put all columns of a table beside the rows that were read from it, for answers to be written with them.

    Args:
        source: The file that the rows were read from.
        dataset: The rows, as read. They stay as they are where a row is none of a table, as in CoNLL columns,
            or is made of several, as a sentence of words.
    """
    try:
        table = open_table(source, labelled=False)
        names = [name for name in table.columns if table.columns.count(name) == 1]
        if dataset.notes is None or table.format != dataset.notes.format:
            return dataset
        rows = list(table.rows(names))
    except (DataError, OSError):
        return dataset
    values = {row.line: row.values for row in rows if not isinstance(row, Rejected)}
    if len(rows) != dataset.notes.total_rows or any(line not in values for line in dataset.lines):
        return dataset
    found = {name: [values[line][at] for line in dataset.lines] for at, name in enumerate(names)}
    return replace(dataset, beside=found)


def _others(columns: Sequence[str], dataset: Dataset) -> list[str]:
    used = {*dataset.columns, *as_tuple(dataset.label_column), dataset.id_column}
    return [name for name in columns if name not in used and columns.count(name) == 1][:MOST_COLUMNS]
