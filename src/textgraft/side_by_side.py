"""Several pieces of work at a time, with their results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_order(
    pool: ThreadPoolExecutor, work: Callable[[_Item], _Result], items: Iterable[_Item], at_once: int
) -> Iterator[_Result]:
    """Do a piece of work on each item in the threads of a pool.

    Args:
        pool: Of at least so many threads.
        work: What is done; the first error is raised in its turn, and what waits then is left.
        items: Asked for when there is room: one more than are worked on, so that no thread waits for one.
        at_once: Most items that are worked on at a time.

    Yields:
        The result for each item, in their order.
    """
    running: deque[Future[_Result]] = deque()
    try:
        for item in items:
            if len(running) > at_once:
                yield running.popleft().result()
            running.append(pool.submit(work, item))
        while running:
            yield running.popleft().result()
    finally:
        for left in running:
            left.cancel()
