"""What a row costs each contender: told by its first trials, or by a fit on a few rows."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from textgraft.comparison.contenders.base import Contender, Fit, Job, RecipeSettings
from textgraft.comparison.records.plan import Rate
from textgraft.comparison.records.trials import Trial
from textgraft.comparison.running.measuring import PACE_ROWS
from textgraft.comparison.running.reading import readings
from textgraft.data.dataset import Dataset
from textgraft.training.progress import Progress

ROWS = 64
FEW = 16
"""Rows of the first fit of what is not trained in epochs; it also loads libraries and warms up kernels."""
EPOCH_ROWS = 48
"""Of what is: a few steps tell what a step costs."""
FURTHER_ROWS = 32
"""Rows that tell what a step costs in a further configuration."""
EPOCHS = 2
"""The first step warms up, those after it are timed."""
FULL = 0.75
"""Tokens of a step that counts, of those of the fullest one."""
DEV_FRACTION = 4
"""For so many training rows there is one dev row."""
ASKED = 2
"""Rows that are answered elsewhere."""
SMALL_CHANGE = 0.3
"""Seconds that measuring latency and writing the result take."""


def tells_by_trials(contender: Contender) -> bool:
    """Return whether a contender's smallest trial costs so little that it is run in place of a probe.

    It neither trains in epochs nor asks an encoder, or a server, for every text.
    """
    return contender.epochs is None and not contender.needs_encoder and not contender.is_remote


def rate_of_trials(done: Sequence[tuple[Trial, float]]) -> Rate:
    """Tell what a contender without epochs costs from its first trials.

    Args:
        done: At least one at ascending sizes, each with the seconds that all of it took.
    """
    trial, took = done[-1]
    fits, number = _fitting_seconds(trial), len(trial.configurations)
    rows, seconds = trial.size, fits
    if len(done) > 1:
        before = done[-2][0]
        rows -= before.size
        seconds -= _fitting_seconds(before) * number / len(before.configurations)
    per_row = max(0.0, seconds) / number / max(1, rows)
    return Rate(
        fixed=max(0.0, took - number * trial.size * per_row), per_row=per_row, per_epoch=0.0, epochs=None
    )


def _fitting_seconds(trial: Trial) -> float:
    return trial.cost.training_seconds + trial.cost.tuning_seconds


def probe(contender: Contender, job: Job, test_rows: int, texts: int) -> Rate:
    """Fit a contender on a few rows, and tell the cost of a row from that of everything else.

    What is trained in epochs tells the cost of its steps itself; of the rest, a second fit has more rows.
    What is computed of a text once for all trials is computed here once for all as well.

    Args:
        contender: The contender.
        job: Its train rows are those that the probe draws on.
        test_rows: That each trial answers.
        texts: Train and dev rows that all trials together learn from.
    """
    if contender.is_remote:
        return _probe_endpoint(contender, job, test_rows)
    read = readings(job, contender.grid[0])
    longer = 1.0
    if contender.epochs and len(read) > 1:
        # What training costs grows with the tokens: those of the fewest windows tell it soonest.
        contender, longer = contender.reading(read[-1].most), read[0].tokens / read[-1].tokens
    sample = job.train.select(range(min(EPOCH_ROWS if contender.epochs else ROWS, len(job.train))))
    per_row = 0.0
    if contender.epochs:
        found = _fit(contender, job, sample)
    else:
        few = sample.select(range(min(FEW, len(sample))))
        _fit(contender, job, few)
        start, found = _fit(contender, job, few), _fit(contender, job, sample)
        per_row = max(0.0, found.other - start.other) / max(1, len(sample) - len(few))
    further = _fits_of_further(contender, job, sample.select(range(min(FURTHER_ROWS, len(sample)))))
    # The first fit of all also loads libraries.
    other = min(fit.other for fit in (found, *further.values()))
    predictor = found.fitted.predictor(job.task)
    predictor.choose_engine("auto", keep=False)
    begun = time.perf_counter()
    predictor.predict_rows(sample.select([0]))  # opens the engine, as every trial does once
    opening = time.perf_counter() - begun
    begun = time.perf_counter()
    predictor.predict_rows(sample)
    per_test_row = (time.perf_counter() - begun) / len(sample)
    answered, computed = test_rows, texts
    if found.fitted.outputs is not None:  # what is computed of test rows is shared as well
        answered, computed = min(PACE_ROWS, test_rows), texts + test_rows
    costs = [longer * further.get(_costing(settings), found).per_epoch for settings in contender.grid[1:]]
    answering = longer * per_test_row * answered
    return Rate(
        fixed=max(0.0, other - len(sample) * per_row) + opening + answering + SMALL_CHANGE,
        per_row=per_row,
        per_epoch=longer * found.per_epoch,
        further=tuple(costs) if further else (),
        shared=longer * found.shared * computed,
        epochs=contender.epochs,
        answered=answering,
        readings=read,
    )


@dataclass(frozen=True)
class _Fitting:
    """What a fit on a few rows took."""

    other: float
    """Seconds outside the steps, without what is shared."""
    shared: float
    """Seconds of what is computed of a text once for all trials."""
    per_epoch: float
    """Seconds that a row costs in every epoch."""
    fitted: Fit


def _fit(contender: Contender, job: Job, rows: Dataset, position: int = 0) -> _Fitting:
    seen: list[Progress] = []
    settings = contender.grid[position].but(**({"epochs": EPOCHS} if contender.epochs else {}))
    charged, spent = job.shared.charged, job.shared.spent
    start = time.perf_counter()
    dev = rows.select(range(-(-len(rows) // DEV_FRACTION)))
    fitted = contender.fit(replace(job, train=rows, dev=dev, on_step=seen.append), settings)
    seconds = time.perf_counter() - start
    in_steps = seen[-1].seconds if seen else 0.0
    other = max(0.0, seconds - (job.shared.spent - spent) - in_steps)
    texts = len(rows) + (len(dev) if fitted.outputs is not None else 0)
    shared = (job.shared.charged - charged) / texts
    a_row = (1 + contender.evaluating) * _seconds_a_row(seen, len(rows))
    return _Fitting(other, shared, a_row, fitted)


def _fits_of_further(
    contender: Contender, job: Job, rows: Dataset
) -> dict[tuple[tuple[str, Any], ...], _Fitting]:
    """Fit the configurations after the first whose steps may cost otherwise.

    Learning rates and dropout cost nothing; how many layers are trained does.
    """
    found: dict[tuple[tuple[str, Any], ...], _Fitting] = {}
    if contender.epochs is not None:
        for position, settings in enumerate(contender.grid):
            if _costing(settings) not in (_costing(contender.grid[0]), *found):
                found[_costing(settings)] = _fit(contender, job, rows, position)
    return found


def _costing(settings: RecipeSettings) -> tuple[tuple[str, Any], ...]:
    """Return the settings that the time of a training may depend on."""
    given = sorted(settings.given().items())
    return tuple(
        (name, value) for name, value in given if not name.endswith(("_rate", "dropout", "temperature"))
    )


def _probe_endpoint(contender: Contender, job: Job, test_rows: int) -> Rate:
    """Ask a question or two, which cost money: a wrong key or address is told before anything is trained."""
    predictor = contender.fit(replace(job, train=job.train.select([])), contender.grid[0]).predictor(job.task)
    asked = predictor.asked(job.dev.select(range(min(ASKED, len(job.dev)))))
    assert asked is not None, "it is not answered here"
    a_row = sum(asked.seconds) / len(asked.seconds) / asked.concurrency
    return Rate(fixed=a_row * test_rows + SMALL_CHANGE, per_row=0.0, per_epoch=0.0, epochs=None)


def _seconds_a_row(steps: Sequence[Progress], rows: int) -> float:
    """Return what a row costs in the steps of an epoch, from the pace of those after the first.

    Steps that end with an evaluation do not count where there are others: on few rows it takes the longer
    part of them. Neither do steps on batches that are far from full, which there are few of on many rows.
    """
    if len(steps) < 2:
        return 0.0
    taken = [
        (after.seconds - before.seconds, after.tokens - before.tokens, float(after.epoch).is_integer())
        for before, after in itertools.pairwise(steps)
    ]
    timed = [one for one in taken if not one[2]] or taken
    fullest = max(tokens for _, tokens, _ in timed)
    timed = [one for one in timed if one[1] >= FULL * fullest]
    pace = sum(seconds for seconds, _, _ in timed) / max(1, sum(tokens for _, tokens, _ in timed))
    return pace * steps[-1].tokens / steps[-1].epoch / rows
