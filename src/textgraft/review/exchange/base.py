"""What is exchanged with an annotation tool: items, and what its people answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from textgraft.data.values import UnusableError, any_text
from textgraft.errors import DataError
from textgraft.review.answers import parse_answer
from textgraft.review.items import Answered, Decision, Item

QUESTION = "label"
"""What the question is called in tools that name it."""


class Exchanged(NamedTuple):
    """One row of a tool's file."""

    item: Item
    answers: Sequence[Answered]
    """What its people answered, if they did."""


class Tool(NamedTuple):
    """An annotation tool's files."""

    title: str
    ending: str
    """Of its files: ".json" for a list of records, ".jsonl" for a record a line."""
    recognises: Callable[[Mapping[str, Any]], bool]
    """Tells a record of its exports."""
    read: Callable[[Mapping[str, Any], str | None], Exchanged]
    """Reads a record, of a task that is told by the record if it is None; raises UnusableError."""
    write: Callable[[Item, Decision | None, Sequence[str]], dict[str, Any]]
    """Writes an item, what was decided of it, and the labels there are."""


def texts_of(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of a record that are texts.

    Raises:
        UnusableError: There is none that says something.
    """
    texts = {str(name): value for name, value in fields.items() if isinstance(value, str)}
    any_text(list(texts.values()))
    return texts


def made_item(task: str, columns: Mapping[str, str], prediction: Any = None, **facts: Any) -> Item:
    """Make an item of what stands in a file.

    Raises:
        UnusableError: Its prediction is none of the task.
    """
    if prediction is not None:
        try:
            prediction = parse_answer(task, prediction, "\n".join(columns.values()))
        except DataError as problem:
            raise UnusableError(problem.what) from problem
    return Item(task=task, columns=dict(columns), prediction=prediction, **facts)


def number_or_none(value: Any) -> float | None:
    """Return a score, 0 to 1, if it is one."""
    is_score = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    return float(value) if is_score else None
