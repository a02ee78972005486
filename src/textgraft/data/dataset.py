"""A user's checked rows, held as columns."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that cannot be used, and why."""

    line: int
    """Line of the file, counted from 1, on which the row starts (row number for Parquet and Hub sets)."""
    reason: str
    excerpt: str
    """The beginning of the row as it stands in the file, at most 200 characters."""


@dataclass(frozen=True)
class Dataset:
    """Rows in columns: every list has the same length, and position i of each belongs to one row."""

    columns: dict[str, list[str]]
    """The text columns by name, in the order the user gave them."""
    labels: list[str] | None
    """The label of each row as a string, or None for rows to predict."""
    ids: list[str]
    """The id column, or the row numbers "1", "2", … where there is none."""
    lines: list[int]
    """Line of the source, counted from 1, on which each row starts."""
    source: str
    """Path or Hub name the rows came from."""
    groups: list[str] | None = None
    """Rows of one group never straddle splits."""
    rejected: list[Rejected] = field(default_factory=list)
    label_column: str | None = None
    id_column: str | None = None
    """Name of the user's id column; None where the ids are row numbers."""

    def __len__(self) -> int:
        return len(self.ids)

    @functools.cached_property
    def texts(self) -> list[str]:
        """One string a row: the text columns joined by a newline."""
        lists = list(self.columns.values())
        return lists[0] if len(lists) == 1 else ["\n".join(parts) for parts in zip(*lists, strict=True)]

    def select(self, indices: Sequence[int]) -> Dataset:
        """Return the rows at ``indices``, in that order; rejected rows stay with the original."""
        rows = [int(index) for index in indices]
        return Dataset(
            columns={name: [values[row] for row in rows] for name, values in self.columns.items()},
            labels=None if self.labels is None else [self.labels[row] for row in rows],
            ids=[self.ids[row] for row in rows],
            lines=[self.lines[row] for row in rows],
            source=self.source,
            groups=None if self.groups is None else [self.groups[row] for row in rows],
            label_column=self.label_column,
            id_column=self.id_column,
        )

    @functools.cached_property
    def hash(self) -> str:
        """Hash of texts, labels and groups in order (16 hexadecimal digits): the identity of the data."""
        digest = hashlib.sha256()
        for name, values in self.columns.items():
            for text in (name, *values):
                digest.update(text.encode("utf-8", "surrogatepass") + b"\x00")
        for extra in (self.labels, self.groups):
            digest.update(b"\x01")
            for text in extra or ():
                digest.update(text.encode("utf-8", "surrogatepass") + b"\x00")
        return digest.hexdigest()[:16]
