"""Tables: what ``textgraft predict`` writes, and rows to be labelled."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textgraft.data.columns import TEXT_NAMES
from textgraft.data.dataset import Dataset, Rejected
from textgraft.data.readers.reading import open_table
from textgraft.data.values import UnusableError, as_name
from textgraft.errors import DataError, OptionError
from textgraft.files import called
from textgraft.inference.written_rows import ID, LINE
from textgraft.review.exchange.base import made_item, number_or_none
from textgraft.review.items import Item
from textgraft.tasks.registry import task_class

FLAG = "needs_review"
"""The column of predictions that says which rows a person should look at."""
_SCORE, _SCORES, _EACH = "score", "scores", "score:"
_ANSWERS = {"label": "classification", "labels": "multi-label", "entities": "token-classification"}
"""The columns of answers in predictions, and the task that has them."""
_YES = ("true", "1", "yes")


@dataclass(frozen=True)
class Wanted:
    """Which rows of a file are imported, and as what."""

    task: str | None = None
    """Told by the file if None."""
    text: Sequence[str] = ()
    label: str | None = None
    """The column of labels that the rows have already."""
    id_column: str | None = None
    rows: Path | None = None
    """The file that was predicted, where the predictions do not repeat the texts."""
    below: float | None = None
    """Rows whose score is below need a person."""
    model: str = ""
    reviewers: int = 1
    by: str = ""
    """Who decided what is decided, where the file does not say it."""


class Records:
    """The rows of a table as objects.

    Raises:
        DataError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._table = open_table(str(path), labelled=False)
        self.columns = list(dict.fromkeys(self._table.columns))
        self.rejected: list[Rejected] = []

    @property
    def are_predictions(self) -> bool:
        """Whether a model answered here."""
        return _SCORE in self.columns and any(name in self.columns for name in _ANSWERS)

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the line of each row, and its values."""
        for row in self._table.rows(self.columns):
            if isinstance(row, Rejected):
                self.rejected.append(row)
            else:
                yield row.line, dict(zip(self.columns, row.values, strict=True))


def read_items(path: Path, wanted: Wanted) -> tuple[list[Item], list[Rejected]]:
    """Read the rows of a table that need a person.

    Of predictions these are the rows that are marked in the column ``needs_review`` or whose score is below
    the one that is wanted; all rows where neither is there. Other tables are rows to be labelled.

    Returns:
        The items, and the rows that cannot be used.

    Raises:
        DataError: The file cannot be read, its texts are nowhere, or an id has no row.
        OptionError: A column does not exist, or there is no score to be below.
    """
    records = Records(path)
    if wanted.below is not None and _SCORE not in records.columns:
        raise OptionError(
            "the file has no column 'score'", where="--below", fix="Give what textgraft predict wrote."
        )
    if not records.are_predictions and FLAG not in records.columns:
        return _rows_to_label(path, wanted)
    task = wanted.task or next(
        (_ANSWERS[name] for name in _ANSWERS if name in records.columns), "classification"
    )
    texts = _Texts(path, records, task, wanted)
    made = path.stat().st_mtime
    items, rejected = [], list(texts.dataset.rejected)
    for line, record in records:
        reason = _reason(record, wanted.below, path.name)
        if reason is None:
            continue
        try:
            columns, row = texts.of(line, record)
            item = made_item(
                task,
                columns,
                _answer(record, task),
                score=_number(record.get(_SCORE)),
                scores=_scores(record),
                given=texts.given(row),
                model=wanted.model,
                reason=reason,
                row=texts.dataset.ids[row],
                source=called(wanted.rows or path),
                time=made,
                reviewers=wanted.reviewers,
            )
        except UnusableError as problem:
            rejected.append(Rejected(line, str(problem), str(record)[:200]))
        else:
            items.append(item)
    return items, [*rejected, *records.rejected]


def _rows_to_label(path: Path, wanted: Wanted) -> tuple[list[Item], list[Rejected]]:
    task = wanted.task or "classification"
    dataset = _dataset(path, task, wanted)
    made = path.stat().st_mtime
    items = [
        Item(
            task=task,
            columns=columns,
            given=dataset.labels[row] if dataset.labels else None,
            model=wanted.model,
            row=dataset.ids[row],
            source=called(path),
            time=made,
            reviewers=wanted.reviewers,
        )
        for row, columns in enumerate(_text_columns(dataset))
    ]
    return items, dataset.rejected


class _Texts:
    """The texts of predictions: by id in the file that was predicted, else by line in their own."""

    def __init__(self, path: Path, records: Records, task: str, wanted: Wanted) -> None:
        self._path, self._rows = path, wanted.rows
        if wanted.rows is None:
            text = wanted.text or [name for name in records.columns if name.lower() in TEXT_NAMES][:1]
            if not text:
                raise DataError(
                    "these are predictions without the texts",
                    where=str(path),
                    fix="Give the file that was predicted: --rows rows.csv, or name the column: --text.",
                )
            ids = wanted.id_column or ("id" if "id" in records.columns else None)
            wanted = Wanted(task=task, text=text, label=wanted.label, id_column=ids)
        self.dataset = _dataset(wanted.rows or path, task, wanted)
        self._columns = list(_text_columns(self.dataset))
        names = self.dataset.ids if wanted.rows else map(str, self.dataset.lines)
        self._places = {name: place for place, name in enumerate(names)}
        usual = LINE if LINE in records.columns else ID
        named = wanted.id_column if wanted.id_column in records.columns else usual
        self._id = named if named in records.columns else records.columns[0]

    def of(self, line: int, record: Mapping[str, Any]) -> tuple[dict[str, str], int]:
        """Return the texts of a record, and their place.

        Raises:
            UnusableError: The row's text cannot be used.
            DataError: There is no such row: the file is another one.
        """
        key = str(line) if self._rows is None else as_name(record.get(self._id), "id")
        place = self._places.get(key)
        if place is None and self._rows is None:
            raise UnusableError("no text: the row cannot be used")
        if place is None:
            raise DataError(
                f"there is no row {key!r}, which {self._path.name} answers on line {line}",
                where=str(self._rows),
                fix="Give the file that was predicted, and its column of ids if it has one: --id.",
            )
        return self._columns[place], place

    def given(self, place: int) -> Any:
        """Return the label that a row has already, if it is read."""
        return self.dataset.labels[place] if self.dataset.labels else None


def _dataset(path: Path, task: str, wanted: Wanted) -> Dataset:
    text = list(wanted.text) or None
    label, ids = wanted.label, wanted.id_column
    return task_class(task).read(path, text=text, label=label, id_column=ids, labelled=label is not None)


def _text_columns(dataset: Dataset) -> Iterator[dict[str, str]]:
    """Yield the texts of each row by column; what a task adds to them is none."""
    texts = {
        name: values for name, values in dataset.columns.items() if not values or isinstance(values[0], str)
    }
    for row in zip(*texts.values(), strict=True):
        yield dict(zip(texts, row, strict=True))


def _reason(record: Mapping[str, Any], below: float | None, name: str) -> str | None:
    """Return why a person is asked for a row; None where nobody is."""
    if FLAG in record and str(record[FLAG]).strip().lower() in _YES:
        return f"marked in {name}"
    score = _number(record.get(_SCORE))
    if below is not None and (score is None or score < below):
        return f"score {'unknown' if score is None else f'{score:.2f}'}, below {below:g}"
    return None if below is not None or FLAG in record else ""


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return None if isinstance(value, float) and math.isnan(value) else number_or_none(value)


def _scores(record: Mapping[str, Any]) -> dict[str, float]:
    listed = record.get(_SCORES)
    if not isinstance(listed, dict):
        listed = {name.removeprefix(_EACH): value for name, value in record.items() if name.startswith(_EACH)}
    found = {str(label): _number(value) for label, value in listed.items()}
    return {label: score for label, score in found.items() if score is not None}


def _answer(record: Mapping[str, Any], task: str) -> Any:
    column = next((name for name, its in _ANSWERS.items() if its == task), "label")
    value = record.get(column)
    if value is None or value == "":
        # Where a threshold holds the answer back, the likeliest label is what the model would have said.
        scores = _scores(record) if column == "label" else None
        return max(scores, key=lambda label: scores[label]) if scores else None
    return value
