"""How much of what batches hold is padding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def padding_fraction(lengths: Sequence, batches: Sequence[Sequence[int]]) -> float:
    """Return the fraction of padded tokens that are padding.

    Args:
        lengths: Tokens of each sequence, or of both of its sides.
        batches: Positions of the sequences that share a batch.
    """
    sides = np.array(lengths).reshape(len(lengths), -1)
    padded = sum(int(sides[list(batch)].max(axis=0).sum()) * len(batch) for batch in batches)
    return 1 - int(sides.sum()) / padded
