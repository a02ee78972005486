"""Batches by token budget: texts of similar length share a batch, so that little is spent on padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from textgraft.training.settings import TrainingSettings

Lengths = Sequence[int] | Sequence[Sequence[int]] | NDArray[np.integer[Any]]
"""Tokens of each sequence, or of both of its sides."""
SHAPED_TOKENS = 256
"""Tokens of a batch of fixed shape, about: more are not computed faster, and few texts fill less of them."""
_MOST_SHAPED_TOKENS = 1_536
"""It has no more of them to fill tiles."""
_STEPS = ((32, 4), (64, 8), (128, 16))
"""Up to which length widths are multiples of what; beyond, of 32."""
_WHOLE_TILES = 64
"""Matrix products are computed in tiles of rows; batches of a multiple of so many tokens fill all of them."""


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


def bucketed_steps(lengths: Lengths, epoch: int, settings: TrainingSettings) -> list[list[list[int]]]:
    """Return an epoch's batches by token budget, in groups of one optimizer step.

    Args:
        lengths: Tokens of each sequence, or of both of its sides.
        epoch: Counted from 0; with the seed it determines the order.
        settings: The size of batches, their accumulation and the seed.
    """
    batches = token_budget_batches(
        lengths,
        max_tokens=settings.max_tokens,
        max_sequences=settings.batch_size,
        generator=np.random.default_rng([settings.seed, epoch]),
    )
    size = settings.accumulation
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


@dataclass(frozen=True)
class ShapedBatch:
    """A batch whose shape follows from the length of any of its sequences."""

    members: list[int]
    """Positions of its sequences."""
    rows: int
    """Sequences to compute on; where there are fewer, the rest is to be filled up."""
    width: int
    """Tokens to pad every sequence to."""


def fixed_width(length: int, most: int | None = None) -> int:
    """Return the width of the batches that a sequence of some tokens is computed in.

    Args:
        length: Its tokens.
        most: The widest that the model can read.
    """
    step = next((step for limit, step in _STEPS if length <= limit), 32)
    width = -(-max(1, length) // step) * step
    return width if most is None else max(length, min(width, most))


def fixed_shapes(lengths: Sequence[int], most: int | None = None) -> list[ShapedBatch]:
    """Group positions into batches so that what a sequence is computed with depends on its length alone.

    How a processor adds up the products of matrices depends on their shapes. In batches of one token budget
    a sequence's hidden states depend, by a rounding error, on which others there are; here they do not. It
    costs an eighth more padding, and batches that are filled up where sequences of a length run out.

    Args:
        lengths: Tokens of each sequence.
        most: The widest batch that the model can read; no length is above it.

    Returns:
        Batches, the widest first; each position stands in exactly one.
    """
    by_width: dict[int, list[int]] = {}
    for position, length in enumerate(lengths):
        by_width.setdefault(fixed_width(length, most), []).append(position)
    batches = []
    for width in sorted(by_width, reverse=True):
        members, rows = by_width[width], _fixed_rows(width)
        batches += [
            ShapedBatch(members[start : start + rows], rows, width) for start in range(0, len(members), rows)
        ]
    return batches


def _fixed_rows(width: int) -> int:
    """Return how many sequences the batches of a width have."""
    step = _WHOLE_TILES // math.gcd(_WHOLE_TILES, width)
    if step * width > _MOST_SHAPED_TOKENS:
        step = 1  # a model of an odd length: tiles are not filled
    return max(1, round(SHAPED_TOKENS / width / step)) * step
