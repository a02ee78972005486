"""Items that wait for the model, and which of them make the next batch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

import numpy as np

from textgraft.serving.shapes import all_rows
from textgraft.training.batching import fixed_width

PER_SEQUENCE = 2
"""Tokens that a sequence costs beside its own: what is laid out and copied for it."""
PER_BATCH = 24
"""Tokens that a batch costs beside its own, about: its weights are read, and kernels started."""


class Lane(Protocol):
    """One computation: what can share a batch."""

    @property
    def key(self) -> Hashable:
        """Lanes of one key are the same."""
        ...

    @property
    def background(self) -> bool:
        """Whether it runs only while nothing else waits."""
        ...

    def run(self, batches: Iterator[list[Any]]) -> Iterator[Any]:
        """Compute batches of payloads, in order; each batch is asked for when there is room for it.

        Yields:
            A result for each payload of a batch: a list, or an array by its first axis.
        """
        ...


class Ticket:
    """A request's place in the queue.

    Args:
        lane: What it asks for.
        count: Its sequences.
        deadline: When it is too late for an answer, by the batcher's clock.
    """

    def __init__(self, lane: Lane, count: int, deadline: float) -> None:
        self.lane = lane
        self.deadline = deadline
        self.future: Future[list[Any]] = Future()
        """Resolved once, with a result for each sequence; to cancel it takes the request out of the queue."""
        self.items: list[Item] = []
        self._results: list[Any] = [None] * count
        self._left = count

    def put(self, place: int, result: Any) -> None:
        """Take the result of one sequence; the last one resolves the request. Called by the model thread."""
        self._results[place] = result
        self._left -= 1
        if not self._left:
            self._resolve(lambda: self.future.set_result(self._results))

    def fail(self, error: Exception) -> None:
        """Resolve the request with an error, unless it is resolved."""
        self._resolve(lambda: self.future.set_exception(error))

    def _resolve(self, how: Callable[[], None]) -> None:
        try:
            how()
        except InvalidStateError:
            return  # cancelled or failed before


@dataclass(eq=False, slots=True)
class Item:
    """One sequence of a request."""

    ticket: Ticket
    place: int
    """Among the sequences of its request."""
    payload: Any
    tokens: int
    number: int = 0
    """In the order of arrival, over all lanes."""


@dataclass
class Waiting:
    """All that waits, in the order of arrival within each lane. Not safe to share without a lock."""

    tokens: int = 0
    """Of all items, the background's excluded."""
    _lanes: dict[Hashable, tuple[Lane, OrderedDict[int, Item]]] = field(default_factory=dict)
    _arrived: int = 0

    def __len__(self) -> int:
        return sum(len(items) for _, items in self._lanes.values())

    def __iter__(self) -> Iterator[Item]:
        for _, items in self._lanes.values():
            yield from items.values()

    def add(self, items: Iterable[Item]) -> None:
        """Put items at the end."""
        for item in items:
            lane = item.ticket.lane
            self._arrived += 1
            item.number = self._arrived
            self._lanes.setdefault(lane.key, (lane, OrderedDict()))[1][item.number] = item
            self.tokens += 0 if lane.background else item.tokens

    def remove(self, items: Iterable[Item]) -> None:
        """Take items out; those that are not there are no matter."""
        for item in items:
            lane = item.ticket.lane
            held = self._lanes.get(lane.key)
            if held is None or held[1].pop(item.number, None) is None:
                continue
            self.tokens -= 0 if lane.background else item.tokens
            if not held[1]:
                del self._lanes[lane.key]

    def next_lane(self) -> Lane | None:
        """Return the lane of what waits longest; a background lane only where no other waits."""
        ranked = (
            (lane.background, next(iter(items)), lane.key) for lane, items in self._lanes.values() if items
        )
        first = min(ranked, key=lambda entry: entry[:2], default=None)
        return None if first is None else self._lanes[first[2]][0]

    def window(self, lane: Lane, most: int) -> list[Item]:
        """Return the items of a lane that wait longest, the oldest first."""
        held = self._lanes.get(lane.key)
        return [] if held is None else list(islice(held[1].values(), most))


def choose_batch(window: Sequence[Item], max_tokens: int, max_sequences: int) -> list[Item]:
    """Choose items of like length, the oldest among them.

    Of all runs of neighbours by length that hold the oldest item and fit, the one is taken that wastes least:
    true tokens over those that are computed once the batch is filled up to its shape, with
    :data:`PER_SEQUENCE` and :data:`PER_BATCH` counted in.

    Args:
        window: Items in the order of arrival, at least one.
        max_tokens: Most tokens that are computed. An item that is longer by itself makes a batch of its own.
        max_sequences: Most items.

    Returns:
        The items, the longest last.
    """
    ordered = sorted(window, key=lambda item: item.tokens)
    oldest = ordered.index(window[0])
    true = np.cumsum([0, *(item.tokens + PER_SEQUENCE for item in ordered)])
    rows_of = all_rows(max_sequences)
    best, span = -1.0, (oldest, oldest + 1)
    for last in range(oldest, min(len(ordered), oldest + max_sequences)):
        width = fixed_width(ordered[last].tokens)
        fitting = int(np.searchsorted(rows_of, max(1, max_tokens // width), side="right")) - 1
        count = min(max(1, fitting), last + 1)
        if last + 1 - count > oldest:
            break  # longer ones leave even less room
        firsts = np.arange(last + 1 - count, oldest + 1)
        computed = rows_of[last + 1 - firsts] * (width + PER_SEQUENCE) + PER_BATCH
        used = (true[last + 1] - true[firsts]) / computed
        most = int(used.argmax())
        if used[most] > best:
            best, span = float(used[most]), (int(firsts[most]), last + 1)
    return ordered[slice(*span)]
