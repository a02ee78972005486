"""Batches by token budget: texts of similar length share a batch, so that little is spent on padding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def token_budget_batches(
    lengths: Sequence[int],
    *,
    max_tokens: int,
    max_sequences: int,
    generator: np.random.Generator | None,
) -> list[list[int]]:
    """Group positions into batches that hold at most ``max_tokens`` padded tokens.

    The padded size of a batch is its longest length times its number of sequences. In training, lengths are
    jittered before sorting, the first batch gets a random size and the batches are shuffled: which texts meet
    in a batch changes from epoch to epoch although they are of similar length.

    Args:
        lengths: Tokens of each sequence.
        max_tokens: Most padded tokens in a batch. A sequence longer than that gets a batch of its own.
        max_sequences: Most sequences in a batch.
        generator: Source of the training order, which it determines. None for evaluation: longest first, so
            that a batch too large for the memory is met at once.

    Returns:
        Batches of positions; each position from 0 to ``len(lengths) - 1`` stands in exactly one.
    """
    true = np.asarray(lengths, dtype=np.int64)
    if true.size == 0:
        return []
    if generator is None:
        order = np.argsort(-true, kind="stable")
        return _cut(true, order, max_tokens, max_sequences, max_sequences)
    # A batch spans the jitter once more beyond its own range of lengths, hence its smallness.
    jittered = true * generator.uniform(0.99, 1.01, true.size) + generator.uniform(0.0, 1.0, true.size)
    order = np.argsort(-jittered, kind="stable")
    first = int(generator.integers(1, max_sequences, endpoint=True))
    batches = _cut(true, order, max_tokens, max_sequences, min(first, len(order)))
    generator.shuffle(batches)
    return batches


def _cut(
    lengths: np.ndarray, order: np.ndarray, max_tokens: int, max_sequences: int, first: int
) -> list[list[int]]:
    """Cut ``order`` into batches within both caps; the first holds at most ``first`` sequences."""
    batches: list[list[int]] = []
    batch: list[int] = []
    longest, cap = 0, first
    for position in order.tolist():
        length = int(lengths[position])
        if batch and (len(batch) == cap or max(longest, length) * (len(batch) + 1) > max_tokens):
            batches.append(batch)
            batch, longest, cap = [], 0, max_sequences
        batch.append(position)
        longest = max(longest, length)
    batches.append(batch)
    return batches


def padding_share(lengths: Sequence[int], batches: Sequence[Sequence[int]]) -> float:
    """Return the share of padded tokens that are padding, 0 to 1."""
    true = sum(lengths)
    padded = sum(max(lengths[position] for position in batch) * len(batch) for batch in batches)
    return 1 - true / padded if padded else 0.0
