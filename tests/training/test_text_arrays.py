"""Arrays of texts: computed once, found again to the bit, and charged to everyone who asks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from textgraft.training import text_arrays
from textgraft.training.text_arrays import Computed, TextArrays, text_key

ROWS = [3, 1, 4, 1, 5]
KEYS = [text_key(f"text {place}") for place in range(5)]
ARRAYS = [np.random.default_rng(place).normal(size=(rows, 2)).astype("f4") for place, rows in enumerate(ROWS)]


class Clock:
    """Stands in for the training's clock: every batch takes as many seconds as it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(text_arrays, "training_clock", clock)
    return clock


class Work:
    """Computes arrays, one a batch of ten tokens and a filled-up ten."""

    def __init__(self, places: list[int], clock: Clock | None = None, seconds: float = 0.0) -> None:
        self.keys, self.rows = [KEYS[place] for place in places], [ROWS[place] for place in places]
        self.places, self.clock, self.seconds = places, clock, seconds
        self.done: list[int] = []

    def compute(self, missing: list[int]) -> Iterator[Computed]:
        for at, place in reversed(list(enumerate(missing))):
            if self.clock:
                self.clock.now += self.seconds
            self.done.append(self.places[place])
            yield Computed([at], [ARRAYS[self.places[place]]], [10], 20)

    def ask(self, store: TextArrays) -> bool:
        return store.fill(self.keys, self.rows, self.compute)


def test_each_is_computed_once_and_found_again():
    store = TextArrays(2, "float32")
    for places, missing in (([2, 0, 2], [0, 2]), ([1, 0, 3], [1, 3]), ([3, 2, 1, 0], [])):
        work = Work(places)
        assert work.ask(store)
        assert sorted(work.done) == missing
        for place in places:
            np.testing.assert_array_equal(store.get(KEYS[place]), ARRAYS[place])
    assert store.size == 4 * 2 * sum(ROWS[:4])


def test_keys_tell_texts_and_their_parts_apart():
    keys = [
        text_key("ab"),
        text_key("a", "b"),
        text_key([1, 2]),
        text_key([1], [2]),
        text_key([1, 2], [0, 0]),
    ]
    assert len(set(keys)) == len(keys)


def test_everyone_is_charged_what_a_token_takes(clock: Clock):
    store = TextArrays(2, "float32")
    Work([0], clock, seconds=100.0).ask(store)  # all is cold: it counts as long as there is nothing else
    assert store.spent == 100.0
    assert store.charged == pytest.approx(100.0 / 20 * 10)
    Work([1, 2], clock, seconds=4.0).ask(store)
    assert store.spent == 108.0
    before = store.owed
    Work([0, 1, 2, 2], clock, seconds=4.0).ask(store)
    assert store.spent == 108.0
    assert store.owed - before == pytest.approx(3 * 10 * 4.0 / 20)


def test_what_would_be_too_much_gives_way_to_what_is_asked_for():
    store = TextArrays(2, "float32", max_bytes=8 * 8)
    assert Work([0, 2]).ask(store)
    again = Work([4, 0])
    assert again.ask(store)
    assert sorted(again.done) == [0, 4]
    np.testing.assert_array_equal(store.get(KEYS[4]), ARRAYS[4])
    assert store.size == 8 * 8
    assert not Work([0, 2, 4]).ask(store)


def test_without_room_on_the_disk_nothing_is_begun(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(text_arrays.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 7}))
    work = Work([1])
    assert not work.ask(TextArrays(2, "float32"))
    assert not work.done
