"""What a row costs each contender, measured on a few rows before the plan is made."""

from __future__ import annotations

import time
from dataclasses import replace
from statistics import median

from textgraft.comparison.contenders.base import Contender, Fit, Job
from textgraft.comparison.records.plan import Rate
from textgraft.training.progress import Progress

ROWS = 64
FEW = 16
"""Rows of the first fit, which also loads libraries and warms up kernels."""
EPOCHS = 3
ASKED = 2
"""Rows that are answered elsewhere."""
SMALL_CHANGE = 0.3
"""Seconds that measuring latency and writing the result take."""


def probe(contender: Contender, job: Job, test_rows: int) -> Rate:
    """Fit a contender on a few rows, twice, and tell the cost of a row from that of everything else.

    What is trained in epochs tells the cost of its steps itself; of the rest, the second fit has more rows.
    """
    if contender.is_remote:
        return _probe_endpoint(contender, job, test_rows)
    sample = job.train.select(range(min(ROWS, len(job.train))))

    def timed(rows: int) -> tuple[float, float, Fit]:
        """Fit on so many rows; return the seconds in all, those a row in an epoch, and what was fitted."""
        few = sample.select(range(min(rows, len(sample))))
        seen: list[Progress] = []
        settings = contender.grid[0].but(**({"epochs": EPOCHS} if contender.epochs else {}))
        start = time.perf_counter()
        fitted = contender.fit(replace(job, train=few, dev=few, on_step=seen.append), settings)
        seconds = time.perf_counter() - start + fitted.cached_seconds
        return seconds, _seconds_a_row(seen, len(few)), fitted

    timed(FEW)
    few, _, _ = timed(FEW)
    many, per_epoch, fitted = timed(len(sample))
    in_epochs = per_epoch * EPOCHS if contender.epochs else 0.0
    more = len(sample) - min(FEW, len(sample))
    per_row = max(0.0, (many - few) / more - in_epochs) if more else 0.0
    predictor = fitted.predictor(job.task)
    predictor.choose_engine("auto", keep=False)
    start = time.perf_counter()
    predictor.predict_rows(sample.select([0]))  # opens the engine, as every trial does once
    opening = time.perf_counter() - start
    start = time.perf_counter()
    predictor.predict_rows(sample)
    per_test_row = (time.perf_counter() - start) / len(sample)
    training = max(0.0, many - len(sample) * (per_row + in_epochs))
    return Rate(
        fixed=training + opening + per_test_row * test_rows + SMALL_CHANGE,
        per_row=per_row,
        per_epoch=per_epoch,
        epochs=contender.epochs,
    )


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
