"""What a notebook hands over, as a list of inputs: lists and generators, arrays and series, tables by column.

A table is read by the names of its columns alone: iterating over a DataFrame or a dict gives those names,
which would pass for texts without a word. What cannot be meant is one clear error with the entry's position.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import Any

from textgraft.data.columns import as_tuple
from textgraft.data.dataset import Dataset
from textgraft.errors import OptionError, unknown

_SHOWN = 60


def given_inputs(inputs: Any, text: str | Sequence[str] | None = None) -> list[Any]:
    """List the inputs of a call, one entry an input.

    Args:
        inputs: A list, a tuple, a generator, an array or a series of any library; or a table (a DataFrame of
            pandas or Polars, an Arrow table, a Hub data set) or a list of dicts, of which columns are read.
        text: The column to read, or several of them; a table of one column needs none.

    Returns:
        Values of a single column as they are; tuples where several columns are named.

    Raises:
        OptionError: It is one string, a dict, a set, or nothing of the kind; or a column is not named, or not
            there.
    """
    names = list(as_tuple(text))
    if is_table(inputs):
        columns = table_columns(inputs, names)
        return (
            next(iter(columns.values())) if len(columns) == 1 else list(zip(*columns.values(), strict=True))
        )
    entries = listed(inputs)
    if not names:
        return entries
    for position, entry in enumerate(entries):
        if not isinstance(entry, Mapping) or any(name not in entry for name in names):
            raise OptionError(
                f"input {position} has no column {', '.join(map(repr, names))}: {str(entry)[:_SHOWN]!r}",
                where="text",
                fix="Name columns of a table or of a list of dicts; of other inputs leave text out.",
            )
    return [entry[names[0]] if len(names) == 1 else tuple(entry[name] for name in names) for entry in entries]


def given_texts(inputs: Any, text: str | None = None) -> list[str]:
    """List the texts of a call.

    Args:
        inputs: As for :func:`given_inputs`.
        text: The column to read of a table.

    Raises:
        OptionError: As for :func:`given_inputs`; or an entry is missing, no string, or half a character.
    """
    return [as_given_text(position, entry) for position, entry in enumerate(given_inputs(inputs, text))]


def as_given_text(position: int, entry: Any, name: str = "text") -> str:
    """Return an entry that is a text.

    Args:
        position: Where it stands among the inputs, counted from 0.
        entry: What was given.
        name: What it is called in errors.

    Raises:
        OptionError: It is missing, no string, or half a character.
    """
    if not isinstance(entry, str):
        raise _no_text(position, entry, name)
    try:
        entry.encode()
    except UnicodeEncodeError as error:
        raise OptionError(
            f"{name} {position} holds half a character (a lone surrogate) at {error.start}",
            fix="It was decoded wrongly: read it as UTF-8, with errors='replace' if need be.",
        ) from error
    return str(entry)  # numpy's strings are str, too


def is_table(inputs: Any) -> bool:
    """Return whether something has named columns: a DataFrame, an Arrow table, a Hub data set."""
    return not isinstance(inputs, Mapping) and table_names(inputs) is not None


def table_columns(table: Any, names: Sequence[str] = ()) -> dict[str, list[Any]]:
    """Return columns of a table as lists.

    Args:
        table: What :func:`is_table` accepts.
        names: Those wanted; of a table with one column that one is taken where none is named.

    Raises:
        OptionError: No column is named, or there is none of a name.
    """
    places = {str(name): name for name in table_names(table) or ()}
    known = list(places)
    if not names and len(known) == 1:
        names = known
    if not names:
        raise OptionError(
            f"the input is a {type(table).__name__} with the columns {', '.join(map(repr, known[:12]))}",
            fix='Name the column with the texts, as text="review", or give that column alone.',
        )
    for name in names:
        if name not in known:
            raise unknown("column", name, known, where="text")
    columns = table.columns if isinstance(table, Dataset) else table
    try:
        return {name: listed(columns[places[name]]) for name in names}
    except TypeError as error:  # of Polars, a frame that is not computed yet
        raise OptionError(
            f"the columns of a {type(table).__name__} cannot be read",
            fix="Compute it first: frame.collect().",
        ) from error


def table_names(inputs: Any) -> list[Any] | None:
    """Return the names of a table's columns; None of what has none."""
    for attribute in ("column_names", "columns"):
        found = getattr(inputs, attribute, None)
        if found is not None and not callable(found) and not isinstance(found, str):
            return list(found)
    names = getattr(getattr(inputs, "dtype", None), "names", None)  # a structured array
    return list(names) if names else None


def listed(inputs: Any) -> list[Any]:
    """List the entries of anything that has them in an order.

    Raises:
        OptionError: It is a string, a dict or a set, or has no entries.
    """
    kind = type(inputs).__name__
    if isinstance(inputs, str | bytes):
        raise OptionError(f"texts is one {'string' if kind == 'str' else kind}", fix="Give a list: [text].")
    if isinstance(inputs, Mapping):
        keys = ", ".join(map(repr, list(inputs)[:5]))
        raise OptionError(
            f"the input is a dict with the keys {keys}",
            fix='Give what stands under one of them, as texts["text"], or list(texts.values()).',
        )
    if isinstance(inputs, set | frozenset):
        raise OptionError(f"the input is a {kind}, which has no order", fix="Give a list: sorted(texts).")
    if hasattr(inputs, "to_pylist"):  # Arrow
        return list(inputs.to_pylist())
    if hasattr(inputs, "ndim") and hasattr(inputs, "tolist"):  # numpy, torch, pandas
        if inputs.ndim > 1:
            return list(inputs)
        if inputs.ndim == 1:
            return list(inputs.tolist())
    elif isinstance(inputs, Iterable):
        return list(inputs)
    elif isinstance(inputs, Sized) and hasattr(inputs, "__getitem__"):  # of torch, as KeyDataset
        return [inputs[place] for place in range(len(inputs))]
    raise OptionError(f"the input is {kind}, no list of texts", fix="Give a list of strings: [text].")


def _no_text(position: int, entry: Any, name: str) -> OptionError:
    kind = type(entry).__name__
    is_missing = entry is None or kind == "NAType" or (isinstance(entry, float) and math.isnan(entry))
    if is_missing:
        return OptionError(
            f"{name} {position} is missing ({entry})",
            fix='Leave such rows out, or fill them with "": of a series, texts.fillna("").',
        )
    if isinstance(entry, bytes):
        return OptionError(f"{name} {position} is bytes", fix="Decode it: text.decode().")
    if isinstance(entry, list | tuple) and len(entry) == 2 and all(isinstance(part, str) for part in entry):
        return OptionError(
            f"{name} {position} is a pair of texts, where a single one is read",
            fix="Join the two, or use a model that was trained on pairs.",
        )
    if isinstance(entry, Mapping):
        keys = ", ".join(map(repr, list(entry)[:5]))
        return OptionError(
            f"{name} {position} is a dict with the keys {keys}",
            fix='Give what stands under one of them: [row["text"] for row in rows].',
        )
    return OptionError(
        f"{name} {position} is {kind}, not a string: {str(entry)[:_SHOWN]!r}",
        fix="Give strings; of numbers, str(number).",
    )
