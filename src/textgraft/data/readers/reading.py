"""Read a user's file, or a Hub data set, into a Dataset: every row is either used or listed with a reason."""

from __future__ import annotations

import contextlib
import re
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from textgraft.data.annotations import refusal, verdict_column
from textgraft.data.columns import LABEL_NAMES, Choice, Columns, choose_columns
from textgraft.data.dataset import Dataset, ReadingNotes, Rejected, RowNumbers
from textgraft.data.formats.compressed import COMPRESSIONS, bare_name
from textgraft.data.formats.delimited import DelimitedTable, is_tabbed
from textgraft.data.formats.fasttext import FastTextTable, is_fasttext
from textgraft.data.formats.folder import ID, FolderTable, holds_texts
from textgraft.data.formats.given import GivenTable, Source
from textgraft.data.formats.hub import HubTable, is_hub_name
from textgraft.data.formats.json_document import JsonTable, open_json
from textgraft.data.formats.parquet import ParquetTable
from textgraft.data.formats.plain import PlainTable
from textgraft.data.formats.spreadsheet import SPREADSHEETS, SpreadsheetTable
from textgraft.data.formats.tables import EXCERPT, Table
from textgraft.data.label_columns import settle_columns
from textgraft.data.packed import Codes, PackedTexts, compact
from textgraft.data.sample import Sample
from textgraft.data.values import Settled, UnusableError, any_text, as_name
from textgraft.errors import DataError, nearest

FORMATS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", *SPREADSHEETS, ".txt")
"""Endings of the files that can be read; those of text may be followed by that of a compression."""
_OF_FILES = (
    *FORMATS,
    ".conll",
    ".conllu",
    ".iob",
    ".iob2",
    ".bio",
    ".train",
    ".valid",
    ".test",
    ".npy",
    ".npz",
)
"""Endings that no name of the Hub has."""
_ARCHIVES = (".zip", ".tar", ".tgz", ".7z", ".rar")
_PACKED_ALREADY = (".parquet", *SPREADSHEETS)
_URL = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
"""How an address begins, of which a path keeps one of the two slashes."""


@dataclass(frozen=True)
class Form:
    """What the rows of a kind of task are made of; by default of one text and the name of a label.

    The functions raise :class:`~textgraft.data.values.UnusableError` for a row that must be set aside.
    """

    as_texts: Callable[[Sequence[Any]], Sequence[Any]] = any_text
    """Makes of a row's values in the text columns what the data set holds in them."""
    as_label: Callable[[Any], Any] = as_name
    """Makes of the value in the label column the row's target."""
    as_listed_label: Callable[[Any], Any] | None = None
    """The same for a column whose values are lists of names; None: there is no difference."""
    settle: Callable[[Sequence[Any]], Settled] | None = None
    """Settles the labels of all rows together, where one cell alone does not tell; None: each is settled."""
    several_labels: bool = False
    """Whether each label may have a column of its own."""
    label_names: Collection[str] = LABEL_NAMES
    """Column names that are taken for the label when no column is named."""
    pair: bool = False
    """Whether there are exactly two text columns."""


def read_dataset(
    source: Source,
    *,
    text: str | Sequence[str] | None = None,
    label: str | Sequence[str] | None = None,
    id_column: str | None = None,
    group: str | None = None,
    labelled: bool = True,
    packed: bool = False,
    hub_split: str = "train",
    form: Form = Form(),
) -> Dataset:
    """Read rows of text, with or without labels.

    CSV and TSV (the delimiter is recognised: comma, semicolon, tab or bar; so is a missing header), JSON
    (lines, or a document of records or columns), Parquet, the first sheet of a workbook (.xlsx, .ods),
    fastText's labelled lines, other files of text whose lines have as many tabs each, plain text (one text a
    line, only for rows to predict), a folder with a .txt
    file for each text and a sub-folder for each label, or a Hub data set by its name. Text files are read
    line by line: UTF-8 or UTF-16 with or without a byte order mark, else Windows-1252 or Latin-1. Rows that
    cannot be used are in ``rejected`` with line and reason; they are those whose form is broken, that are
    longer than :data:`~textgraft.data.formats.lines.LONGEST_ROW` characters, whose texts are all empty or
    not text, that lack their label, id or group, or that annotators rejected. Labels that are numbers or
    truth values become strings.

    Args:
        source: Path of the file or folder, or a Hub name: ``owner/name`` where no such path exists, or
            ``hub:name``; or a table that was given.
        text: The text column or columns, in the order to join them; told by names and values if None.
        label: The label column, or one for each label where the form allows it; likewise. Not read unless
            ``labelled``.
        id_column: A column whose values are unique; without it ids are the row numbers "1", "2", …, and the
            paths of the texts in a folder.
        group: A column whose equal values must stay on one side of every split.
        labelled: Whether rows need a label.
        packed: Whether texts and names are held in little memory, and each made when it is asked for.
        hub_split: The split of a Hub data set.
        form: What texts and labels are, for rows other than texts with names.

    Raises:
        DataError: The source is missing, empty, of an unknown format or damaged, its columns cannot be
            guessed, or none of its rows can be used.
        OptionError: A named column does not exist.
        MissingExtraError: A Hub name is given and ``datasets`` is not installed, or a workbook and
            ``python-calamine`` is not.
    """
    wanted = Columns.named(text, label, id_column, group, labelled)

    def choose(sample: Sample) -> Choice:
        return choose_columns(
            sample,
            wanted,
            where=str(source),
            pair=form.pair,
            several_labels=form.several_labels,
            label_names=form.label_names,
        )

    return read_rows(source, choose, form, labelled=labelled, packed=packed, hub_split=hub_split)


def read_rows(
    source: Source,
    choose: Callable[[Sample], Choice],
    form: Form,
    *,
    labelled: bool = True,
    packed: bool = False,
    hub_split: str = "train",
    opened: Callable[[Source], Table] | None = None,
) -> Dataset:
    """Read a source as :func:`read_dataset` does, with columns chosen in another way.

    Args:
        source: As there.
        choose: Returns the columns to read, given those of the source and its first rows.
        form: What texts and labels are.
        labelled: As there.
        packed: As there; then all texts must be strings.
        hub_split: As there.
        opened: Opens the source, where that is not for :func:`open_table` to do.

    Raises:
        DataError: As there.
        OptionError: As there.
        MissingExtraError: As there.
    """
    where = str(source)
    with reading_errors(where):
        table = opened(source) if opened else open_table(source, labelled=labelled, hub_split=hub_split)
        sample = Sample.of(table)
        choice = choose(sample)
        if choice.id is None and isinstance(table, FolderTable):
            choice = replace(choice, id=ID)
        if form.as_listed_label and choice.label is not None and sample[choice.label].is_lists:
            form = replace(form, as_label=form.as_listed_label)
        verdict = verdict_column(sample, choice.names) if choice.labels else None
        dataset = _collect(_Wanted(table, choice, where, form, verdict, packed))
        if choice.labels:
            dataset = _settled(dataset, choice, form)
    if not len(dataset):
        raise _nothing_usable(dataset)
    return dataset


@contextlib.contextmanager
def reading_errors(where: str) -> Iterator[None]:
    """Turn what the system says while a source is read into an error that names it.

    Raises:
        DataError: It cannot be read.
    """
    try:
        yield
    except OSError as error:
        raise DataError(
            f"the file cannot be read: {error.strerror or error}",
            where=where,
            fix="Check the path and your permission to read it.",
        ) from error


def _settled(dataset: Dataset, choice: Choice, form: Form) -> Dataset:
    """Settle the labels of all rows together, where the form or the number of label columns asks for it."""
    if not len(dataset):
        return dataset
    cells = dataset.labels or []
    if len(choice.labels) > 1:
        found = settle_columns(choice.labels, cells)
    elif form.settle is not None:
        found = form.settle(cells)
    else:
        return dataset
    assert dataset.notes is not None
    remarks = (*dataset.notes.remarks, *([found.remark] if found.remark else []))
    dataset = replace(dataset, labels=found.values, notes=replace(dataset.notes, remarks=remarks))
    return set_aside(dataset, found.reasons)


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


def open_table(source: Source, *, labelled: bool = True, hub_split: str = "train") -> Table:
    """Open a source as a table, by its ending; one that was given is a table already.

    Raises:
        DataError: The source is missing, of an unknown format or damaged.
        MissingExtraError: A Hub name is given and ``datasets`` is not installed, or a workbook and
            ``python-calamine`` is not.
    """
    if isinstance(source, GivenTable):
        return source
    source = str(source)
    path = Path(source)
    suffix = Path(bare_name(path)).suffix.lower()
    if not path.exists():
        if is_hub_name(source) and suffix not in _OF_FILES and not path.parent.is_dir():
            return HubTable(source, hub_split)
        raise missing_file(path)
    if path.is_dir():
        if holds_texts(path, labelled=labelled):
            return FolderTable(path)
        raise _no_texts(path)
    if suffix in (".csv", ".tsv"):
        return DelimitedTable(path, preferred="\t" if suffix == ".tsv" else ",")
    if suffix in (".json", ".jsonl", ".ndjson"):
        table = open_json(path, lines=suffix != ".json")
        if isinstance(table, JsonTable) and table.squad is not None:
            raise DataError(
                "this is SQuAD JSON: questions about contexts, and no table",
                where=source,
                fix="Leave --task out, or give --task question-answering.",
            )
        return table
    if suffix in _PACKED_ALREADY and path.suffix.lower() in COMPRESSIONS:
        raise DataError(
            f"a {suffix} file is read as it is, and not compressed once more",
            where=source,
            fix="Unpack it first.",
        )
    if suffix == ".parquet":
        return ParquetTable(path)
    if suffix in SPREADSHEETS:
        return SpreadsheetTable(path)
    if is_fasttext(path):
        return FastTextTable(path)
    if is_tabbed(path):
        tabbed = DelimitedTable(path, preferred="\t")
        # Of texts to predict none must be lost: one line each, unless the first is surely a header, or none.
        if labelled or suffix != ".txt" or not tabbed.has_doubtful_header:
            return tabbed
    if suffix == ".txt" and not labelled:
        return PlainTable(path)
    if suffix == ".txt":
        raise DataError(
            "a .txt file has one text a line and no labels",
            where=source,
            fix="If it is a table, give it the ending .csv or .tsv; fastText's lines begin with __label__.",
        )
    raise DataError(
        f"files ending in {suffix or 'nothing'!r} are not read",
        where=source,
        fix=("Unpack it first. " if suffix in _ARCHIVES else "") + f"Known: {', '.join(FORMATS)}.",
    )


def _no_texts(path: Path) -> DataError:
    """Build the error for a folder that holds no texts by label."""
    inside = sorted(
        file.name
        for file in path.iterdir()
        if (
            file.suffix.lower() in FORMATS
            if file.is_file()
            else file.is_dir() and holds_texts(file, labelled=True)
        )
    )
    holds = f"It holds: {', '.join(inside[:8])}." if inside else "It holds nothing that can be read."
    return DataError(
        "this is a folder, and not one of texts by label",
        where=str(path),
        fix=f"Name one file, or a folder with a sub-folder of .txt files for each label. {holds}",
    )


def missing_file(path: Path) -> DataError:
    """Build the error for a path at which nothing is, with the nearest name as a suggestion."""
    folder = path.parent
    if _URL.match(str(path)):
        return DataError("this is an address, and no file", where=str(path), fix="Download the file first.")
    if str(path).startswith("~") and path.expanduser() != path:
        return DataError(
            "there is no such file: ~ stands for a home folder in a shell alone, and there without quotes",
            where=str(path),
            fix=f"Write {str(path.expanduser())!r}.",
        )
    if path.is_symlink():
        return DataError(
            f"this is a link to {str(path.readlink())!r}, where no file is",
            where=str(path),
            fix="Check where it leads.",
        )
    if not folder.is_dir():
        return DataError("there is no such folder", where=str(folder), fix="Check the path.")
    guess = nearest(path.name, sorted(file.name for file in folder.iterdir()))
    hint = f"Did you mean {str(folder / guess)!r}?" if guess else "Check the path."
    return DataError("there is no such file", where=str(path), fix=hint)


@dataclass(frozen=True)
class _Wanted:
    """What is gathered of a table."""

    table: Table
    """Where the rows come from."""
    choice: Choice
    """The columns to read."""
    where: str
    """The source, for errors."""
    form: Form
    """What texts and labels are."""
    verdict: str | None
    """The column that says which rows annotators rejected, if there is one."""
    packed: bool
    """Whether texts and names are held in little memory."""

    def text_column(self) -> list[Any] | PackedTexts:
        """Return a column to which texts are appended."""
        return PackedTexts() if self.packed else []

    def label_column(self) -> list[Any] | Codes[Any]:
        """Return a column to which labels are appended: some forms settle all of them together."""
        one_name = len(self.choice.labels) == 1 and self.form.settle is None
        return Codes() if self.packed and one_name else []


def _collect(wanted: _Wanted) -> Dataset:
    """Judge every row of a table and gather the usable ones in columns."""
    table, choice, form, verdict = wanted.table, wanted.choice, wanted.form, wanted.verdict
    names = [*choice.names, *([verdict] if verdict is not None else [])]
    text_positions = [names.index(name) for name in choice.text]
    label_positions = [names.index(name) for name in choice.labels]
    id_at, group_at, verdict_at = (
        None if name is None else names.index(name) for name in (choice.id, choice.group, verdict)
    )
    texts = [wanted.text_column() for _ in choice.text]
    labels = wanted.label_column()
    ids: list[str] = []
    groups: list[str] = []
    lines = array("q")  # as a million numbers in a list take four times the memory
    rejected: list[Rejected] = []
    # A million rows share a few labels: one string each instead of a million.
    shared: dict[Any, Any] = {}
    line_of_id: dict[str, int] = {}
    total = 0
    for row in table.rows(names):
        total += 1
        if isinstance(row, Rejected):
            rejected.append(row)
            continue
        values = row.values
        try:
            if verdict_at is not None and (reason := refusal(values[verdict_at])):
                raise UnusableError(reason)
            parts = form.as_texts([values[position] for position in text_positions])
            label = None
            if len(label_positions) == 1:
                label = form.as_label(values[label_positions[0]])
            elif label_positions:
                label = tuple(values[position] for position in label_positions)
            group = None if group_at is None else as_name(values[group_at], "group")
            name = None if id_at is None else as_name(values[id_at], "id")
            if name is not None and line_of_id.setdefault(name, row.line) != row.line:
                raise UnusableError(
                    f"repeated id: {name!r} stands on {table.numbering} {line_of_id[name]} already"
                )
        except UnusableError as problem:
            rejected.append(row.reject(str(problem)))
            continue
        for column, part in zip(texts, parts, strict=True):
            column.append(part)
        if label is not None:
            labels.append(label if len(label_positions) > 1 else shared.setdefault(label, label))
        if group is not None:
            groups.append(shared.setdefault(group, group))
        if name is not None:
            ids.append(name)
        lines.append(row.line)
    lines = compact(lines)
    encoding = table.encoding
    notes = ReadingNotes(
        format=table.format,
        total_rows=total,
        encoding=encoding.title if encoding else None,
        byte_order_mark=bool(encoding and encoding.byte_order_mark),
        first_undecodable_line=encoding.first_undecodable_line if encoding else None,
        delimiter=table.delimiter,
        blank_lines=table.blank_lines,
        numbering=table.numbering,
        remarks=tuple(table.remarks),
    )
    return Dataset(
        columns=dict(zip(choice.text, texts, strict=True)),
        labels=(labels.coded() if isinstance(labels, Codes) else labels) if choice.labels else None,
        ids=RowNumbers(lines) if id_at is None else ids,
        lines=lines,
        source=wanted.where,
        groups=groups if choice.group else None,
        rejected=rejected,
        label_column=choice.label or choice.labels or None,
        id_column=choice.id,
        notes=notes,
        numbering=table.numbering,
    )


class NothingUsableError(DataError):
    """No row can be used: all of them are in ``rejected``."""

    rejected: list[Rejected]


def _nothing_usable(dataset: Dataset) -> DataError:
    where = dataset.source
    if not dataset.rejected:
        return DataError(
            "the file has a header but no rows", where=where, fix="Add the rows below the header."
        )
    first, told = Rejected.most_telling(dataset.rejected)
    error = NothingUsableError(
        told,
        where=dataset.place(first.line),
        fix=f"Look there: {first.excerpt[:80]!r}",
    )
    error.rejected = dataset.rejected
    return error
