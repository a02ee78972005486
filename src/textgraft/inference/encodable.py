"""Texts to encode, and the place of their encodings where rows of a file cannot be read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.data.columns import Columns, choose_columns
from textgraft.data.dataset import Dataset
from textgraft.data.formats.compressed import bare_name
from textgraft.data.formats.given import GivenTable, Source, as_source
from textgraft.data.inputs import is_table
from textgraft.data.readers.reading import FORMATS, Form, read_dataset
from textgraft.data.sample import Sample
from textgraft.data.values import as_text, within_limit

_LONGEST_PATH = 4096


def read_texts(source: Source, text: str | Sequence[str] | None = None) -> Dataset:
    """Read the texts of a file, also empty ones.

    Args:
        source: A table, or plain lines; also a Hub name.
        text: The text column or columns; guessed from common names if None.

    Raises:
        DataError: The file cannot be read, or no row is usable.
        OptionError: A column does not exist.
    """
    return read_dataset(source, text=text, labelled=False, form=Form(as_texts=_any_texts))


def aligned(vectors: NDArray[np.float32], dataset: Dataset) -> NDArray[np.float32]:
    """Put a row of NaN where the file has a row that cannot be read.

    Args:
        vectors: Of the rows that can, [rows, dimension].
        dataset: As read.
    """
    if not dataset.rejected:
        return vectors
    lines = np.sort([*dataset.lines, *(bad.line for bad in dataset.rejected)])
    found = np.full((len(lines), vectors.shape[1]), np.nan, dtype=np.float32)
    found[np.searchsorted(lines, dataset.lines)] = vectors
    return found


def is_file(source: Any) -> bool:
    """Tell a path, or the Hub name of a data set, from a text."""
    if isinstance(source, os.PathLike):
        return True
    if not isinstance(source, str) or len(source) > _LONGEST_PATH or "\n" in source or "\0" in source:
        return False
    if source.startswith("hub:"):
        return True
    try:
        return Path(bare_name(Path(source))).suffix.lower() in FORMATS or Path(source).is_file()
    except OSError:  # a part of it is too long for a file's name
        return False


def text_columns(source: Any) -> list[str] | None:
    """Return the columns of a table or of a list of dicts that hold the texts, as a file's would be told.

    Returns:
        None for what has no columns.

    Raises:
        DataError: None of several columns qualifies.
    """
    is_records = isinstance(source, list | tuple) and bool(source) and isinstance(source[0], Mapping)
    if not is_records and not is_table(source):
        return None
    table = as_source(source)
    if not isinstance(table, GivenTable):
        return None
    return choose_columns(Sample.of(table), Columns(labelled=False), where=str(table)).text


def _any_texts(values: Sequence[Any]) -> list[str]:
    """Return texts, also empty ones."""
    return within_limit([as_text(value) for value in values])
