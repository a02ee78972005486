"""A user's checked rows, held as columns."""

from __future__ import annotations

import functools
import hashlib
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from textgraft.data.packed import Coded, JoinedColumns, Packed, PackedTexts, PickedTexts, compact, picked
from textgraft.files import called

Numbering = Literal["line", "row", "question"]
"""What a source's rows are numbered by, counted from 1: the lines of a text file, its header and empty lines
among them, where a row has the line on which it starts; the rows of a sheet, as they stand beside it on the
screen; else the rows there are (Parquet, JSON documents, Hub sets, values in memory), SQuAD's questions."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that cannot be used, and why."""

    line: int
    """Where the row starts, by the source's :data:`Numbering`."""
    reason: str
    """The kind of problem, a colon, and the details: "ragged row: 3 fields where the header has 2"."""
    excerpt: str
    """The beginning of the row as it stands in the file, at most 200 characters."""

    def __post_init__(self) -> None:
        # Half a surrogate pair may be why; it must not break the file or screen that the row is shown on.
        for part in ("reason", "excerpt"):
            text: str = getattr(self, part)
            if not text.isascii():
                object.__setattr__(self, part, text.encode("utf-8", "replace").decode())

    @property
    def kind(self) -> str:
        """The reason without its details, for counting."""
        return self.reason.partition(":")[0]

    @classmethod
    def most_telling(cls, rejected: Sequence[Rejected], thing: str = "row") -> tuple[Rejected, str]:
        """Return the first of the commonest kind, where all rows were rejected, and say what became of all.

        Args:
            rejected: All rows of a source.
            thing: What they are called there.
        """
        kind, number = Counter(row.kind for row in rejected).most_common(1)[0]
        first = next(row for row in rejected if row.kind == kind)
        if len(rejected) == 1:
            return first, f"the only {thing} cannot be used: {first.reason}"
        share = "all" if number == len(rejected) else f"{number:,}"
        told = (
            f"none of the {len(rejected):,} {thing}s can be used; {share} of them have this: {first.reason}"
        )
        return first, told


@dataclass(frozen=True, slots=True)
class ReadingNotes:
    """How a source was read: what a user must know to judge whether it was read rightly."""

    format: str
    """"CSV", "TSV", "JSON Lines", "Parquet", "plain text" or "Hub"."""
    total_rows: int
    """Rows met, the rejected ones included."""
    encoding: str | None = None
    """Name of the character encoding; None for formats that fix it themselves."""
    byte_order_mark: bool = False
    first_undecodable_line: int | None = None
    """First line, counted from 1, that is not UTF-8: the reason why another encoding was taken."""
    delimiter: str | None = None
    """The character between fields, for delimited text."""
    blank_lines: int = 0
    """Lines with nothing on them, which stand between rows and are not rows."""
    numbering: Numbering = "line"
    """What the rows are numbered by."""
    remarks: tuple[str, ...] = ()
    """What was assumed where the source could have been read in another way, a sentence or two each."""

    def warnings(self) -> Iterator[str]:
        """Say what of it may mean that the source was read wrongly."""
        if self.first_undecodable_line and self.encoding != "UTF-8":
            yield (
                f"The file is not UTF-8 (first on line {self.first_undecodable_line}) and was read as "
                f"{self.encoding}. If letters look wrong, save it as UTF-8."
            )


@dataclass(frozen=True)
class RowNumbers(Packed[str]):
    """The ids of rows that have none of their own, their lines: each is written when it is asked for.

    A million strings would take more memory than the texts of many a data set.
    """

    numbers: array[int]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: Any) -> Any:
        found = self.numbers[index]
        return RowNumbers(found) if isinstance(index, slice) else str(found)

    def select(self, rows: array[int]) -> RowNumbers:
        """Return the numbers of some rows."""
        return RowNumbers(compact(array("q", (self.numbers[row] for row in rows))))


@dataclass(frozen=True)
class Dataset:
    """Rows in columns: every list has the same length, and position i of each belongs to one row."""

    columns: Mapping[str, Sequence[Any]]
    """The text columns by name, in the order the user gave them; tasks add columns of other values."""
    labels: Sequence[Any] | None
    """The target of each row in the form of its task: a string for classification, a tuple of strings for
    label sets; None for rows to predict."""
    ids: Sequence[str]
    """The id column, or :attr:`lines` where there is none."""
    lines: Sequence[int]
    """Where each row starts, by the source's :data:`Numbering`: its name in messages, results and reports."""
    source: str
    """Path or Hub name the rows came from, or that they came by standard input."""
    groups: list[str] | None = None
    """Rows of one group never straddle splits."""
    rejected: list[Rejected] = field(default_factory=list)
    label_column: str | tuple[str, ...] | None = None
    """The column of the labels, or the columns where each label has its own."""
    id_column: str | None = None
    """Name of the user's id column; None where the ids are row numbers."""
    notes: ReadingNotes | None = None
    """How the source was read; None for data that was not read from a source."""
    kinds: list[tuple[str, ...]] | None = None
    """For targets that are no names but hold some, as tags hold types: the names of each row."""
    numbering: Numbering = "row"
    """What :attr:`lines` counts."""
    beside: dict[str, list[Any]] = field(default_factory=dict)
    """All columns of the source as they stand there, where answers are to be written beside them."""

    def __post_init__(self) -> None:
        # Of rows that came by standard input, reports and records must not name the file they went through.
        object.__setattr__(self, "source", called(self.source))

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def unlabelled(cls, columns: Mapping[str, Sequence[Any]]) -> Dataset:
        """Make rows to predict from Python values, one list a column."""
        numbers = array("q", range(1, 1 + len(next(iter(columns.values())))))
        return cls(columns, None, RowNumbers(numbers), numbers, "the given inputs")

    def place(self, line: int) -> str:
        """Return the source and one of its lines, as messages name them."""
        return f"{self.source}, {self.numbering} {line}"

    @functools.cached_property
    def texts(self) -> Sequence[str]:
        """One string a row: the text columns joined by a newline; without any, a name made of the values."""
        lists = [values for values in self.columns.values() if not values or isinstance(values[0], str)]
        if not lists:
            return [_name(values) for values in zip(*self.columns.values(), strict=True)]
        if len(lists) == 1:
            return lists[0]
        if isinstance(lists[0], PackedTexts | PickedTexts):
            return JoinedColumns(lists)
        return ["\n".join(parts) for parts in zip(*lists, strict=True)]

    def strings(self) -> list[str]:
        """Return every string of the columns, one column after the other."""
        return [value for values in self.columns.values() for value in values if isinstance(value, str)]

    @functools.cached_property
    def names(self) -> Sequence[tuple[str, ...]]:
        """The names in each row's target: its label or labels, the types of its tags; none in other forms."""
        if self.kinds is not None:
            return self.kinds
        if isinstance(self.labels, Coded):
            return self.labels.mapped(_names_of)
        shared: dict[str, tuple[str, ...]] = {}  # a million rows have a few labels
        return [
            shared.setdefault(label, _names_of(label)) if isinstance(label, str) else _names_of(label)
            for label in self.labels or [None] * len(self)
        ]

    @property
    def name_counts(self) -> Counter[str]:
        """How many rows have each name, in the order of the first ones."""
        names, counted = self.names, Counter[str]()
        for row, count in (names.counts() if isinstance(names, Coded) else Counter(names)).items():
            for name in row:
                counted[name] += count
        return counted

    @property
    def strata(self) -> Sequence[str]:
        """What splits and subsets keep in proportion: of each row its name, or the rarest of its names."""
        counts, names = self.name_counts, self.names

        def rarest(row: tuple[str, ...]) -> str:
            return min(row, key=lambda name: (counts[name], name), default="")

        if isinstance(names, Coded):
            return names.mapped(rarest)
        of_row = {row: rarest(row) for row in set(names)}
        return [of_row[row] for row in names]

    @property
    def has_names(self) -> bool:
        """Whether every row is labelled with one name."""
        values = self.labels.values if isinstance(self.labels, Coded) else self.labels
        return bool(self.labels) and all(isinstance(label, str) for label in values or ())

    def select(self, indices: Sequence[int]) -> Dataset:
        """Return the rows at ``indices``, in that order; rejected rows and notes stay behind."""
        # An array, as so many numbers of Python take five times the memory.
        rows = array("q", map(int, indices))
        lines = compact(array("q", (self.lines[row] for row in rows)))
        is_numbered = isinstance(self.ids, RowNumbers) and self.ids.numbers is self.lines
        return Dataset(
            columns={name: picked(values, rows) for name, values in self.columns.items()},
            labels=None if self.labels is None else picked(self.labels, rows),
            ids=RowNumbers(lines) if is_numbered else picked(self.ids, rows),
            lines=lines,
            source=self.source,
            groups=None if self.groups is None else [self.groups[row] for row in rows],
            label_column=self.label_column,
            id_column=self.id_column,
            kinds=None if self.kinds is None else [self.kinds[row] for row in rows],
            numbering=self.numbering,
            beside={name: [values[row] for row in rows] for name, values in self.beside.items()},
        )

    @functools.cached_property
    def hash(self) -> str:
        """Hash of texts, labels and groups in order (16 hexadecimal digits): the identity of the data."""
        digest = hashlib.sha256()
        for name, values in self.columns.items():
            for value in (name, *values):
                digest.update(_bytes(value) + b"\x00")
        for extra in (self.labels, self.groups):
            digest.update(b"\x01")
            for value in extra or ():
                digest.update(_bytes(value) + b"\x00")
        return digest.hexdigest()[:16]


def _names_of(label: Any) -> tuple[str, ...]:
    """Return the name or names in a target; none where it is of another form."""
    if isinstance(label, str):
        return (label,)
    return label if isinstance(label, tuple) else ()


def _name(values: Sequence[Any]) -> str:
    """Name a row without text by its values, so that equal rows have equal names and others do not."""
    return hashlib.sha256(msgspec.json.encode(values)).hexdigest()


def _bytes(value: Any) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else msgspec.json.encode(value)
