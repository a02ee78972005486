"""The trials of a comparison side by side: which may begin, and what is done with each as it ends.

Without a budget, the trials are those of one process. First seeds on all rows say which contenders get no
further seeds; so no further seed begins before they are done. With a budget the time of all that work side by
side is planned as if it were one's, so more is run, and in another order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from textgraft.comparison.contenders.registry import has_fixed_sizes
from textgraft.comparison.judging.judged_size import judged_size
from textgraft.comparison.records.plan import PlannedTrial
from textgraft.comparison.settings import CompareSettings
from textgraft.errors import OptionError
from textgraft.executors.base import Executor, Job

if TYPE_CHECKING:
    from textgraft.comparison.running.run import Run
    from textgraft.comparison.running.trial_jobs import SetUp
    from textgraft.comparison.running.trials import TrialSpec

_NOT_OF_TRIALS = ("jobs", "ray", "output", "add")
"""Choices that no trial draws on."""


def check_spread(source: object, settings: CompareSettings) -> None:
    """Refuse rows that no other process can read.

    Raises:
        OptionError: They are given as Python values.
    """
    if not all(isinstance(rows, str | Path | None) for rows in (source, settings.test, settings.dev)):
        raise OptionError(
            "rows that are given as Python values are in this process alone",
            where="--jobs, --ray",
            fix="Save them as a file, as frame.to_parquet('rows.parquet'), and name that.",
        )


def set_up_of(run: Run, source: str, settings: CompareSettings) -> SetUp:
    """Return what other processes find the comparison's rows and contenders by."""
    from textgraft.comparison.running.trial_jobs import SetUp

    given = {name: value for name, value in settings.given().items() if name not in _NOT_OF_TRIALS}
    return SetUp(
        source=source,
        settings=given,
        data_hash=run.material.data_hash,
        answered=run.record.answered,
        folder=str(run.folder.resolve()),
        working=str(Path.cwd()),
    )


def run_spread(run: Run, executor: Executor, set_up: SetUp) -> None:
    """Run every trial without a result that there is time for, as many at a time as the executor does.

    Args:
        run: The comparison.
        executor: Who does it.
        set_up: What other processes find the rows and contenders by.
    """
    from textgraft.comparison.running.trial_jobs import JOB, Outcome, order_of

    running: dict[str, tuple[PlannedTrial, float | None]] = {}
    while True:
        while len(running) < executor.slots and (found := _next(run, running)) is not None:
            planned, spec = found
            seconds = run.begin(planned, executor.slots)
            spec = replace(spec, job=replace(spec.job, max_seconds=seconds))
            windows = run.record.plan.windows.get(planned.contender, 0)
            order = order_of(set_up, spec, windows, keeps_model=_may_be_needed(run, planned))
            executor.submit(Job(f"trial {planned.name}", JOB, msgspec.msgpack.encode(order)))
            running[f"trial {planned.name}"] = planned, seconds
        if not running:
            return
        done = executor.wait()
        planned, seconds = running.pop(done.name)
        outcome = msgspec.msgpack.decode(done.result, type=Outcome)
        run.finish(planned, outcome, seconds)
        run.go_on(planned)


def _next(
    run: Run, running: dict[str, tuple[PlannedTrial, float | None]]
) -> tuple[PlannedTrial, TrialSpec] | None:
    """Return the first planned trial that may begin; None where all wait for others, or none is left."""
    under_way = {planned for planned, _ in running.values()}
    is_largest = _largest(run)
    undecided = any(not one.seed and is_largest(one) for one in (*run.record.plan.trials, *under_way))
    for planned in list(run.record.plan.trials):
        if planned in under_way or planned.name in {*run.cut, *run.not_begun}:
            continue
        if planned.seed and undecided and not run.request.thorough:
            continue
        if planned.seed and PlannedTrial(planned.contender, planned.size, 0) in under_way:
            continue
        if not run.has_time(planned, run.slots):
            run.not_begun.add(planned.name)
            continue
        spec = run.specs.of(planned)
        if spec is not None:
            return planned, spec
        if PlannedTrial(planned.contender, planned.size, 0) not in run.record.plan.trials:
            run.cut[planned.name] = 0.0  # its first seed gave no result
    return None


def _largest(run: Run) -> Callable[[PlannedTrial], bool]:
    programmes = run.record.programmes
    return lambda planned: planned.size == programmes[planned.contender].sizes[-1]


def _may_be_needed(run: Run, planned: PlannedTrial) -> bool:
    """Return whether a verdict may hand the model of a trial over: the size that is judged at only grows."""
    known = [(trial.contender, trial.size) for trial in run.results().values()]
    own = max((size for name, size in known if name == planned.contender), default=0)
    return planned.size >= min(judged_size(known), own) or has_fixed_sizes(planned.contender)
