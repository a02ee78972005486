"""Answers beside the columns of the rows that they answer: what a line of a written file holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from textgraft.data.dataset import Dataset

ID, LINE = "id", "line"
TAKEN = "predicted_"
"""What stands before the name of an answer's value, where the file has a column of that name."""


def written_rows(answers: Iterable[Mapping[str, Any]], dataset: Dataset) -> Iterator[dict[str, Any]]:
    """Yield for each row its id, the columns of its file, and what was predicted.

    The file's columns keep their names and what stands in them. Where one is called as a value of the answer,
    that value is called otherwise: ``predicted_label``, and ``line`` for the id.

    Args:
        answers: Of each row, with its id; a table's are flat.
        dataset: The rows, in the same order.
    """
    columns = dataset.beside
    name = _id_name(columns, dataset.id_column)
    for answer, values in zip(answers, _rows(columns, len(dataset)), strict=True):
        kept = dict(zip(columns, values, strict=True))
        ours = {_free(key, kept): value for key, value in answer.items() if key != ID}
        yield {**({name: answer[ID]} if name is not None else {}), **kept, **ours}


def _rows(columns: Mapping[str, list[Any]], rows: int) -> Iterator[tuple[Any, ...]]:
    return zip(*columns.values(), strict=True) if columns else iter([()] * rows)


def _id_name(columns: Collection[str], id_column: str | None) -> str | None:
    """Return what the id is called; None where one of the columns is the id."""
    if id_column is not None:
        return None if id_column in columns else id_column
    return _free(LINE if ID in columns else ID, columns)


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name = TAKEN + name
    return name
