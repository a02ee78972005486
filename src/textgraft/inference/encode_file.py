"""Encode a whole file: an array whose rows are the rows of the file, in its order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from textgraft.files import atomic_writer, check_output
from textgraft.inference.encodable import aligned, read_texts

if TYPE_CHECKING:
    from textgraft.client.client import Client
    from textgraft.inference.encode import Encoder

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
    dataset = read_texts(source, text)
    total = len(dataset)
    vectors = encoder.encode(dataset.texts, lambda done: on_progress(done, total) if on_progress else None)
    vectors = aligned(vectors, dataset)
    with atomic_writer(output) as handle:
        np.save(handle, vectors)
    rejected = dataset.rejected
    return EncodedFile(
        shape=(len(vectors), vectors.shape[1]),
        empty=sum(not value or value.isspace() for value in dataset.texts),
        unusable=len(rejected),
        first_unusable=f"{dataset.numbering} {rejected[0].line}: {rejected[0].reason}" if rejected else None,
        truncated_fraction=encoder.truncated_fraction,
    )
