"""From the value of a cell to what a row needs: a text, a name, several names or a number."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from textgraft.data.formats.lines import LONGEST_ROW

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


class UnusableError(Exception):
    """A value that cannot be used; the message is the reason for the rejection."""


def as_text(value: Any) -> str:
    """Return a text value; a missing one is empty."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bytes):  # Parquet files of old writers hold strings as plain bytes
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise UnusableError("not text: bytes that are not UTF-8") from error
    raise UnusableError(f"not text: {_kind(value)} where a text is needed")


def any_text(values: Sequence[Any]) -> list[str]:
    """Return texts of which at least one says something."""
    texts = [as_text(value) for value in values]
    if not any(text and not text.isspace() for text in texts):
        raise UnusableError("empty text")
    return within_limit(texts)


def every_text(values: Sequence[Any], part: str = "text") -> list[str]:
    """Return texts that all say something."""
    texts = [as_text(value) for value in values]
    for place, text in enumerate(texts, start=1):
        if not text or text.isspace():
            raise UnusableError(f"empty {part}: number {place} of {len(texts)}")
    return within_limit(texts)


def within_limit(texts: list[str]) -> list[str]:
    """Return the texts of one row, unless they are too long together."""
    if sum(map(len, texts)) > LONGEST_ROW:
        raise UnusableError(f"too long: the text has more than {LONGEST_ROW:,} characters")
    return texts


def as_name(value: Any, part: str = "label") -> str:
    """Return a label, id or group as a string: 1 and 1.0 are "1", true is "true", spaces around are cut."""
    if isinstance(value, bytes):
        value = as_text(value)
    if isinstance(value, str):
        name = value.strip()
    elif isinstance(value, list | dict | tuple):
        raise UnusableError(f"no {part}: {_kind(value)} where one value is needed")
    elif value is None or (isinstance(value, float) and math.isnan(value)):
        name = ""
    elif isinstance(value, bool):
        name = str(value).lower()
    elif isinstance(value, float) and value.is_integer():
        name = str(int(value))
    else:
        name = str(value)
    if not name:
        raise UnusableError(f"no {part}: the field is empty")
    return name


def as_number(value: Any) -> float:
    """Return a number with a decimal point, from a number or from text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        text = as_name(value)
        if not _NUMBER.fullmatch(text):
            hint = "; write a point for the comma" if _NUMBER.fullmatch(text.replace(",", ".")) else ""
            raise UnusableError(f"not a number: {text[:40]!r}{hint}")
        value = text
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UnusableError(f"not a number: {str(value)[:40]} is not finite")
    return number


def as_list(value: Any, part: str) -> list[Any] | None:
    """Return a list, also one that is written as JSON; None for a value that is no list.

    Raises:
        UnusableError: The value begins like a JSON list and is none.
    """
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return msgspec.json.decode(value, type=list[Any])
        except (msgspec.DecodeError, RecursionError) as error:
            raise UnusableError(f'malformed list: {part} must be written as JSON, ["a", "b"]') from error
    return None


def as_names(value: Any) -> tuple[str, ...] | str:
    """Return the names in a list, each once; text that is no list is returned as it is, to be cut later."""
    found = as_list(value, "labels")
    if found is not None:
        return tuple(dict.fromkeys(as_name(entry) for entry in found))
    if isinstance(value, str):
        return value
    return as_name(value)


def cut_names(cells: Sequence[tuple[str, ...] | str]) -> list[tuple[str, ...]]:
    """Cut the cells of a column into names, each once; an empty cell has none.

    One mark separates the names of all cells: the bar if any cell has one, else the semicolon, else the
    comma. Names in a column with bars may thus hold commas.

    Args:
        cells: As :func:`as_names` gives them.
    """
    mark = next((mark for mark in "|;" if any(isinstance(cell, str) and mark in cell for cell in cells)), ",")
    return [
        tuple(dict.fromkeys(name for part in cell.split(mark) if (name := part.strip())))
        if isinstance(cell, str)
        else cell
        for cell in cells
    ]


def _kind(value: Any) -> str:
    kinds = {bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), f"a value of type {type(value).__name__}")
