"""Several pieces of work at a time, with their results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_order(work: Callable[[_Item], _Result], items: Iterable[_Item], at_once: int) -> Iterator[_Result]:
    """Do a piece of work on each item, several at a time in threads of their own.

    Args:
        work: What is done; the first error is raised in its turn, and what waits then is left.
        items: Asked for when there is room: one more than are worked on, so that no thread waits for one.
        at_once: Most items that are worked on at a time; 1: in the thread that asks.

    Yields:
        The result for each item, in their order.
    """
    if at_once <= 1:
        yield from map(work, items)
        return
    running: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(at_once, thread_name_prefix="textgraft-batch") as pool:
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
