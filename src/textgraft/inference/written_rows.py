"""Answers beside the columns of the rows that they answer: what a line of a written file holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from textgraft.data.dataset import Dataset

ID, LINE = "id", "line"
GIVEN = "given_"
"""What stands before the name of a file's column that is called as a value of the answer."""


def written_rows(answers: Iterable[Mapping[str, Any]], dataset: Dataset) -> Iterator[dict[str, Any]]:
    """Yield for each row its id, the columns of its file, and what was predicted.

    The values of answers are called alike for every file, so a column of one of their names is called
    otherwise: ``given_label``. Where a column is called ``id`` and no column of ids was named, it stays, and
    the row's line is called ``line``.

    Args:
        answers: Of each row, with its id; a table's are flat.
        dataset: The rows, in the same order.
    """
    columns = dataset.beside
    key = _id_name(columns, dataset.id_column)
    for answer, values in zip(answers, _rows(columns, len(dataset)), strict=True):
        row = {key: answer[ID]}
        taken = {*answer, key} - {ID}
        for name, value in zip(columns, values, strict=True):
            if name != dataset.id_column:
                row[_free(name, {*taken, *row})] = value
        yield {**row, **{name: value for name, value in answer.items() if name != ID}}


def _rows(columns: Mapping[str, list[Any]], rows: int) -> Iterator[tuple[Any, ...]]:
    return zip(*columns.values(), strict=True) if columns else iter([()] * rows)


def _id_name(columns: Collection[str], id_column: str | None) -> str:
    if id_column is not None:
        return id_column
    return LINE if ID in columns else ID


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name = GIVEN + name
    return name
