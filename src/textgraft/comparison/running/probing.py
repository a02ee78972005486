"""What a row costs each contender, measured on a few rows before the plan is made."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from textgraft.comparison.contenders.base import Contender, Fit, Job, RecipeSettings
from textgraft.comparison.records.plan import Rate
from textgraft.data.dataset import Dataset
from textgraft.training.progress import Progress

ROWS = 64
FEW = 16
"""Rows of the first fit, which also loads libraries and warms up kernels."""
STEPS = 32
"""Rows that tell what a step costs in a further configuration."""
EPOCHS = 2
"""The first one warms up, the second one is timed."""
ASKED = 2
"""Rows that are answered elsewhere."""
SMALL_CHANGE = 0.3
"""Seconds that measuring latency and writing the result take."""


def probe(contender: Contender, job: Job, test_rows: int, texts: int) -> Rate:
    """Fit a contender on a few rows, and tell the cost of a row from that of everything else.

    What is trained in epochs tells the cost of its steps itself; of the rest, a second fit has more rows.
    What is computed of a text once for all trials is told apart by fitting on the same rows again.

    Args:
        contender: The contender.
        job: Its train rows are those that the probe draws on.
        test_rows: That each trial answers.
        texts: Train and dev rows that all trials together learn from.
    """
    if contender.is_remote:
        return _probe_endpoint(contender, job, test_rows)
    sample = job.train.select(range(min(ROWS, len(job.train))))
    few = sample.select(range(min(FEW, len(sample))))
    warm = _fit(contender, job, few)
    # Steps tell their cost themselves: only without them does the number of rows have to.
    start = warm if contender.epochs else _fit(contender, job, few)
    found = _fit(contender, job, sample)
    shared = 0.0
    if start.owed or found.owed:
        found = _fit(contender, job, sample)
        shared = max(0.0, found.owed) / len(sample) * texts
    in_epochs = found.per_epoch * EPOCHS if contender.epochs else 0.0
    more = 0 if contender.epochs else len(sample) - len(few)
    per_row = max(0.0, (found.seconds - start.seconds) / more) if more else 0.0
    predictor = found.fitted.predictor(job.task)
    opening = 0.0
    for _ in range(2):  # the first time also makes what is kept for all that follow
        predictor.choose_engine("auto", keep=False)
        begun = time.perf_counter()
        predictor.predict_rows(sample.select([0]))  # opens the engine, as every trial does once
        opening = time.perf_counter() - begun
    begun = time.perf_counter()
    predictor.predict_rows(sample)
    per_test_row = (time.perf_counter() - begun) / len(sample)
    training = max(0.0, found.seconds - len(sample) * (per_row + in_epochs))
    return Rate(
        fixed=training + opening + per_test_row * test_rows + SMALL_CHANGE,
        per_row=per_row,
        per_epoch=found.per_epoch,
        further=_costs_of_further(
            contender, job, sample.select(range(min(STEPS, len(sample)))), found.per_epoch
        ),
        shared=shared,
        epochs=contender.epochs,
    )


@dataclass(frozen=True)
class _Fitting:
    """What a fit on a few rows took."""

    seconds: float
    owed: float
    """Seconds that it would have taken besides, had not the same texts been met before."""
    per_epoch: float
    """Seconds that a row costs in every epoch."""
    fitted: Fit


def _fit(contender: Contender, job: Job, rows: Dataset, position: int = 0) -> _Fitting:
    seen: list[Progress] = []
    settings = contender.grid[position].but(**({"epochs": EPOCHS} if contender.epochs else {}))
    start = time.perf_counter()
    fitted = contender.fit(replace(job, train=rows, dev=rows, on_step=seen.append), settings)
    seconds = time.perf_counter() - start
    return _Fitting(seconds, fitted.cached_seconds, _seconds_a_row(seen, len(rows)), fitted)


def _costs_of_further(contender: Contender, job: Job, rows: Dataset, first: float) -> tuple[float, ...]:
    """Return what a row costs in every epoch in the configurations after the first, measured if it differs.

    Learning rates cost nothing; how many layers are trained does.
    """
    if contender.epochs is None:
        return ()
    known = {_costing(contender.grid[0]): first}
    for position, settings in enumerate(contender.grid):
        if _costing(settings) not in known:
            known[_costing(settings)] = _fit(contender, job, rows, position).per_epoch
    costs = tuple(known[_costing(settings)] for settings in contender.grid[1:])
    return costs if len(known) > 1 else ()


def _costing(settings: RecipeSettings) -> tuple[tuple[str, Any], ...]:
    """Return the settings that the time of a training may depend on."""
    return tuple((name, value) for name, value in sorted(settings.given().items()) if "rate" not in name)


def _probe_endpoint(contender: Contender, job: Job, test_rows: int) -> Rate:
    """Ask a question or two, which cost money: a wrong key or address is told before anything is trained."""
    predictor = contender.fit(replace(job, train=job.train.select([])), contender.grid[0]).predictor(job.task)
    asked = predictor.asked(job.dev.select(range(min(ASKED, len(job.dev)))))
    assert asked is not None, "it is not answered here"
    a_row = sum(asked.seconds) / len(asked.seconds) / asked.concurrency
    return Rate(fixed=a_row * test_rows + SMALL_CHANGE, per_row=0.0, per_epoch=0.0, epochs=None)


def _seconds_a_row(steps: list[Progress], rows: int) -> float:
    """Return what a row costs in an epoch, dev rows included, from the times of whole epochs after the first.

    The dev rows of the probe are its training rows; looking at them is part of an epoch here as there.
    """
    ends: dict[int, float] = {}
    for progress in steps:
        ends.setdefault(int(progress.epoch + 1e-6), progress.seconds)
    times = [ends[epoch] - ends[epoch - 1] for epoch in ends if epoch > 1 and epoch - 1 in ends]
    return max(0.0, median(times)) / rows if times else 0.0
