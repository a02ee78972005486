"""Training sizes that a learning curve is drawn through, and what each of them tells."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

LEAST_SIZES = 4
"""Of a curve, where there are rows enough: with fewer it has no shape."""
SMALLEST_SIZE = 25
"""Usual sizes are not smaller: below so many labels a curve is still to find its shape."""


def default_sizes(rows: int, labels: int = 0) -> list[int]:
    """Return 100, 300, 1000, 3000, … below ``rows``, and ``rows`` itself.

    Where that makes fewer than four, halves of the smallest are put before it, as long as they have two rows
    for each of the ``labels``.
    """
    steps = [base * 10**power for power in range(2, 8) for base in (1, 3)]
    sizes = [*(size for size in steps if size <= 0.75 * rows), rows]
    while len(sizes) < LEAST_SIZES and sizes[0] // 2 >= max(SMALLEST_SIZE, 2 * labels):
        sizes.insert(0, sizes[0] // 2)
    return sizes


def by_worth(sizes: Sequence[int]) -> list[int]:
    """Order sizes by what they tell: the largest, the smallest, then always the middle of the widest gap."""
    left = sorted(sizes)
    chosen = [left.pop()]
    if left:
        chosen.append(left.pop(0))
    while left:
        best = max(left, key=lambda size: farness(size, [other for other in chosen if other]))
        left.remove(best)
        chosen.append(best)
    return chosen


def farness(size: int, others: Collection[int]) -> float:
    """Return how far a size is from the nearest of others, on the log axis; without others, very far."""
    return min((abs(math.log(max(1, size) / max(1, other))) for other in others), default=math.inf)
