"""Rows that are given as Python values: tables of other libraries, lists of dicts, texts and their labels.

All of them become a :class:`GivenTable`, which is read like a file: the same columns are guessed, the same
rows are set aside, and in messages a row's number stands where a file has its line.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from textgraft.data.dataset import Dataset, Numbering, Rejected
from textgraft.data.formats.lines import Encoding
from textgraft.data.formats.nested import nested_names, reach
from textgraft.data.formats.tables import SAMPLE, Row
from textgraft.data.inputs import is_table, listed, table_columns, table_names
from textgraft.errors import OptionError
from textgraft.wording import counted

TEXT, LABEL = "text", "label"
PAIR = ("text_a", "text_b")
TOKENS, TAGS = "tokens", "tags"
"""What the columns of lists are called, which have no names of their own."""


class GivenTable:
    """Columns in memory. Its rows have no lines, so they are numbered from 1.

    Args:
        columns: By name, all of one length.
        name: What the source is called in messages, as "DataFrame".
        is_named: Whether the columns have names of their own; those of lists are ours.
    """

    format = "Python values"
    numbering: Numbering = "row"
    encoding: Encoding | None = None
    delimiter: str | None = None
    blank_lines = 0
    remarks: Sequence[str] = ()

    def __init__(self, columns: Mapping[str, Sequence[Any]], name: str, *, is_named: bool = True) -> None:
        self._columns = dict(columns)
        self.name = name
        self.is_named = is_named
        self.columns = list(self._columns)
        objects = {name: values for name, values in self._columns.items() if _has_objects(values)}
        heads = zip(*(values[:SAMPLE] for values in objects.values()), strict=False)
        self.nested: Sequence[str] = nested_names(
            (dict(zip(objects, head, strict=True)) for head in heads), self.columns
        )

    def __str__(self) -> str:
        return self.name

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()), ()))

    def __bool__(self) -> bool:
        return True  # a source, also without rows

    def rows(self, names: Sequence[str]) -> Iterator[Row | Rejected]:
        """Read the columns ``names``, row by row."""
        names, take = reach(names, self.columns)
        columns = [self._columns[name] for name in names]
        for number, values in enumerate(zip(*columns, strict=True), start=1):
            yield Row(number, [plain(value) for value in take(values)])

    def called(self, text: Sequence[str], label: Sequence[str]) -> GivenTable:
        """Return the same under the names of other rows' columns, where these have none of their own.

        Args:
            text: Their text columns; it changes nothing if they are more or fewer.
            label: Their label column; none leaves the name of ours.
        """
        ours = [name for name in self.columns if name not in (LABEL, TAGS)]
        if self.is_named or len(ours) != len(text):
            return self
        names = dict(zip(ours, text, strict=True))
        if len(label) == 1:
            names |= {name: label[0] for name in self.columns if name in (LABEL, TAGS)}
        renamed = {names.get(name, name): values for name, values in self._columns.items()}
        return GivenTable(renamed, self.name, is_named=False)


def _has_objects(values: Sequence[Any]) -> bool:
    return any(isinstance(value, Mapping) for value in values[:SAMPLE])


Source = str | Path | GivenTable
"""What a task's rows are read from: a path, a Hub name, or what was given in their place."""


Rows = str | os.PathLike[str] | Iterable[Any] | Dataset | GivenTable
"""What calls take as rows: see :func:`as_source`."""


def as_source(
    given: Rows | Any,
    labels: Iterable[Any] | None = None,
    *,
    where: str = "source",
    labelled: bool = False,
) -> str | Dataset | GivenTable:
    """Take whatever holds rows as one thing to read.

    Args:
        given: A path or Hub name; a DataFrame of pandas or Polars, an Arrow table or a Hub data set; a list
            of dicts; a list of texts, of pairs of texts or of lists of words; ``(texts, labels)``; or rows
            that were read already.
        labels: The labels of the rows, where no column holds them.
        where: What it is called in errors.
        labelled: Whether the rows need labels.

    Raises:
        OptionError: It is nothing of the kind, or its labels are missing or do not fit.
    """
    if isinstance(given, str | os.PathLike):
        path = os.fspath(given)
        if not isinstance(path, str) or not path.strip():
            raise OptionError("no file is named", where=where, fix="Give a path, or the rows themselves.")
        return _without_labels(path, labels, where, "a file")
    if isinstance(given, Dataset):
        return _without_labels(given, labels, where, "a data set")
    if isinstance(given, GivenTable):
        return _without_labels(given, labels, where, "a table")
    rows: Any = given
    if hasattr(rows, "readline"):  # its lines would pass for texts, the header and all
        name = getattr(rows, "name", None)
        raise OptionError(
            f"this is an open file: {name if isinstance(name, str) else type(rows).__name__}",
            where=where,
            fix="Give its path, or what a reader makes of it: pandas.read_csv(file).",
        )
    if labels is None and _is_texts_and_labels(rows):
        rows, labels = rows
    table = _records(rows, where)
    if labels is not None:
        return _labelled(table, labels, where)
    if labelled and not table.is_named and table.columns != list(PAIR):
        raise OptionError(
            "these are texts without labels",
            where=where,
            fix="Give the labels besides, one for each text: labels=[…], or (texts, labels) in one.",
        )
    return table


def plain(value: Any) -> Any:
    """Return a cell as the readers know it: None for what is missing, lists for arrays and sets."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if hasattr(value, "dtype") and hasattr(value, "tolist"):  # of numpy: a number, or an array in a cell
        return plain(value.tolist())
    if isinstance(value, set | frozenset):
        return sorted(map(plain, value))
    if isinstance(value, tuple | list):
        return [plain(entry) for entry in value]
    return value


def _without_labels(source: Any, labels: Any, where: str, kind: str) -> Any:
    if labels is None:
        return source
    raise OptionError(
        f"{kind} has its labels in a column, and labels are given besides",
        where=where,
        fix='Name the column, as label="sentiment", or give the texts as a list.',
    )


def _is_texts_and_labels(given: Any) -> bool:
    """Tell ``(texts, labels)`` from two texts."""
    return (
        isinstance(given, tuple)
        and len(given) == 2
        and not any(isinstance(part, str | bytes | Mapping) for part in given)
        and all(isinstance(part, Iterable) or is_table(part) for part in given)
    )


def _records(given: Any, where: str) -> GivenTable:
    """Take rows without labels of their own, or with a column of them, as a table."""
    name = type(given).__name__
    if isinstance(given, Mapping):
        raise OptionError(
            f"the rows are a {name} with the keys {', '.join(map(repr, list(given)[:5]))}",
            where=where,
            fix='Give one of its entries, as data["train"], or the columns as pandas.DataFrame(columns).',
        )
    if is_table(given) and hasattr(given, "__getitem__"):
        return GivenTable(_columns(given, where), name)
    if not isinstance(given, Iterable):
        raise OptionError(
            f"the rows are {name}",
            where=where,
            fix="Give a path, a DataFrame, a Dataset, a list of dicts, or texts and labels.",
        )
    entries = listed(given)
    if not entries:
        raise OptionError("there are no rows", where=where, fix="Give at least some.")
    if isinstance(entries[0], Mapping):
        return GivenTable(_by_name(entries, where), "rows")
    if isinstance(entries[0], str):
        return GivenTable({TEXT: entries}, "rows", is_named=False)
    if isinstance(entries[0], tuple | list):
        return _of_lists(entries, where)
    shown = str(plain(entries[0]))[:60]
    raise OptionError(
        f"row 1 is {type(entries[0]).__name__}, neither a text nor a dict: {shown!r}",
        where=where,
        fix="Give strings, dicts, or a table whose text column is named.",
    )


def _columns(table: Any, where: str) -> dict[str, list[Any]]:
    names = [str(name) for name in table_names(table) or ()]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise OptionError(
            f"the {type(table).__name__} has two columns {twice!r}", where=where, fix="Rename one of them."
        )
    columns = table_columns(table, names)
    features = getattr(table, "features", None)
    if not isinstance(features, Mapping):
        return columns
    for name in names:
        # Class labels of a Hub data set are numbers; -1 stands where one is withheld.
        titles = getattr(features.get(name), "names", None)
        if titles:
            columns[name] = [
                titles[value] if isinstance(value, int) and 0 <= value < len(titles) else None
                for value in columns[name]
            ]
    return columns


def _by_name(entries: Sequence[Any], where: str) -> dict[str, list[Any]]:
    for place, entry in enumerate(entries, start=1):
        if not isinstance(entry, Mapping):
            raise OptionError(
                f"row {place} is {type(entry).__name__}, where others are dicts",
                where=where,
                fix="Give a dict for every row.",
            )
    names = dict.fromkeys(name for entry in entries for name in entry)
    return {str(name): [entry.get(name) for entry in entries] for name in names}


def _of_lists(entries: Sequence[Any], where: str) -> GivenTable:
    """Take pairs of texts as two columns, and lists of words as one."""
    for place, entry in enumerate(entries, start=1):
        if not isinstance(entry, tuple | list) or not all(isinstance(part, str) for part in entry):
            raise OptionError(
                f"row {place} holds something else than texts: {str(entry)[:60]!r}",
                where=where,
                fix="Give texts, pairs of texts, or dicts; labels apart, as labels=[…].",
            )
    if all(isinstance(entry, tuple) and len(entry) == 2 for entry in entries):
        return GivenTable(
            dict(zip(PAIR, map(list, zip(*entries, strict=True)), strict=True)), "rows", is_named=False
        )
    return GivenTable({TOKENS: list(entries)}, "rows", is_named=False)


def _labelled(table: GivenTable, labels: Any, where: str) -> GivenTable:
    if isinstance(labels, str):
        raise OptionError(
            f"the labels are one string, {labels!r}",
            where="labels",
            fix=f"Give one for each row; to name a column write label={labels!r}.",
        )
    if isinstance(labels, Mapping) or not isinstance(labels, Iterable):
        raise OptionError(
            f"the labels are {type(labels).__name__}", where="labels", fix="Give a list, one for each row."
        )
    values = listed(labels)
    if len(values) != len(table):
        raise OptionError(
            f"{counted(len(table), 'row')} came with {counted(len(values), 'label')}",
            where="labels",
            fix="Give one for each row.",
        )
    name = TAGS if table.columns == [TOKENS] else LABEL
    if name in table.columns:
        raise OptionError(
            f"the rows have a column {name!r}, and labels are given besides",
            where=where,
            fix=f"Leave labels out, or that column: frame.drop(columns={name!r}).",
        )
    columns = {column: table._columns[column] for column in table.columns}
    return GivenTable({**columns, name: values}, table.name, is_named=table.is_named)
