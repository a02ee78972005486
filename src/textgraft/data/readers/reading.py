"""Read a user's file, or a Hub data set, into a Dataset: every row is either used or listed with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from textgraft.data.columns import LABEL_NAMES, Choice, choose_columns
from textgraft.data.dataset import Dataset, ReadingNotes, Rejected
from textgraft.data.formats.compressed import bare_name
from textgraft.data.formats.delimited import DelimitedTable
from textgraft.data.formats.hub import HubTable, is_hub_name
from textgraft.data.formats.jsonlines import JsonLinesTable
from textgraft.data.formats.parquet import ParquetTable
from textgraft.data.formats.plain import PlainTable
from textgraft.data.formats.tables import EXCERPT, Table
from textgraft.data.values import UnusableError, any_text, as_name
from textgraft.errors import DataError, nearest

FORMATS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".txt")
"""Endings of the files that can be read; all but .parquet may be followed by that of a compression."""


@dataclass(frozen=True)
class Form:
    """What the rows of a kind of task are made of; by default of one text and the name of a label.

    The functions raise :class:`~textgraft.data.values.UnusableError` for a row that must be set aside.
    """

    as_texts: Callable[[Sequence[Any]], Sequence[Any]] = any_text
    """Makes of a row's values in the text columns what the data set holds in them."""
    as_label: Callable[[Any], Any] = as_name
    """Makes of the value in the label column the row's target."""
    label_names: Collection[str] = LABEL_NAMES
    """Column names that are taken for the label when no column is named."""
    pair: bool = False
    """Whether there are exactly two text columns."""


def read_dataset(
    source: str | Path,
    *,
    text: str | Sequence[str] | None = None,
    label: str | None = None,
    id_column: str | None = None,
    group: str | None = None,
    labelled: bool = True,
    hub_split: str = "train",
    form: Form = Form(),
) -> Dataset:
    """Read rows of text, with or without labels.

    CSV and TSV (the delimiter is recognised: comma, semicolon, tab or bar), JSON Lines, Parquet, plain text
    (one text a line, only for rows to predict), or a Hub data set by its name. Text files are read line by
    line: UTF-8 or UTF-16 with or without a byte order mark, else Windows-1252 or Latin-1. Rows that cannot be
    used are in ``rejected`` with line and reason; they are those whose form is broken, that are longer than
    :data:`~textgraft.data.formats.lines.LONGEST_ROW` characters, whose texts are all empty or not text, or
    that lack their label, id or group. Labels that are numbers or truth values become strings.

    Args:
        source: Path of the file, or a Hub name: ``owner/name`` where no such path exists, or ``hub:name``.
        text: The text column or columns, in the order to join them; guessed from common names if None.
        label: The label column; guessed from common names if None. Not read unless ``labelled``.
        id_column: A column whose values are unique; without it ids are the row numbers "1", "2", ….
        group: A column whose equal values must stay on one side of every split.
        labelled: Whether rows need a label.
        hub_split: The split of a Hub data set.
        form: What texts and labels are, for rows other than texts with names.

    Raises:
        DataError: The source is missing, empty, of an unknown format or damaged, its columns cannot be
            guessed, or none of its rows can be used.
        OptionError: A named column does not exist.
        MissingExtraError: A Hub name is given and ``datasets`` is not installed.
    """

    def choose(columns: Sequence[str]) -> Choice:
        return choose_columns(
            columns,
            text=text,
            label=label,
            id_column=id_column,
            group=group,
            labelled=labelled,
            where=str(source),
            pair=form.pair,
            label_names=form.label_names,
        )

    return read_rows(source, choose, form, labelled=labelled, hub_split=hub_split)


def read_rows(
    source: str | Path,
    choose: Callable[[Sequence[str]], Choice],
    form: Form,
    *,
    labelled: bool = True,
    hub_split: str = "train",
    opened: Callable[[str], Table] | None = None,
) -> Dataset:
    """Read a source as :func:`read_dataset` does, with columns chosen in another way.

    Args:
        source: As there.
        choose: Returns the columns to read, given those of the source.
        form: What texts and labels are.
        labelled: As there.
        hub_split: As there.
        opened: Opens the source, where that is not for :func:`open_table` to do.

    Raises:
        DataError: As there.
        OptionError: As there.
        MissingExtraError: As there.
    """
    where = str(source)
    try:
        table = opened(where) if opened else open_table(where, labelled=labelled, hub_split=hub_split)
        dataset = _collect(table, choose(table.columns), where, form)
    except OSError as error:
        raise DataError(
            f"the file cannot be read: {error.strerror or error}",
            where=where,
            fix="Check the path and your permission to read it.",
        ) from error
    if not len(dataset):
        raise _nothing_usable(dataset)
    return dataset


def set_aside(dataset: Dataset, reasons: Mapping[int, str]) -> Dataset:
    """Move rows to the rejected ones.

    Args:
        dataset: As read.
        reasons: Why, by position of the row.

    Raises:
        DataError: No row is left.
    """
    if not reasons:
        return dataset
    rejected = [
        Rejected(dataset.lines[row], reason, dataset.texts[row][:EXCERPT]) for row, reason in reasons.items()
    ]
    rest = replace(
        dataset.select([row for row in range(len(dataset)) if row not in reasons]),
        rejected=sorted([*dataset.rejected, *rejected], key=lambda row: row.line),
        notes=dataset.notes,
    )
    if not len(rest):
        raise _nothing_usable(rest)
    return rest


def open_table(source: str, *, labelled: bool = True, hub_split: str = "train") -> Table:
    """Open a source as a table, by its ending.

    Raises:
        DataError: The source is missing, of an unknown format or damaged.
        MissingExtraError: A Hub name is given and ``datasets`` is not installed.
    """
    path = Path(source)
    suffix = Path(bare_name(path)).suffix.lower()
    if not path.exists():
        if is_hub_name(source) and suffix not in FORMATS and not path.parent.is_dir():
            return HubTable(source, hub_split)
        raise missing_file(path)
    if path.is_dir():
        inside = sorted(file.name for file in path.iterdir() if file.suffix.lower() in FORMATS)
        holds = f"It holds: {', '.join(inside[:8])}." if inside else "It holds no file that can be read."
        raise DataError("this is a folder, not a file", where=source, fix=f"Name one file. {holds}")
    if suffix in (".csv", ".tsv"):
        return DelimitedTable(path, preferred="\t" if suffix == ".tsv" else ",")
    if suffix in (".jsonl", ".ndjson"):
        return JsonLinesTable(path)
    if suffix == ".parquet":
        return ParquetTable(path)
    if suffix == ".txt" and not labelled:
        return PlainTable(path)
    if suffix == ".txt":
        raise DataError(
            "a .txt file has one text a line and no labels",
            where=source,
            fix="If it is a table, give it the ending .csv or .tsv.",
        )
    raise DataError(
        f"files ending in {suffix or 'nothing'!r} are not read",
        where=source,
        fix=f"Known: {', '.join(FORMATS)}.",
    )


def missing_file(path: Path) -> DataError:
    """Build the error for a path at which nothing is, with the nearest name as a suggestion."""
    folder = path.parent
    if not folder.is_dir():
        return DataError("there is no such folder", where=str(folder), fix="Check the path.")
    guess = nearest(path.name, sorted(file.name for file in folder.iterdir()))
    hint = f"Did you mean {str(folder / guess)!r}?" if guess else "Check the path."
    return DataError("there is no such file", where=str(path), fix=hint)


def _collect(table: Table, choice: Choice, where: str, form: Form) -> Dataset:
    """Judge every row of ``table`` and gather the usable ones in columns."""
    names = choice.names
    text_positions = [names.index(name) for name in choice.text]
    label_at, id_at, group_at = (
        None if name is None else names.index(name) for name in (choice.label, choice.id, choice.group)
    )
    texts: list[list[Any]] = [[] for _ in choice.text]
    labels: list[Any] = []
    ids: list[str] = []
    groups: list[str] = []
    lines: list[int] = []
    rejected: list[Rejected] = []
    # A million rows share a few labels: one string each instead of a million.
    shared: dict[Any, Any] = {}
    line_of_id: dict[str, int] = {}
    number = 0
    for number, row in enumerate(table.rows(names), start=1):
        if isinstance(row, Rejected):
            rejected.append(row)
            continue
        values = row.values
        try:
            parts = form.as_texts([values[position] for position in text_positions])
            label = None if label_at is None else form.as_label(values[label_at])
            group = None if group_at is None else as_name(values[group_at], "group")
            name = str(number) if id_at is None else as_name(values[id_at], "id")
            if id_at is not None and line_of_id.setdefault(name, row.line) != row.line:
                raise UnusableError(f"repeated id: {name!r} stands on line {line_of_id[name]} already")
        except UnusableError as problem:
            rejected.append(row.reject(str(problem)))
            continue
        for column, part in zip(texts, parts, strict=True):
            column.append(part)
        if label is not None:
            labels.append(shared.setdefault(label, label))
        if group is not None:
            groups.append(shared.setdefault(group, group))
        ids.append(name)
        lines.append(row.line)
    encoding = table.encoding
    notes = ReadingNotes(
        format=table.format,
        total_rows=number,
        encoding=encoding.title if encoding else None,
        byte_order_mark=bool(encoding and encoding.byte_order_mark),
        first_undecodable_line=encoding.first_undecodable_line if encoding else None,
        delimiter=table.delimiter,
        blank_lines=table.blank_lines,
    )
    return Dataset(
        columns=dict(zip(choice.text, texts, strict=True)),
        labels=labels if choice.label else None,
        ids=ids,
        lines=lines,
        source=where,
        groups=groups if choice.group else None,
        rejected=rejected,
        label_column=choice.label,
        id_column=choice.id,
        notes=notes,
    )


def _nothing_usable(dataset: Dataset) -> DataError:
    where = dataset.source
    if not dataset.rejected:
        return DataError(
            "the file has a header but no rows", where=where, fix="Add the rows below the header."
        )
    kinds = Counter(row.kind for row in dataset.rejected)
    kind, count = kinds.most_common(1)[0]
    first = next(row for row in dataset.rejected if row.kind == kind)
    return DataError(
        f"none of the {len(dataset.rejected)} rows can be used; {count} of them have this: {first.reason}",
        where=f"{where}, line {first.line}",
        fix=f"Look at that line: {first.excerpt[:80]!r}",
    )
