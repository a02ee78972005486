"""Items for tests."""

from __future__ import annotations

from typing import Any

from textgraft.review.items import Item


def items(count: int, **facts: Any) -> list[Item]:
    """Make items of equal kind, the first of them the most urgent."""
    given = {"task": "classification", "prediction": "yes", "scores": {"yes": 0.6, "no": 0.4}} | facts
    return [
        Item(columns={"text": f"text {number}"}, score=0.5 + number / 4 / count, row=str(number), **given)
        for number in range(count)
    ]


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now
