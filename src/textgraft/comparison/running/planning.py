"""What a comparison will run and how long it will take, said before it starts.

A short probe fits every contender on a few of the user's rows and measures what a row costs. From that
follows an estimate for each trial. With a time budget, the plan gives up first what costs the verdict least:
settings tried, then sizes in the middle of the curves, then the largest sizes. Seeds are never given up:
without them there is no interval.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from textgraft.comparison.contenders.base import Contender, EpochSchedule, Fitted, Job
from textgraft.errors import OptionError

PROBE_ROWS = 64
PROBE_EPOCHS = 2
NOTICEABLE = 0.3
"""Seconds that a difference must have to be told from noise."""
REPEATS = 3
"""A short measurement is taken so often, and the quickest counts: noise only ever adds."""
SAFETY = 0.85
"""Share of the budget that the plan's estimate may fill: the rest is for the report, the winner and noise."""
SMALL_CHANGE = 0.3
"""Seconds that measuring latency and writing the result take."""
COMPRESSION = 2.0
"""How far trials may be cut short by their share of the clock before sizes are given up."""


def default_sizes(rows: int) -> list[int]:
    """Return 100, 300, 1000, 3000, … below ``rows``, and ``rows`` itself."""
    steps = [base * 10**power for power in range(2, 8) for base in (1, 3)]
    return [*(size for size in steps if size <= 0.75 * rows), rows]


@dataclass(frozen=True)
class PlannedTrial:
    """A place in the plan: which contender, at which size, with which seed."""

    contender: str
    size: int
    seed: int


@dataclass
class Rate:
    """What one contender costs: measured by the probe, corrected by every finished trial."""

    fixed: float
    """Seconds whatever the size: loading, building, a single pass over the test rows."""
    per_row: float
    """Seconds a training row costs once: tokenizing, encoding, what frozen layers compute."""
    per_epoch: float
    """Seconds that a training row costs in every epoch."""
    epochs: tuple[int, int, int] | None = None
    """Of contenders that train in epochs: the fields of their schedule."""
    correction: float = 1.0

    def seconds(self, size: int, settings: int) -> float:
        """Estimate a trial that tries ``settings`` settings on ``size`` rows."""
        shown = EpochSchedule(*self.epochs).rows_seen(size) if self.epochs else 0.0
        once = size * self.per_row + shown * self.per_epoch
        return self.correction * (self.fixed + settings * once)

    def observe(self, estimate: float, seconds: float) -> None:
        """Move the estimate towards what a trial really took."""
        self.correction *= max(0.2, min(5.0, seconds / max(1e-3, estimate))) ** 0.5


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
            fitted = contender.fit(replace(job, train=few, dev=few, on_step=None), settings)
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
        epochs=(p.rows, p.least, p.most) if (p := contender.epochs) else None,
    )


@dataclass(frozen=True)
class Plan:
    """The trials of a comparison, in the order in which they run."""

    trials: list[PlannedTrial]
    sizes: list[int]
    seeds: int
    tuning: int
    """Settings each contender tries at each size, on the first seed; later seeds take the chosen one."""
    seconds: float
    """Estimated."""
    notes: list[str]

    def estimate(self, planned: PlannedTrial, rates: dict[str, Rate]) -> float:
        """Estimate the seconds of a trial: all settings are tried on the first seed only."""
        settings = self.tuning if planned.seed == 0 else 1
        return rates[planned.contender].seconds(planned.size, settings)


def _build(
    rates: dict[str, Rate], sizes: Sequence[int], seeds: int, tuning: int, notes: Iterable[str] = ()
) -> Plan:
    # Seeds outermost: whoever stops early has whole curves with fewer seeds, not half a curve.
    trials = [PlannedTrial(name, size, seed) for seed in range(seeds) for size in sizes for name in rates]
    plan = Plan(trials, list(sizes), seeds, tuning, 0.0, list(notes))
    return replace(plan, seconds=sum(plan.estimate(planned, rates) for planned in trials))


def make_plan(
    rates: dict[str, Rate], sizes: Sequence[int], seeds: int, tuning: int, budget: float | None
) -> Plan:
    """Plan all trials, within the budget if there is one.

    Args:
        rates: What each contender costs.
        sizes: Training sizes wanted, ascending.
        seeds: Seeds a size.
        tuning: Settings to try for each contender and size.
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
        notes.append(f"{plan.tuning} instead of {tuning} settings tried for each contender")
    while plan.seconds > room and len(plan.sizes) > 3:
        # The second largest costs most among the sizes that only shape the curve.
        plan = _build(rates, [*plan.sizes[:-2], plan.sizes[-1]], seeds, plan.tuning)
    while plan.seconds > COMPRESSION * room and len(plan.sizes) > 1:
        smaller = [size for size in sizes if size < plan.sizes[-1]]
        plan = _build(rates, smaller[-3:], seeds, plan.tuning)
    left_out = [size for size in sizes if size not in plan.sizes]
    if left_out:
        notes.append(f"sizes left out: {', '.join(f'{size:,}' for size in left_out)}")
    if plan.seconds > room:
        notes.append("trials are cut short by the clock where early stopping does not end them first")
    if plan.seconds > 2 * COMPRESSION * room:
        raise OptionError(
            f"a budget of {budget:.0f} s is too small: the smallest plan takes about {plan.seconds:.0f} s",
            where="--budget",
            fix=f"Give at least {plan.seconds / SAFETY:.0f}s, or fewer contenders or smaller --sizes.",
        )
    return replace(plan, notes=notes, seconds=min(plan.seconds, budget))


def extend_plan(plan: Plan, rates: dict[str, Rate], sizes: Sequence[int], room: float) -> Plan | None:
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
