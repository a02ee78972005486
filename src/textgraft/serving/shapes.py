"""Shapes of batches: a few of them, so that the engine has met the next one before.

OpenVINO prepares itself for every shape of a batch, which takes about as long as computing a hundred tokens.
Texts as they come would give a new shape nearly every time. Here a batch is filled up: its sequences to the
next of a few widths, and the batch to the next power of two. For the batches that are chosen with that in
mind (:func:`~textgraft.serving.queueing.choose_batch`) it costs about a tenth.
"""

from __future__ import annotations

import functools

from textgraft.inference.engines.base import Engine
from textgraft.training.batching import fixed_width


def prepares_for_shapes(engine: Engine) -> bool:
    """Return whether an engine prepares itself for every shape of a batch."""
    return engine.name == "openvino"


def filled(rows: int, length: int, most: int | None = None) -> tuple[int, int]:
    """Return the rows and the width that a batch is filled up to.

    Args:
        rows: Its sequences.
        length: Tokens of the longest.
        most: The widest that the model can read.
    """
    return rows_of(rows), fixed_width(length, most)


def rows_of(count: int) -> int:
    """Return the number of rows that a batch of some sequences is filled up to: the next power of two."""
    return 1 << (count - 1).bit_length()


def all_shapes(max_tokens: int, max_sequences: int, length: int) -> list[tuple[int, int]]:
    """Return the shapes that batches are filled up to, as rows and width, the quickest first.

    Args:
        max_tokens: Most tokens of a batch that are computed; what a longer sequence by itself would be filled
            up to is left out.
        max_sequences: Most sequences of a batch.
        length: Most tokens of a sequence.
    """
    widths = {fixed_width(tokens, length) for tokens in range(1, min(length, max_tokens) + 1)}
    rows = {rows_of(count) for count in range(1, max_sequences + 1)}
    return sorted(
        ((count, width) for count in rows for width in widths if count * width <= max_tokens),
        key=lambda shape: (shape[0] * shape[1], shape),
    )


@functools.cache
def all_rows(most: int) -> tuple[int, ...]:
    """Return the rows of batches of 0 to so many sequences."""
    return (0, *map(rows_of, range(1, most + 1)))
