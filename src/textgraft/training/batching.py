"""Batches by token budget: texts of similar length share a batch, so that little is spent on padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from textgraft.training.settings import TrainingSettings

Lengths = Sequence[int] | Sequence[Sequence[int]] | NDArray[np.integer[Any]]
"""Tokens of each sequence, or of both of its sides."""


def token_budget_batches(
    lengths: Lengths,
    *,
    max_tokens: int,
    max_sequences: int,
    generator: np.random.Generator | None,
) -> list[list[int]]:
    """Group positions into batches that hold at most ``max_tokens`` padded tokens.

    The padded size of a batch is its longest length times its number of sequences; where an entry has two
    sides that are padded apart, as source and target, it is the sum of theirs. Entries are sorted by the
    first side and, where that is equal, by the second. In training, lengths are jittered before sorting, the
    first batch gets a random size and the batches are shuffled: which texts meet in a batch changes from
    epoch to epoch although they are of similar length.

    Args:
        lengths: Tokens of each sequence, or of both of its sides.
        max_tokens: Most padded tokens in a batch. A sequence longer than that gets a batch of its own.
        max_sequences: Most sequences in a batch.
        generator: Source of the training order, which it determines. None for evaluation: longest first, so
            that a batch too large for the memory is met at once.

    Returns:
        Batches of positions; each position from 0 to ``len(lengths) - 1`` stands in exactly one.
    """
    if not len(lengths):
        return []
    sides = np.asarray(lengths, dtype=np.int64).reshape(len(lengths), -1)
    if generator is None:
        return _cut(sides, _descending(sides.T), max_tokens, max_sequences, max_sequences)
    # A batch spans the jitter once more beyond its own range of lengths, hence its smallness.
    jittered = np.stack(
        [
            side * generator.uniform(0.99, 1.01, side.size) + generator.uniform(0.0, 1.0, side.size)
            for side in sides.T
        ]
    )
    order = _descending(jittered)
    first = int(generator.integers(1, max_sequences, endpoint=True))
    batches = _cut(sides, order, max_tokens, max_sequences, min(first, len(order)))
    generator.shuffle(batches)
    return batches


def bucketed_steps(
    lengths: Lengths, epoch: int, settings: TrainingSettings, processes: int
) -> list[list[list[int]]]:
    """Return an epoch's batches by token budget, in groups of one optimizer step.

    Args:
        lengths: Tokens of each sequence, or of both of its sides.
        epoch: Counted from 0; with the seed it determines the order.
        settings: The size of batches, their accumulation and the seed.
        processes: How many share the batches of a step.
    """
    batches = token_budget_batches(
        lengths,
        max_tokens=settings.max_tokens,
        max_sequences=settings.batch_size,
        generator=np.random.default_rng([settings.seed, epoch]),
    )
    size = settings.accumulation * processes
    return [batches[start : start + size] for start in range(0, len(batches), size)]


def _descending(sides: np.ndarray) -> np.ndarray:
    """Return the order of entries by one side [1, entries], longest first, or by two of them [2, entries].

    Among entries of one whole length of the first side the second rises and falls in turn, so that it makes
    no leap, either, where the first goes down by one.
    """
    if len(sides) == 1:
        return np.argsort(-sides[0], kind="stable")
    whole = np.floor(sides[0])
    return np.lexsort((np.where(whole % 2, sides[1], -sides[1]), -whole))


def _cut(
    sides: np.ndarray, order: np.ndarray, max_tokens: int, max_sequences: int, first: int
) -> list[list[int]]:
    """Cut ``order`` into batches within both caps; the first holds at most ``first`` sequences.

    Args:
        sides: Tokens of each side of each entry, [entries, sides].
        order: Positions, [entries].
        max_tokens: Most padded tokens in a batch.
        max_sequences: Most sequences in a batch.
        first: Most sequences in the first batch.
    """
    batches: list[list[int]] = []
    batch: list[int] = []
    longest: list[int] = []
    cap = first
    for position, lengths in zip(order.tolist(), sides[order].tolist(), strict=True):
        grown = list(map(max, longest, lengths)) if batch else lengths
        if batch and (len(batch) == cap or sum(grown) * (len(batch) + 1) > max_tokens):
            batches.append(batch)
            batch, grown, cap = [], lengths, max_sequences
        batch.append(position)
        longest = grown
    batches.append(batch)
    return batches
