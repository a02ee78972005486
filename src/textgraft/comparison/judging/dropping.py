"""Which contenders can no longer win, and from what evidence.

Two kinds of it, both as in learning-curve cross-validation (Mohr and van Rijn 2021, "Fast and informative
model selection using learning curve cross-validation"):

- at the full size, with one seed, a contender lies behind the best one by more than further seeds could make
  up: a paired test that allows for the seeds not yet run, at a level far below the usual;
- below the full size, learning curves are convex: each further row buys less than the one before. So the
  steepness between a curve's last two sizes, carried on in a straight line, is more than it can reach.

A contender so beaten gets no further seeds, and is not tried at sizes where it could only lose.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from textgraft.comparison.contenders.registry import has_fixed_sizes, is_floor
from textgraft.comparison.judging.choice import CHANCE_AT_MOST
from textgraft.comparison.judging.curves import LearningCurve
from textgraft.comparison.judging.scores import ScoreTable
from textgraft.comparison.records.trials import TestSet, Trial
from textgraft.evaluation.corrections import holm
from textgraft.wording import count, p_value, score

LEVEL = 0.01
"""Of the tests by which contenders are dropped, corrected for their number."""


def beaten(trials: Sequence[Trial], test_set: TestSet, size: int) -> dict[str, str]:
    """Return the contenders that can no longer win at a size, each with the evidence in words.

    Only first seeds are looked at, so that it does not matter in which order trials were run.

    Args:
        trials: The finished ones.
        test_set: What they were judged on.
        size: The largest size of the comparison.
    """
    first = [trial for trial in trials if trial.seed == 0]
    whole = {trial.contender for trial in first if trial.size == size}
    table = ScoreTable([one for one in first if one.size == size or one.contender not in whole], test_set)
    measured = [name for name in table.contenders if (name, size) in table.cells]
    if not measured:
        return {}
    best = max(measured, key=lambda name: table.cells[name, size].values().mean())
    others = [name for name in measured if name != best and not is_floor(name)]
    tests = [table.compare((best, size), (name, size)) for name in others]
    corrected = holm([test.p_value for test in tests])
    found = {
        name: f"{score(test.difference)} behind {best} at {count(size)} labels ({p_value(chance)})"
        for name, test, chance in zip(others, tests, corrected, strict=True)
        if test.difference > CHANCE_AT_MOST and chance < LEVEL
    }
    low = table.score(best, size).low
    for name in table.contenders:
        if name in measured or is_floor(name) or has_fixed_sizes(name):
            continue
        at_most = score_at_most(table.curve(name), size)
        if at_most is not None and low is not None and at_most < low:
            found[name] = (
                f"its curve can reach {score(at_most)} at {count(size)} labels at most, and {best} has "
                f"{score(low)} at least"
            )
    return found


def score_at_most(curve: LearningCurve, size: int) -> float | None:
    """Return the upper end of a 95% interval for the most that a convex curve can reach at a size.

    Args:
        curve: Measured below the size.
        size: Labels.

    Returns:
        None where only one size was measured.
    """
    if len(curve.sizes) < 2:
        return None
    ahead = (size - curve.sizes[-1]) / (curve.sizes[-1] - curve.sizes[-2])
    weights = np.zeros(len(curve.sizes))
    weights[-1], weights[-2] = 1 + ahead, -ahead
    deviation = float(weights @ curve.noise @ weights) ** 0.5
    return min(1.0, float(weights @ curve.scores) + 1.96 * deviation)
