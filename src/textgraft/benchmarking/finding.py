"""Which sets a folder holds, and the rows of their files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from textgraft.benchmarking.sets import BenchmarkSet, Layout
from textgraft.benchmarking.tab_files import read_tabs
from textgraft.data.dataset import Dataset, Rejected
from textgraft.data.formats.given import Source
from textgraft.data.readers.reading import open_table
from textgraft.errors import DataError
from textgraft.tasks.registry import task_class
from textgraft.wording import listing

ENDINGS = (
    ".tsv", ".csv", ".jsonl", ".json", ".parquet", ".conll", ".conllu", ".iob", ".iob2", ".bio", ".txt", "",
)  # fmt: skip
"""Of the files that are looked for, the first ones first; CoNLL-2003's own have none."""
_TABS = (".tsv", ".txt")
_UNKNOWN_LABELS = ("", "-1", "None")
"""What stands in the label column of rows whose labels are hidden."""
_SAMPLED = 20


@dataclass(frozen=True)
class FoundSet:
    """A set with its files."""

    of: BenchmarkSet
    layout: Layout
    folder: Path
    train: Path
    test: Path
    dev: Path | None

    def read(self, path: Path) -> Dataset:
        """Read the labelled rows of one of its files.

        Raises:
            DataError: The file cannot be read, or has other columns.
        """
        return read_labelled(self.of, path)


def find_set(data: Path, wanted: BenchmarkSet) -> FoundSet | str:
    """Find a set in a folder of sets.

    Returns:
        The set; or what the folder lacks, as the end of a sentence.
    """
    folder = _folder(data, wanted.folders)
    if folder is None:
        return f"no folder {listing(list(wanted.folders), 'or')}"
    for layout in wanted.layouts:
        train = find_file(folder, layout.train)
        labelled = (
            path
            for name in layout.test
            if (path := find_file(folder, [name])) is not None and _is_labelled(wanted, path)
        )
        test = next(labelled, None)
        if train is not None and test is not None:
            return FoundSet(wanted, layout, folder, train, test, find_file(folder, layout.dev))
    if find_file(folder, [name for layout in wanted.layouts for name in layout.train]) is None:
        return f"no training rows in {folder.name}"
    return f"no labelled rows to score in {folder.name}"


def find_file(folder: Path, names: Sequence[str]) -> Path | None:
    """Return the first file of these names with one of :data:`ENDINGS`; None where there is none."""
    paths = (folder / f"{name}{ending}" for name in names for ending in ENDINGS)
    return next((path for path in paths if path.is_file()), None)


def find_folder(data: Path, folder: Path, names: Sequence[str]) -> Path | None:
    """Return the folder of hidden rows: the set's own, or one beside it of one of these names."""
    return _folder(data, names) if names else folder


def read_labelled(wanted: BenchmarkSet, path: Path) -> Dataset:
    """Read labelled rows of a set.

    Raises:
        DataError: The file cannot be read, or has other columns.
    """
    task = task_class(wanted.task)
    if not wanted.texts:
        return task.read(path)
    source = open_rows(wanted, path)
    text, label = columns_of(wanted, source)
    if label is None:
        raise DataError(
            f"it has none of the label columns {', '.join(wanted.label)}",
            where=str(path),
            fix=f"Give the files of {wanted.name} as they are published.",
        )
    return task.read(source, text=text, label=label)


def open_rows(wanted: BenchmarkSet, path: Path) -> Source:
    """Return a file of a set as something that is read as a table."""
    if path.suffix not in _TABS:
        return path
    known = {name for names in (*wanted.texts, wanted.label) for name in names}
    return read_tabs(path, wanted.without_header, known)


def columns_of(wanted: BenchmarkSet, source: Source) -> tuple[list[str], str | None]:
    """Return the text columns of a table, and its label column if it has one.

    Raises:
        DataError: A text column is missing.
    """
    present = open_table(source).columns
    text: list[str] = []
    for names in wanted.texts:
        found = next((name for name in names if name in present), None)
        if found is None:
            raise DataError(
                f"it has no column {listing(list(names), 'or')}",
                where=str(source),
                fix=f"Give the files of {wanted.name} as they are published.",
            )
        text.append(found)
    return text, next((name for name in wanted.label if name in present and name not in text), None)


def _is_labelled(wanted: BenchmarkSet, path: Path) -> bool:
    """Tell whether a file says what is right, by its first rows."""
    if not wanted.texts:
        return True
    source = open_rows(wanted, path)
    _, label = columns_of(wanted, source)
    if label is None:
        return False
    rows = islice(open_table(source).rows([label]), _SAMPLED)
    told = [str(row.values[0]).strip() for row in rows if not isinstance(row, Rejected)]
    return any(value not in _UNKNOWN_LABELS for value in told)


def _folder(data: Path, names: Sequence[str]) -> Path | None:
    """Return the folder of one of these names, which may lie in another one."""
    for name in names:
        found = [data]
        for part in name.split("/"):
            found = [
                inner
                for folder in found
                for inner in sorted(folder.iterdir())
                if inner.is_dir() and _plain(inner.name) == _plain(part)
            ]
        if found:
            return found[0]
    return None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9.]", "", name.lower())
