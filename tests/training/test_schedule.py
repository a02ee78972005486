from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgraft.errors import OptionError
from textgraft.training.schedule import budgeted_progress, evaluation_points, rate_factor
from textgraft.training.settings import TrainingSettings

SHARES = st.floats(0, 1)


@given(SHARES, st.sampled_from(["linear", "cosine", "constant"]), st.floats(0, 0.9))
def test_factor_lies_between_zero_and_one(progress, schedule, warmup):
    assert 0 <= rate_factor(progress, schedule, warmup) <= 1


@pytest.mark.parametrize(
    ("progress", "schedule", "expected"),
    [
        (0.0, "linear", 0.0),
        (0.1, "linear", 0.5),
        (0.2, "linear", 1.0),
        (0.6, "linear", 0.5),
        (1.0, "linear", 0.0),
        (0.6, "cosine", 0.5),
        (0.4, "cosine", 0.853553),
        (1.0, "cosine", 0.0),
        (0.9, "constant", 1.0),
    ],
)
def test_shapes(progress, schedule, expected):
    assert rate_factor(progress, schedule, 0.2) == pytest.approx(expected, abs=1e-6)


def test_time_counts_only_where_it_binds():
    assert budgeted_progress(0.3, 50, float("inf")) == 0.3
    assert budgeted_progress(0.6, 50, 100) == 0.6  # ahead of the clock
    assert budgeted_progress(0.01, 5, 100) == 0.01  # too early to tell
    assert budgeted_progress(0.01, 50, 100) == 0.5
    assert budgeted_progress(0.01, 150, 100) == 1.0
    assert budgeted_progress(0.01, 1, -1) == 1.0


@given(st.integers(1, 50), st.integers(1, 60))
def test_an_epoch_always_ends_with_an_evaluation(steps, evaluations):
    points = evaluation_points(steps, evaluations)
    assert max(points) == steps
    assert min(points) >= 1
    assert len(points) == min(steps, evaluations)


def test_time_alone_is_a_plan_from_the_first_second():
    assert budgeted_progress(None, 1.0, 100.0) == 0.01
    assert budgeted_progress(None, 200.0, 100.0) == 1.0
    with pytest.raises(OptionError, match="no end"):
        TrainingSettings(epochs=None)
    assert TrainingSettings(epochs=None, max_steps=3).epochs is None
