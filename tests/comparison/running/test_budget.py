"""The clock: what each trial may take, what is not begun, and configurations that are left out."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.comparison.synthetic import TFIDF, Comparison
from textgraft.comparison.contenders.base import EpochSchedule
from textgraft.comparison.records.plan import PlannedTrial, Rate, Request, TrialPlan
from textgraft.comparison.records.trials import Configuration
from textgraft.comparison.running.planning import make_plan
from textgraft.comparison.running.progress import SilentReporter
from textgraft.comparison.running.run import Run
from textgraft.comparison.running.trials import _runs_over
from textgraft.errors import OptionError

WHOLE = Rate(fixed=10.0, per_row=0.0, per_epoch=0.0)
"""A fit that runs to its end once begun: ten seconds whatever the rows."""
ELASTIC = Rate(fixed=10.0, per_row=0.0, per_epoch=0.0, epochs=EpochSchedule(100, 1, 1))
"""Training that the clock can end."""


def run_with(rates: dict[str, Rate]) -> Run:
    """Return a run of one trial a contender, of which nothing but the clock is asked."""
    material = SimpleNamespace(entrants=SimpleNamespace(contenders=[]))
    asked = Comparison(curves=(TFIDF,)).plan([]).request
    run = Run(Path("nowhere"), cast("Request", asked), cast("Any", material), SilentReporter(), 0.0)
    trials = [PlannedTrial(name, 100, 0) for name in rates]
    plan = TrialPlan(trials=trials, sizes=[100], seeds=1, tuning=1, seconds=0.0, notes=[])
    run.record = cast("Any", SimpleNamespace(plan=plan, rates=rates, results={}))
    return run


def allowances(rates: dict[str, Rate], seconds: float) -> list[float]:
    run = run_with(rates)
    found = [run._allowance(position, time.perf_counter() + seconds) for position in range(len(rates))]
    return [pytest.approx(value, abs=0.5) for value in cast("list[float]", found)]


def test_with_time_to_spare_nothing_is_cut_short():
    assert [70.0, 80.0, 90.0][:1] == allowances({"a": WHOLE, "b": ELASTIC, "c": ELASTIC}, 90.0)[:1]
    assert run_with({"a": WHOLE})._allowance(0, None) is None


def test_when_time_is_scarce_what_can_be_cut_shares_what_the_others_leave():
    assert allowances({"a": ELASTIC, "b": ELASTIC, "c": WHOLE}, 25.0)[:2] == [7.5, 15.0]


def test_a_fit_that_cannot_be_cut_is_not_begun_without_the_time_for_it():
    assert allowances({"a": WHOLE}, 5.0) == [0.0]
    assert allowances({"a": ELASTIC, "b": WHOLE}, 0.0) == [0.0, 0.0]


def test_the_plan_counts_on_cutting_only_what_can_be_cut():
    many = {"whole": Rate(fixed=0.0, per_row=0.1, per_epoch=0.0)}
    elastic = {"elastic": Rate(fixed=0.0, per_row=0.1, per_epoch=0.0, epochs=EpochSchedule(1, 1, 1))}
    sizes = [100, 1000]
    assert make_plan(elastic, sizes, 1, 1, 100.0).sizes == sizes
    assert make_plan(many, sizes, 1, 1, 100.0).sizes == [100]
    with pytest.raises(OptionError, match="too small"):
        make_plan(many, [1000], 1, 1, 60.0)


def test_configurations_are_left_out_where_the_time_has_run_out():
    slow = Configuration(settings={}, dev_score=0.5, seconds=10.0)
    assert not _runs_over([], 1.0)
    assert not _runs_over([slow], 15.0)
    assert _runs_over([slow], 10.0)
    assert _runs_over([slow, slow], 15.0)
