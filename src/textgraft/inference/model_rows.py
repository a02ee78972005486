"""The rows that a model is asked about, read by the columns that it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textgraft.data.columns import as_tuple
from textgraft.data.dataset import Dataset
from textgraft.data.formats.compressed import bare_name
from textgraft.data.formats.given import GivenTable, Source
from textgraft.data.formats.plain import PlainTable
from textgraft.data.readers.parts import read_beside
from textgraft.data.readers.reading import open_table
from textgraft.models.manifest import Manifest
from textgraft.tasks.base import Task
from textgraft.tasks.reading import with_offsets
from textgraft.tasks.text.texts import OneWindowTexts


def read_for_model(
    task: type[Task],
    manifest: Manifest | None,
    source: Source | Dataset,
    *,
    text: str | Sequence[str] | None = None,
    label: str | Sequence[str] | None = None,
    id_column: str | None = None,
    offsets: str = "characters",
    labelled: bool = True,
) -> Dataset:
    """Read rows of a model's task.

    Args:
        task: The model's.
        manifest: That says which columns it was trained on; None: they are told by names and values.
        source: A file, or what was given in its place.
        text: Text columns; those that the model was trained with if left out.
        label: Label column; likewise.
        id_column: Column that names rows.
        offsets: What the offsets of spans and answers count.
        labelled: Whether rows need a target.

    Raises:
        DataError: The rows cannot be read.
        OptionError: A column does not exist.
    """
    if isinstance(source, Dataset):
        return source
    is_tabular = manifest is not None and manifest.label_column is not None
    known = tuple(manifest.text_columns) if manifest and is_tabular else ()
    target = as_tuple(manifest.label_column) if manifest else ()
    if isinstance(source, GivenTable) and not source.is_named:
        source = source.called(as_tuple(text) or known, as_tuple(label) or target)
        if not set(known) <= set(source.columns):
            known = target = ()
    elif not labelled and isinstance(source, str | Path) and _is_plain(Path(source)):
        known = ()
    elif isinstance(source, str | Path) and Path(source).is_dir():
        known = target = ()  # a folder of texts, whose columns have names of ours
    return task.read(
        source,
        text=text or known or None,
        label=(label or target or None) if labelled else None,
        id_column=id_column,
        labelled=labelled,
        **with_offsets(task, offsets),
    )


def read_to_predict(
    task: type[Task],
    manifest: Manifest | None,
    source: Source | Dataset,
    *,
    text: str | Sequence[str] | None = None,
    id_column: str | None = None,
) -> Dataset:
    """Read rows that a model is to answer, with all columns of their table beside them.

    Args:
        task: As for :func:`read_for_model`, as all others are.
        manifest: The model's.
        source: A file, or what was given in its place. Rows that were read already stay as they are.
        text: Text columns.
        id_column: Column that names rows.

    Raises:
        DataError: The rows cannot be read.
        OptionError: A column does not exist.
    """
    if isinstance(source, Dataset):
        return source

    def read(given: Source, columns: Sequence[str] | None) -> Dataset:
        named = columns or text
        return read_for_model(task, manifest, given, text=named, id_column=id_column, labelled=False)

    # Files of other tasks are no tables of texts, or are read by rules of their own.
    return read_beside(source, read, streams=issubclass(task, OneWindowTexts))


def _is_plain(path: Path) -> bool:
    """Tell whether a file has a text a line."""
    if Path(bare_name(path)).suffix.lower() != ".txt":
        return False
    return not path.is_file() or open_table(path, labelled=False).format == PlainTable.format
