"""Labels that have a column each, and columns that hold several labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textgraft.data.sample import MARKS, is_missing, mark_of
from textgraft.data.values import Settled, UnusableError, as_name, cut_names
from textgraft.errors import OptionError


def settle_names(cells: Sequence[tuple[str, ...] | str]) -> Settled:
    """Cut the cells of one column into the names that each holds; see :func:`cut_names`."""
    names = cut_names(cells)
    missing = "no label: the field is empty, where others hold lists"
    reasons = {row: missing for row, found in enumerate(names) if found is None}
    unlabelled = sum(found == () for found in names)
    remark = (
        f"{unlabelled:,} rows have none of the labels: their field or list is empty." if unlabelled else None
    )
    return Settled(names, reasons, remark)


def settle_columns(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Settled:
    """Return the labels that each row has, where every label has a column of its own, or several hold names.

    A column of 0 and 1 (true and false, yes and no) marks the label of its name; where it holds one kind of
    mark alone, as an x, an empty cell means no. In columns of names every name is a label.

    Args:
        columns: Their names.
        rows: The cells of each row, in that order.

    Raises:
        OptionError: The columns hold other numbers, or some names and some marks.
    """
    marks = [{mark_of(cell) for cell in cells} - {""} for cells in zip(*rows, strict=True)]
    are_marks = [found <= MARKS.keys() for found in marks]
    if all(are_marks):
        return _marked(columns, rows, marks)
    for name, found, is_mark in zip(columns, marks, are_marks, strict=True):
        number = next(
            (value for value in sorted(found) if value.replace(".", "").lstrip("-").isdigit()), None
        )
        if is_mark or number:
            held = "0 and 1" if is_mark else f"numbers, as {number}"
            raise OptionError(
                f"the label columns are of different kinds: {name!r} holds {held}",
                where="--label",
                fix="Several label columns must all hold 0 and 1, or all hold names.",
            )
    return _named(rows)


def _marked(columns: Sequence[str], rows: Sequence[Sequence[Any]], marks: Sequence[set[str]]) -> Settled:
    ticked = [found <= {"x"} or (len(found) == 1 and MARKS[next(iter(found))] is True) for found in marks]
    values: list[tuple[str, ...] | None] = []
    reasons: dict[int, str] = {}
    for row, cells in enumerate(rows):
        given = []
        for name, cell, is_ticked in zip(columns, cells, ticked, strict=True):
            mark = mark_of(cell)
            says = MARKS[mark] if mark else (False if is_ticked else None)
            if says is None:
                reasons[row] = f"no label: {name!r} is {mark or 'empty'}, neither yes nor no"
            elif says:
                given.append(name)
        values.append(None if row in reasons else tuple(given))
    return Settled(values, reasons)


def _named(rows: Sequence[Sequence[Any]]) -> Settled:
    values: list[tuple[str, ...] | None] = []
    reasons: dict[int, str] = {}
    for row, cells in enumerate(rows):
        try:
            names = tuple(dict.fromkeys(as_name(cell) for cell in cells if not is_missing(cell)))
        except UnusableError as problem:
            values.append(None)
            reasons[row] = str(problem)
            continue
        values.append(names or None)
        if not names:
            reasons[row] = "no label: all label fields are empty"
    return Settled(values, reasons)
