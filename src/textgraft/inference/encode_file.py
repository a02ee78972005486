"""Encode a whole file: an array whose rows are the rows of the file, in its order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textgraft.data.dataset import Dataset
from textgraft.data.readers.reading import Form, read_dataset
from textgraft.data.values import as_text, within_limit
from textgraft.files import atomic_writer, check_output

if TYPE_CHECKING:
    from textgraft.client.client import Client
    from textgraft.inference.encode import Encoder, Encodings

ENDINGS = (".npy",)


@dataclass(frozen=True)
class EncodedFile:
    """What was written."""

    shape: tuple[int, int]
    """Rows of the file, and numbers in an encoding."""
    empty: int
    """Rows without text, which are encoded as an empty string is."""
    unusable: int
    """Rows that cannot be read; theirs in the array is NaN throughout."""
    first_unusable: str | None
    """The first of them, with its line and reason."""
    truncated_fraction: float
    """Share of all tokens that lie beyond the encoder's limit, 0 to 1."""


def encode_file(
    encoder: Encoder | Client,
    source: str | Path,
    output: Path,
    *,
    text: str | Sequence[str] | None = None,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> EncodedFile:
    """Encode the texts of a file into an array that is aligned with its rows.

    Args:
        encoder: The encoder, or a service that has one.
        source: A table, or plain lines; also a Hub name.
        output: The array, a .npy file: float32 [rows, dimension].
        text: The text column or columns; guessed from common names if None.
        overwrite: Whether an array that exists may be replaced.
        on_progress: Called with the number of rows just finished, and of all.

    Raises:
        DataError: The file cannot be read, or no row is usable.
        OptionError: ``output`` does not end in .npy, or a column does not exist.
        OutputError: It exists, or cannot be written.
    """
    check_output(output, ENDINGS, overwrite=overwrite)
    dataset = read_dataset(source, text=text, labelled=False, form=Form(as_texts=_any_texts))
    total = len(dataset)
    vectors = encoder.encode(dataset.texts, lambda done: on_progress(done, total) if on_progress else None)
    vectors = _aligned(vectors, dataset)
    with atomic_writer(output) as handle:
        np.save(handle, vectors)
    rejected = dataset.rejected
    return EncodedFile(
        shape=(len(vectors), vectors.shape[1]),
        empty=sum(not value or value.isspace() for value in dataset.texts),
        unusable=len(rejected),
        first_unusable=f"line {rejected[0].line}: {rejected[0].reason}" if rejected else None,
        truncated_fraction=encoder.truncated_fraction,
    )


def _any_texts(values: Sequence[Any]) -> list[str]:
    """Return texts, also empty ones."""
    return within_limit([as_text(value) for value in values])


def _aligned(vectors: Encodings, dataset: Dataset) -> Encodings:
    """Put a row of NaN where the file has a row that cannot be read."""
    if not dataset.rejected:
        return vectors
    lines = np.sort([*dataset.lines, *(bad.line for bad in dataset.rejected)])
    aligned = np.full((len(lines), vectors.shape[1]), np.nan, dtype=np.float32)
    aligned[np.searchsorted(lines, dataset.lines)] = vectors
    return aligned
