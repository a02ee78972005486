"""Several pieces of work at a time, with their results in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from textgraft.side_by_side import in_order


def test_results_come_in_order_and_items_are_asked_for_when_there_is_room() -> None:
    asked: list[int] = []
    at_work = threading.Barrier(3, timeout=20)

    def items() -> Iterator[int]:
        for item in range(6):
            asked.append(item)
            yield item

    def work(item: int) -> int:
        at_work.wait()
        time.sleep(0.01 * (6 - item))
        return 10 * item

    found = in_order(work, items(), 3)
    assert next(found) == 0
    assert len(asked) <= 5, "one that waits, and the one in hand"
    assert list(found) == [10, 20, 30, 40, 50]


def test_the_first_error_is_raised_in_its_turn_and_what_waits_is_left() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        time.sleep(0.02)
        if item == 1:
            raise ValueError("not this one")
        return item

    found = in_order(work, range(50), 2)
    assert next(found) == 0
    with pytest.raises(ValueError, match="not this one"):
        next(found)
    assert len(begun) < 10
