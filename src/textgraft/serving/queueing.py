"""Items that wait for the model, and which of them make the next batch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from typing import Any, Protocol

from textgraft.serving.shapes import all_rows
from textgraft.training.batching import fixed_width

PER_SEQUENCE = 2
"""Tokens that a sequence costs beside its own: what is laid out and copied for it."""
PER_BATCH = 32
"""Tokens that a batch costs beside its own, about (25 in bf16, 43 in int8): its weights are read, and kernels
are started, for another shape than the last."""
NEIGHBOURS = 96
"""Items nearest to the oldest in length that a batch is chosen from: more change nothing, and take longer."""


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

    Of all ways to cut the items, ordered by length, into batches that fit, the cheapest is found, by dynamic
    programming; its batch with the oldest item is taken. A batch costs the tokens that are computed once it
    is filled up to its shape, with :data:`PER_SEQUENCE` and :data:`PER_BATCH` counted in.

    Args:
        window: Items in the order of arrival, at least one.
        max_tokens: Most tokens that are computed. An item that is longer by itself makes a batch of its own.
        max_sequences: Most items.

    Returns:
        The items, the longest last.
    """
    ordered = sorted(window, key=lambda item: item.tokens)
    oldest = next(place for place, item in enumerate(ordered) if item is window[0])
    if len(ordered) > NEIGHBOURS:
        first = max(0, min(oldest - NEIGHBOURS // 2, len(ordered) - NEIGHBOURS))
        ordered, oldest = ordered[first : first + NEIGHBOURS], oldest - first
    rows = all_rows(max_sequences)
    # Of the first so many items: what their cheapest batches cost, and where the last of these begins.
    costs, begins = [0.0], [0]
    for end, item in enumerate(ordered, start=1):
        width = fixed_width(item.tokens)
        least, begin = inf, end - 1
        for count in range(1, min(end, max_sequences) + 1):
            if count > 1 and rows[count] * width > max_tokens:
                break
            cost = costs[end - count] + rows[count] * (width + PER_SEQUENCE) + PER_BATCH
            if cost <= least:  # of two ways that cost the same, the one with fewer batches
                least, begin = cost, end - count
        costs.append(least)
        begins.append(begin)
    end = len(ordered)
    while begins[end] > oldest:
        end = begins[end]
    return ordered[begins[end] : end]
