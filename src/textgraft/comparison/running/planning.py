"""What a comparison will run and how long it will take, said before it starts.

A short probe fits every contender on a few of the user's rows and measures what a row costs. From that
follows an estimate for each trial. With a time budget, the plan gives up first what costs the verdict least:
configurations fitted, then sizes in the middle of the curves, then the largest sizes. Seeds are never given
up: without them there is no interval.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace as replace_job

from msgspec.structs import replace

from textgraft.comparison.contenders.base import Contender, Fitted, Job
from textgraft.comparison.records.plan import PlannedTrial, Rate, TrialPlan
from textgraft.errors import OptionError

PROBE_ROWS = 64
PROBE_EPOCHS = 2
NOTICEABLE = 0.3
"""Seconds that a difference must have to be told from noise."""
REPEATS = 3
"""A short measurement is taken so often, and the quickest counts: noise only ever adds."""
SAFETY = 0.85
"""Fraction of the budget that the plan's estimate may fill: the rest is for report, winner and noise."""
SMALL_CHANGE = 0.3
"""Seconds that measuring latency and writing the result take."""
COMPRESSION = 2.0
"""How far trials may be cut short by their part of the clock before sizes are given up."""


def default_sizes(rows: int) -> list[int]:
    """Return 100, 300, 1000, 3000, … below ``rows``, and ``rows`` itself."""
    steps = [base * 10**power for power in range(2, 8) for base in (1, 3)]
    return [*(size for size in steps if size <= 0.75 * rows), rows]


def probe(contender: Contender, job: Job, test_rows: int) -> Rate:
    """Fit a contender on a few rows, for one epoch and for several; its costs are the differences."""
    from textgraft.inference.predictor import Predictor

    sample = job.train.select(range(min(PROBE_ROWS, len(job.train))))

    def timed(rows: int, epochs: int) -> tuple[float, Fitted]:
        few = sample.select(range(min(rows, len(sample))))
        settings = contender.grid[0].but(**({"epochs": epochs} if contender.epochs else {}))
        quickest = math.inf
        for _ in range(REPEATS):
            start = time.perf_counter()
            fitted = contender.fit(replace_job(job, train=few, dev=few, on_step=None), settings)
            quickest = min(quickest, time.perf_counter() - start + fitted.cached_seconds)
            if quickest > NOTICEABLE:
                break
        return quickest, fitted

    timed(len(sample) // 4, 1)  # imports, kernels and caches warm up
    few, _ = timed(len(sample) // 4, 1)
    once, fitted = timed(len(sample), 1)
    per_epoch = 0.0
    if contender.epochs:
        epochs = 1 + PROBE_EPOCHS
        again, _ = timed(len(sample), epochs)
        if again - once < NOTICEABLE:
            epochs = 1 + 8 * PROBE_EPOCHS
            again, _ = timed(len(sample), epochs)
        # The dev rows of the probe are its training rows; looking at them is part of an epoch here as there.
        per_epoch = max(0.0, again - once) / ((epochs - 1) * len(sample))
    predictor = Predictor(fitted.model, fitted.tokenizer, job.task, fitted.max_length)
    start = time.perf_counter()
    predictor.predict_rows(sample)
    per_test_row = (time.perf_counter() - start) / len(sample)
    grown = once - few
    per_row = grown / (0.75 * len(sample)) - per_epoch if grown > NOTICEABLE / 3 else 0.0
    return Rate(
        fixed=few + per_test_row * test_rows + SMALL_CHANGE,
        per_row=max(0.0, per_row),
        per_epoch=per_epoch,
        epochs=contender.epochs,
    )


def _build(
    rates: dict[str, Rate], sizes: Sequence[int], seeds: int, tuning: int, notes: Iterable[str] = ()
) -> TrialPlan:
    # Seeds outermost: whoever stops early has whole curves with fewer seeds, not half a curve.
    trials = [PlannedTrial(name, size, seed) for seed in range(seeds) for size in sizes for name in rates]
    plan = TrialPlan(
        trials=trials, sizes=list(sizes), seeds=seeds, tuning=tuning, seconds=0.0, notes=list(notes)
    )
    return replace(plan, seconds=sum(plan.estimate(planned, rates) for planned in trials))


def make_plan(
    rates: dict[str, Rate], sizes: Sequence[int], seeds: int, tuning: int, budget: float | None
) -> TrialPlan:
    """Plan all trials, within the budget if there is one.

    Args:
        rates: What each contender costs.
        sizes: Training sizes wanted, ascending.
        seeds: Seeds a size.
        tuning: Configurations to fit for each contender and size.
        budget: Seconds in all, or None.

    Raises:
        OptionError: Even the smallest plan takes far longer than the budget.
    """
    plan = _build(rates, sizes, seeds, tuning)
    if budget is None:
        return plan
    room = SAFETY * budget
    notes: list[str] = []
    while plan.seconds > room and plan.tuning > 1:
        plan = _build(rates, plan.sizes, seeds, plan.tuning - 1)
    if plan.tuning < tuning:
        notes.append(f"{plan.tuning} instead of {tuning} configurations fitted for each contender")
    while plan.seconds > room and len(plan.sizes) > 3:
        # The second largest costs most among the sizes that only shape the curve.
        plan = _build(rates, [*plan.sizes[:-2], plan.sizes[-1]], seeds, plan.tuning)
    while plan.least_seconds(rates, COMPRESSION) > room and len(plan.sizes) > 1:
        smaller = [size for size in sizes if size < plan.sizes[-1]]
        plan = _build(rates, smaller[-3:], seeds, plan.tuning)
    left_out = [size for size in sizes if size not in plan.sizes]
    if left_out:
        notes.append(f"sizes left out: {', '.join(f'{size:,}' for size in left_out)}")
    if plan.seconds > room:
        notes.append("trials are cut short by the clock where early stopping does not end them first")
    if plan.least_seconds(rates, 2 * COMPRESSION) > room:
        raise OptionError(
            f"a budget of {budget:.0f} s is too small: the smallest plan takes about {plan.seconds:.0f} s",
            where="--budget",
            fix=f"Give at least {plan.seconds / SAFETY:.0f}s, or fewer contenders or smaller --sizes.",
        )
    return replace(plan, notes=notes, seconds=min(plan.seconds, budget))


def extend_plan(
    plan: TrialPlan, rates: dict[str, Rate], sizes: Sequence[int], room: float
) -> TrialPlan | None:
    """Take up the largest size left out whose trials fit into ``room`` seconds; None where none does.

    Trials that early stopping ended soon leave time that was planned for them.
    """
    for size in sorted(set(sizes) - set(plan.sizes), reverse=True):
        more = _build(rates, [size], plan.seeds, plan.tuning)
        if more.seconds <= SAFETY * room:
            return replace(
                plan,
                trials=[*plan.trials, *more.trials],
                sizes=sorted([*plan.sizes, size]),
                seconds=plan.seconds + more.seconds,
            )
    return None
