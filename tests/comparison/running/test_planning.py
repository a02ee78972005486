"""The plan fits the budget and gives up the right things first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgraft.comparison.contenders.base import EpochSchedule
from textgraft.comparison.records.plan import Rate
from textgraft.comparison.running.planning import default_sizes, extend_plan, make_plan
from textgraft.errors import OptionError
from textgraft.wording import parse_seconds

RATES = {
    "tfidf": Rate(fixed=0.5, per_row=0.0005, per_epoch=0.0),
    "bert-finetuned": Rate(fixed=3.0, per_row=0.001, per_epoch=0.006, epochs=EpochSchedule(8000, 4, 20)),
}
SIZES = [100, 300, 1000, 3000, 6000]


def test_sizes_climb_to_all_rows() -> None:
    assert default_sizes(6000) == [100, 300, 1000, 3000, 6000]
    assert default_sizes(3100) == [100, 300, 1000, 3100]
    assert default_sizes(80) == [80]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200), ("1h30m", 5400), ("0.5h", 1800)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "ten", "5", "-3m", "m", "0s", "1.2.3m", "3d"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(OptionError, match="duration"):
        parse_seconds(text)


def test_without_a_budget_everything_is_run() -> None:
    plan = make_plan(RATES, SIZES, 3, 3, None)
    assert len(plan.trials) == 2 * 5 * 3
    assert plan.tuning == 3
    assert plan.notes == []


@given(st.floats(120, 20000))
def test_a_budget_is_kept_and_seeds_with_it(budget: float) -> None:
    plan = make_plan(RATES, SIZES, 3, 3, budget)
    assert plan.seconds <= budget
    assert plan.seeds == 3
    assert len(plan.trials) == len(plan.sizes) * 2 * 3
    assert set(plan.sizes) <= set(SIZES)


def test_settings_go_before_sizes_and_middle_sizes_before_the_largest() -> None:
    full = make_plan(RATES, SIZES, 3, 3, None).seconds
    fewer_settings = make_plan(RATES, SIZES, 3, 3, 0.9 * full)
    assert fewer_settings.tuning < 3
    assert fewer_settings.sizes == SIZES
    fewer_sizes = make_plan(RATES, SIZES, 3, 3, 0.6 * full)
    assert fewer_sizes.tuning == 1
    assert fewer_sizes.sizes[-1] == 6000
    assert len(fewer_sizes.sizes) < 5
    assert any("left out" in note for note in fewer_sizes.notes)


def test_finished_trials_correct_the_estimate() -> None:
    rate = Rate(fixed=1.0, per_row=0.01, per_epoch=0.0)
    before = rate.seconds(1000, 1)
    for _ in range(8):
        rate.observe(rate.seconds(1000, 1), 3 * before)
    assert rate.seconds(1000, 1) == pytest.approx(3 * before, rel=0.1)


def test_a_budget_far_too_small_is_refused_with_one_that_would_do() -> None:
    with pytest.raises(OptionError, match="too small") as caught:
        make_plan(RATES, SIZES, 3, 3, 2.0)
    assert "Give at least" in str(caught.value)


def test_spare_time_takes_up_the_largest_size_that_fits() -> None:
    full = make_plan(RATES, SIZES, 3, 3, None).seconds
    plan = make_plan(RATES, SIZES, 3, 3, 0.2 * full)
    left_out = [size for size in SIZES if size not in plan.sizes]
    assert len(left_out) > 1
    assert extend_plan(plan, RATES, SIZES, 1.0) is None
    longer = extend_plan(plan, RATES, SIZES, 10 * full)
    assert longer is not None
    assert longer.sizes == sorted([*plan.sizes, max(left_out)])
    assert longer.trials[: len(plan.trials)] == plan.trials
    assert {planned.size for planned in longer.trials[len(plan.trials) :]} == {max(left_out)}
    assert len(longer.trials) - len(plan.trials) == 2 * 3
