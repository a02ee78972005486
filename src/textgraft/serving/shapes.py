"""Shapes of batches: a few of them, so that the engine has met the next one before.

OpenVINO prepares itself for every shape of a batch, which takes about as long as computing a hundred tokens.
Texts as they come would give a new shape nearly every time. Here a batch is filled up: its sequences to the
next of a few widths, and the batch to the next power of two. For the batches that are chosen with that in
mind (:func:`~textgraft.serving.queueing.choose_batch`) it costs about a tenth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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


def all_rows(most: int) -> NDArray[np.int64]:
    """Return the rows of batches of 0 to so many sequences, [most + 1]."""
    return np.array([0, *map(rows_of, range(1, most + 1))], dtype=np.int64)
