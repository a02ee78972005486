"""The share of a core is what of the clock on the wall the processor had of late."""

from __future__ import annotations

import pytest

from textgraft.comparison.running.pace import HALF_LIFE, LEAST, Lap, Pace, share_of


def test_before_anything_was_measured_a_core_is_taken_to_be_there() -> None:
    assert Pace().share == 1.0
    assert share_of(0.0, 0.0) == 1.0


def test_what_was_long_ago_counts_less() -> None:
    pace = Pace()
    pace.note(HALF_LIFE, HALF_LIFE)
    pace.note(HALF_LIFE, 0.4 * HALF_LIFE)
    assert pace.share == pytest.approx((0.5 + 0.4) / 1.5)
    for _ in range(20):
        pace.note(HALF_LIFE, 0.4 * HALF_LIFE)
    assert pace.share == pytest.approx(0.4, abs=1e-4)


def test_a_machine_is_called_busy_after_some_seconds() -> None:
    pace = Pace()
    pace.note(0.5, 0.2)
    assert not pace.is_busy
    pace.note(1.0, 0.5)
    assert pace.is_busy
    idle = Pace()
    idle.note(30.0, 29.0)
    assert not idle.is_busy


def test_several_threads_are_no_more_than_a_core_and_none_is_not_nothing() -> None:
    assert share_of(10.0, 19.0) == 1.0
    assert share_of(10.0, 0.0) == LEAST


def test_a_lap_tells_both_clocks() -> None:
    wall, processor = Lap().taken()
    assert processor >= 0
    assert 0 <= wall < 60
