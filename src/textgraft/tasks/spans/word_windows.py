"""Windows over the words of a text that is longer than a model reads."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple


class Window(NamedTuple):
    """A run of words, by their positions in the text."""

    start: int
    stop: int
    """The words that the model reads: from ``start`` up to, not including, ``stop``."""
    first: int
    last: int
    """Those whose answer is taken from this window, likewise: no other window has more context for them."""


def word_windows(sizes: Sequence[int], room: int) -> list[Window]:
    """Cover a text by windows that overlap by up to a quarter.

    Where two overlap, a word belongs to the one with more tokens between the word and the window's end.

    Args:
        sizes: Tokens of each word, none more than ``room``.
        room: Most tokens in a window.

    Returns:
        The windows in order, one even for no words; ``first`` to ``last`` of all of them are every word once.
    """
    before = [0, *accumulate(sizes)]
    spans: list[tuple[int, int]] = []
    start = stop = 0
    while not spans or stop < len(sizes):
        stop = bisect_right(before, before[start] + room) - 1
        spans.append((start, stop))
        start = max(start + 1, bisect_left(before, before[stop] - room // 4))
    cuts = [0]
    for (_, end), (begin, _) in pairwise(spans):
        shared = range(max(begin, cuts[-1]), end)
        behind = (word for word in shared if before[word] - before[begin] > before[end] - before[word + 1])
        cuts.append(next(behind, end))
    cuts.append(len(sizes))
    return [Window(*span, first, last) for span, (first, last) in zip(spans, pairwise(cuts), strict=True)]
