"""The learning rate over the course of a training run, and the wall-clock budget it ends with."""

from __future__ import annotations

import math

SETTLED = 0.1
"""Share of the budget after which the measured pace is believed; before, the first slow steps mislead."""


def rate_factor(progress: float, schedule: str, warmup_fraction: float) -> float:
    """Return the factor on the peak learning rate.

    Args:
        progress: How much of the training is done, 0 to 1.
        schedule: "linear" or "cosine" decay to zero, or "constant".
        warmup_fraction: Fraction of the training over which the factor rises linearly from 0 to 1.
    """
    if progress < warmup_fraction:
        return progress / warmup_fraction
    if schedule == "constant":
        return 1.0
    done = min(1.0, (progress - warmup_fraction) / (1 - warmup_fraction))
    return 1 - done if schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))


def budgeted_progress(step_progress: float | None, seconds: float, deadline: float) -> float:
    """Return how much of the training is done, by steps or by the clock, whichever is further.

    With a budget that binds, time runs out before the epochs do; measuring progress by time then lets the
    learning rate reach zero when the budget ends (budgeted training, Li, Yumer and Ramanan 2020). A budget
    that does not bind leaves the schedule, and so the result, untouched.

    Args:
        step_progress: Fraction of the planned steps that is done, 0 to 1; None where time alone ends it.
        seconds: Wall-clock seconds used so far.
        deadline: Seconds at which training must stop, infinite without a budget.
    """
    if step_progress is None:
        return min(1.0, seconds / deadline) if deadline > 0 else 1.0
    if seconds < SETTLED * deadline:
        return step_progress
    return max(step_progress, min(1.0, seconds / deadline)) if deadline > 0 else 1.0


def evaluation_points(steps: int, evaluations: int) -> set[int]:
    """Return after which steps of an epoch, counted from 1, to evaluate: evenly spread, always the last."""
    return {max(1, round(steps * (part + 1) / evaluations)) for part in range(evaluations)}
