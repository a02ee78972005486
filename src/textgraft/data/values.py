"""From the value of a cell to what a row needs: a text, a name, several names or a number."""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from textgraft.data.formats.lines import LONGEST_ROW

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""")
_ARRAY = re.compile(r"array\((\[[^\]]*\])(?:,\s*dtype=[^)]*)?\)")
"""As pandas writes arrays within objects to CSV."""
_LONGEST_LITERAL = 100_000
"""Characters of a Python literal that are given to the parser, which takes a hundred times as much memory."""


class Settled(NamedTuple):
    """The labels of a column, once all of its cells are known."""

    values: list[Any]
    """None for a cell that cannot be used."""
    reasons: dict[int, str]
    """Why, by the cell's position."""
    remark: str | None = None
    """How the cells were taken, where they could have been taken in another way."""


class UnusableError(Exception):
    """A value that cannot be used; the message is the reason for the rejection."""


def as_text(value: Any) -> str:
    """Return a text value; a missing one is empty."""
    if isinstance(value, str):
        return whole(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bytes):  # Parquet files of old writers hold strings as plain bytes
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise UnusableError("not text: bytes that are not UTF-8") from error
    raise UnusableError(f"not text: {_kind(value)} where a text is needed")


def whole(text: str, part: str = "text") -> str:
    """Return a text, unless it holds half a surrogate pair, which no file can be written with."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise UnusableError(
                f"broken Unicode: half a surrogate pair at character {error.start + 1} of the {part}"
            ) from error
    return text


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
        name = whole(value.strip(), part)
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


def value_of_name(name: str) -> float | str | None:
    """Return the number or the truth value that a label stands for, None for other names.

    Truth values are returned as words, so that true is not 1.
    """
    if (word := name.casefold()) in ("true", "false"):
        return word
    return float(name) if _NUMBER.fullmatch(name) else None


def as_cell(value: Any) -> Any:
    """Return a value that can be a number, to be read with all others of its column.

    Raises:
        UnusableError: It is missing, or can be none whatever the others are.
    """
    if isinstance(value, str) and not value.isspace() and value:
        return value
    return value if isinstance(value, int | float) and not isinstance(value, bool) else as_number(value)


def as_number(value: Any) -> float:
    """Return a number with a decimal point, from a number or from text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        text = as_name(value)
        if not _NUMBER.fullmatch(text):
            raise UnusableError(f"not a number: {text[:40]!r}")
        value = text
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UnusableError(f"not a number: {str(value)[:40]} is not finite")
    return number


def as_list(value: Any, part: str) -> list[Any] | None:
    """Return a list, also one that is written as JSON, Python or numpy write it; None for what is no list.

    Raises:
        UnusableError: The value begins like a list and is none.
    """
    if isinstance(value, list | tuple):
        return list(value)
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return None
    text = value.strip()
    try:
        return msgspec.json.decode(text, type=list[Any])
    except (msgspec.DecodeError, RecursionError):
        pass
    quoted = [match[1] or match[2] or "" for match in _QUOTED.finditer(text)]
    # numpy writes no commas, and Python would join strings that stand side by side.
    from_numpy = len(quoted) > 1 and "," not in _QUOTED.sub("", text)
    if not from_numpy and isinstance(found := python_value(text), list):
        return found
    if not text.endswith("]"):
        raise UnusableError(f'malformed list: {part} must be written as JSON, ["a", "b"]')
    if quoted:
        return list(quoted)
    inner = text[1:-1].strip()
    if "[" in inner or "]" in inner:
        return None  # as in "[b]bold[/b]", brackets that enclose no list
    return [entry.strip() for entry in (inner.split(",") if "," in inner else inner.split())]


def python_value(text: str) -> Any:
    """Return the value of a Python literal, as pandas writes lists and dicts to CSV; None for other text."""
    if len(text) > _LONGEST_LITERAL:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of backslashes that escape nothing
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


def as_object(value: Any) -> dict[Any, Any] | None:
    """Return an object, also one that is written as JSON or Python writes it; None for what is no object."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return None
    try:
        return msgspec.json.decode(value, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        found = python_value(_ARRAY.sub(r"\1", value.strip()))
        return found if isinstance(found, dict) else None


def listed_names(value: Any) -> tuple[str, ...] | None:
    """Return the names in a list or set of labels, each once; None for a value that is neither.

    Label Studio writes ``{"choices": ["a", "b"]}`` where several choices can be made, and the bare name of
    one.

    Raises:
        UnusableError: An entry is no name.
    """
    found = as_list(value, "labels")
    if found is None and (isinstance(value, dict | set) or str(value).lstrip().startswith("{")):
        entry = as_object(value) if not isinstance(value, set) else None
        if entry is not None and set(entry) == {"choices"}:
            chosen = entry["choices"]
            found = list(chosen) if isinstance(chosen, list | tuple) else [chosen]
        elif isinstance(
            literal := value if isinstance(value, set) else python_value(str(value).strip()), set
        ):
            found = sorted(literal, key=str)
    if found is None:
        return None
    return tuple(dict.fromkeys(as_name(_named_entry(entry)) for entry in found))


def _named_entry(entry: Any) -> Any:
    """Return the name of an object in a list that has one and stands for no part of the text."""
    if isinstance(entry, dict) and isinstance(entry.get("name"), str) and "start" not in entry:
        return entry["name"]
    return entry


def as_names(value: Any) -> tuple[str, ...] | str:
    """Return the names in a list, each once; text that is no list is returned as it is, to be cut later."""
    found = listed_names(value)
    if found is not None:
        return found
    return value if isinstance(value, str) else as_name(value)


def as_only_name(value: Any) -> str:
    """Return the one name in a list of labels, or a label as it is."""
    found = listed_names(value)
    if found is None:
        return as_name(value)
    if len(found) != 1:
        fix = "; --task multi-label takes several" if found else ""
        raise UnusableError(f"{'several labels' if found else 'no label'}: {len(found)} in the list{fix}")
    return found[0]


def are_lists(values: Iterable[Any]) -> bool:
    """Tell whether the values of a column are lists of names, or single names beside such lists."""
    found = False
    for value in values:
        try:
            names = listed_names(value)
        except UnusableError:
            return False
        if names is None and not isinstance(value, str):
            return False
        found = found or names is not None
    return found


def cut_names(cells: Sequence[tuple[str, ...] | str]) -> list[tuple[str, ...] | None]:
    """Cut the cells of a column into names, each once.

    Where a column holds lists, a cell of text is one name, and an empty one was never labelled. Otherwise one
    mark separates the names of all cells: the bar if any cell has one, else the semicolon, else the comma.
    Names in a column with bars may thus hold commas; an empty cell has no names.

    Args:
        cells: As :func:`as_names` gives them.

    Returns:
        The names of each cell; None for one that was never labelled.
    """
    if any(isinstance(cell, tuple) for cell in cells):
        return [
            cell if isinstance(cell, tuple) else ((cell.strip(),) if cell.strip() else None) for cell in cells
        ]
    mark = next((mark for mark in "|;" if any(isinstance(cell, str) and mark in cell for cell in cells)), ",")
    return [
        tuple(dict.fromkeys(name for part in str(cell).split(mark) if (name := part.strip())))
        for cell in cells
    ]


def _kind(value: Any) -> str:
    kinds = {bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), f"a value of type {type(value).__name__}")
