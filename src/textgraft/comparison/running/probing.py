"""What a row costs each contender: told by its first trials, or by a fit on a few rows.

Where a contender's smallest trial takes but a few seconds it is run: its result is kept, and tells the cost
better than a probe would, whose work is thrown away. All seconds are of a core of its own: where other
programs are at work, the processor's.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any, Self

from textgraft.comparison.contenders.base import Contender, EpochSchedule, Fit, Job, RecipeSettings
from textgraft.comparison.preparing import DEV_FRACTION
from textgraft.comparison.records.plan import Programme, Rate
from textgraft.comparison.records.trials import Trial
from textgraft.comparison.running.measuring import LONG_PASS, PACE_ROWS
from textgraft.comparison.running.pace import Lap
from textgraft.comparison.running.reading import readings
from textgraft.data.dataset import Dataset
from textgraft.training.progress import Progress

if TYPE_CHECKING:
    from textgraft.inference.row_predictor import RowPredictor

ROWS = 64
FEW = 16
"""Rows of the first fit of what is not trained in epochs; it also loads libraries and warms up kernels."""
STEPS = 6
"""Full batches of the first fit of what is: the first step warms up, those after it are timed. Fewer rows
more often would not do: the fewer rows are sorted by length, the more of their batches is padding."""
LEAST_STEPS = 2
CHARACTERS = 250_000
"""Of that fit's texts where they are read to their end: long ones make do with fewer steps, two at least."""
FURTHER_STEPS = 4
"""The same in a further configuration."""
LONG_FIT = 6.0
"""Seconds of a core that the fit on a few rows should not exceed: where texts take long, fewer of them tell
their cost."""
TRAINED = 3.0
"""Times what encoding it takes, that a text takes in a step of training."""
BRIEF = 3.0
"""Seconds of steps that tell nothing for sure: a hiccup of the machine, or what is prepared for every new
shape of a batch, is a large part of them."""
QUICK = 5.0
"""Seconds that a trial may take that is run before the plan is made."""
FULL = 0.5
"""Tokens of a step that counts, of those of the fullest one."""
ASKED = 2
"""Rows that are answered elsewhere."""
SMALL_CHANGE = 0.3
"""Seconds that measuring latency and writing the result take."""


def tells_by_trials(contender: Contender, job: Job) -> bool:
    """Return whether a contender's smallest trial may be run in place of a probe.

    It does not train in epochs, and answers by itself. How much it reads of long texts is not settled before
    there is a plan.
    """
    if contender.epochs is not None or contender.is_remote:
        return False
    read = readings(job, contender.grid[0])
    return not (read and read[0].is_of_long_texts)


@dataclass(frozen=True)
class Glance:
    """What fits on a few rows tell of a contender that does not train in epochs."""

    fit: float
    """Seconds of a fit, without what is shared."""
    per_row: float
    """Of them for a row."""
    per_text: float
    """Seconds that a text takes its encoder; 0 where it asks none for every text."""
    rows: int
    """That were fitted on."""

    def seconds(self, size: int, configurations: int, texts: int) -> float:
        """Estimate a trial, roughly.

        Args:
            size: Its training rows.
            configurations: That it fits.
            texts: Its train, dev and test rows.
        """
        fits = configurations * (self.fit + max(0, size - self.rows) * self.per_row)
        return fits + texts * self.per_text + SMALL_CHANGE


def glance(contender: Contender, job: Job, configurations: int = 1, per_text: float = 0.0) -> Glance:
    """Fit a contender on a few rows; libraries are then loaded, and the encoder is open.

    Args:
        contender: The contender, which does not train in epochs.
        job: Its train rows are those that the fits draw on.
        configurations: That a trial fits.
        per_text: Seconds that a text takes its encoder, where that is known.
    """
    shared = job.shared
    before = shared.charged
    sample = job.train.select(range(min(ROWS, len(job.train))))
    found, per_row = _growth(contender, job, sample, configurations)
    if shared.charged == before:
        per_text = 0.0
    elif contender.fixed_sizes != (0,):
        per_text = found.shared
    elif not per_text:  # it encoded names of labels, and no row
        before, lap = shared.charged, Lap()
        shared.encoder(job.needed_encoder(), job.max_length, contender.windows).encode(sample.texts)
        per_text = lap.taken().share * (shared.charged - before) / len(sample)
    return Glance(found.other, per_row, per_text, len(sample))


def _growth(contender: Contender, job: Job, sample: Dataset, configurations: int) -> tuple[_Fitting, float]:
    """Fit a contender without epochs on a sample and on less of it; tell the seconds that a row adds.

    Both are of one configuration of so many, which share what is made of the rows of a trial.
    """
    few = sample.select(range(min(FEW, len(sample))))
    first = _fit(contender, job, few)
    if first.shared:
        sample = sample.select(range(min(len(sample), max(2 * FEW, round(LONG_FIT / first.shared)))))
    few = few.select(range(len(few)))  # known rows would be fitted faster
    start, found = _fit(contender, job, few), _fit(contender, job, sample)
    part = 1.0
    if job.shared.has_ngrams_of(sample) and found.other:
        again = min(found.other, _fit(contender, job, sample).other)
        part = (again + (found.other - again) / configurations) / found.other
    per_row = max(0.0, found.other - start.other) / max(1, len(sample) - len(few))
    return replace(found, other=part * found.other), part * per_row


@dataclass(frozen=True)
class Tried:
    """A trial that was run, or found, before there was a plan."""

    trial: Trial
    seconds: float
    """That it took, without what it computed for all trials."""
    is_new: bool

    @classmethod
    def before(cls, trial: Trial) -> Self:
        """Return one that was run before, perhaps on another machine."""
        return cls(
            trial, trial.cost.training_seconds + trial.cost.tuning_seconds + SMALL_CHANGE, is_new=False
        )


def rate_by_trials(
    programme: Programme,
    seen: Glance,
    texts: Callable[[int], int],
    run: Callable[[int, float], Tried | None],
) -> Rate | None:
    """Run the smallest trial of a contender; where no text is read by an encoder, the next ones too if quick.

    Args:
        programme: What is to be measured of the contender.
        seen: What fits on a few rows told.
        texts: Returns the train, dev and test rows of a trial of a size.
        run: Runs a trial of a size that is expected to take so many seconds; None where it is not run or has
            no result.

    Returns:
        What those that ran now tell of its cost: finished ones may be another machine's. None where none did.
    """
    smallest, *larger = programme.sizes
    done: list[Tried] = []
    for size in (smallest,) if seen.per_text else (smallest, *larger):
        if done:
            expected = rate_of(done, seen).seconds(size, programme.configurations)
        else:
            expected = seen.seconds(size, programme.configurations, texts(size))
        tried = run(size, expected) if expected <= QUICK else None
        if tried is None:
            break
        done.append(tried)
    ran = [tried for tried in done if tried.is_new]
    if not ran:
        return None
    rate = rate_of(ran, seen)
    rate.shared = seen.per_text * max(0, texts(programme.sizes[-1]) - texts(ran[-1].trial.size))
    rate.shared_rows = programme.sizes[-1]
    return rate


def whole_training(trial: Trial, in_steps: float, schedule: EpochSchedule | None) -> float:
    """Return what the training of a trial took, or would have taken had the clock not ended it.

    Args:
        trial: The trial.
        in_steps: Seconds of its steps and their evaluations.
        schedule: Of a contender that trains in epochs.
    """
    if schedule is None or trial.stopped_by != "budget" or not trial.epochs:
        return in_steps
    return in_steps * max(1.0, schedule.rows_seen(trial.size) / (trial.epochs * trial.size))


def rate_of(done: Sequence[Tried], seen: Glance) -> Rate:
    """Tell what a contender without epochs costs from its first trials, at ascending sizes."""
    last = done[-1]
    trial, number = last.trial, len(last.trial.configurations)
    per_row = seen.per_row
    if len(done) > 1:
        before = done[-2]
        # On the wall: what the configurations of a trial share is done once, and counts for each of them.
        more = last.seconds / number - before.seconds / len(before.trial.configurations)
        per_row = max(0.0, more) / max(1, trial.size - before.trial.size)
    fixed = max(0.0, last.seconds - number * trial.size * per_row)
    return Rate(fixed=fixed, per_row=per_row, per_epoch=0.0, epochs=None)


def probe(
    contender: Contender,
    job: Job,
    programme: Programme,
    *,
    tests: int,
    unknown_tests: int,
    texts: int,
    seen: Glance | None = None,
    left: float = math.inf,
    per_text: float = 0.0,
) -> Rate:
    """Fit a contender on a few rows, and tell the cost of a row from that of everything else.

    What is trained in epochs tells the cost of its steps itself; of the rest, a second fit has more rows.
    What is computed of a text once for all trials is computed here once for all as well.

    Args:
        contender: The contender.
        job: Its train rows are those that the probe draws on.
        programme: What is to be measured of it.
        tests: Test rows, which each trial answers.
        unknown_tests: Those of them of which nothing was computed yet that trials share.
        texts: Train and dev rows that all trials together learn from.
        seen: What fits on a few rows told, where they were made.
        left: Seconds of a core that are left: what a second configuration costs is not measured where there
            is no time for two on all rows.
        per_text: Seconds of a core that a text takes its encoder, where that is known.
    """
    if contender.is_remote:
        return _probe_endpoint(contender, job, tests)
    read = readings(job, contender.grid[0])
    longer = 1.0
    if len(read) > 1:
        # What texts cost grows with their tokens: those of the fewest windows tell it soonest.
        contender, longer = contender.reading(read[-1].most), read[0].tokens / read[-1].tokens
    rows = STEPS * _batch_size(contender.grid[0]) if contender.epochs else ROWS
    if contender.epochs and not read:
        # It reads texts to their end: of long ones fewer tell as much.
        enough = CHARACTERS * len(job.train) / max(1, sum(map(len, job.train.strings())))
        rows = max(LEAST_STEPS * _batch_size(contender.grid[0]), min(rows, round(enough)))
    elif contender.epochs:
        rows = _rows_to_train(contender, per_text)
    sample = job.train.select(range(min(rows, len(job.train))))
    if contender.epochs is None and seen is None:
        found, per_row = _growth(contender, job, sample, programme.configurations)
    else:
        found, per_row = _fit(contender, job, sample), seen.per_row if seen else 0.0
        if contender.epochs and found.in_steps < BRIEF:
            # Whatever disturbs a step makes it longer, so of two paces the quicker one is nearer the truth.
            again = _fit(contender, job, sample)
            found = min(found, again, key=lambda fit: fit.per_epoch)
    grid = contender.grid[: programme.configurations]
    if (
        contender.epochs
        and 2 * longer * found.per_epoch * contender.epochs.rows_seen(programme.sizes[-1]) > left
    ):
        grid = grid[:1]
    further = _fits_of_further(contender, job, sample, grid)
    # The first fit of all also loads libraries.
    other = min(fit.other for fit in (found, *further.values()))
    predictor = found.fitted.predictor(job.task)
    predictor.choose_engine("auto", keep=False)
    lap = Lap()
    predictor.predict_rows(sample.select([0]))  # opens the engine, as every trial does once
    opening = lap.taken().alone
    per_test_row = _seconds_an_answer(predictor, sample)
    answered, computed, a_text = tests, texts, found.shared
    on_states = 0.0
    if found.fitted.outputs is not None:  # what is computed of test rows is shared as well
        answered, computed = min(PACE_ROWS, tests), texts + unknown_tests
        if contender.fixed_sizes == (0,):  # it encoded names of labels, and no row
            a_text = per_test_row
        if not found.fitted.is_head_alone:
            on_states = tests * _seconds_on_states(found.fitted.outputs, sample)
    costs = [longer * further.get(_costing(settings), found).per_epoch for settings in grid[1:]]
    answering = longer * (on_states + per_test_row * answered)
    return Rate(
        fixed=max(0.0, other - len(sample) * per_row) + opening + answering + SMALL_CHANGE,
        per_row=per_row,
        per_epoch=longer * found.per_epoch,
        further=tuple(costs) if further else (),
        shared=longer * a_text * computed,
        shared_by_all=longer * a_text * (computed - texts),
        shared_rows=programme.sizes[-1],
        epochs=contender.epochs,
        batch=_batch_size(contender.grid[0]) if contender.epochs else 1,
        answered=answering,
        readings=read,
    )


def seconds_of_probe(contender: Contender, per_text: float) -> float:
    """Estimate what a probe of a contender takes that trains an encoder.

    Args:
        contender: The contender.
        per_text: Seconds of a core that a text takes the encoder; 0: not known, and neither is this.
    """
    # Each row is trained on, answered, and answered once more by what frozen layers made of it.
    return (TRAINED + 2) * per_text * _rows_to_train(contender, per_text)


def _rows_to_train(contender: Contender, per_text: float) -> int:
    """Return on how many rows a contender that trains an encoder is fitted to tell its cost."""
    batch = _batch_size(contender.grid[0])
    enough = LONG_FIT / (TRAINED * per_text) if per_text else math.inf
    return int(max(LEAST_STEPS * batch, min(STEPS * batch, enough)))


def _seconds_an_answer(predictor: RowPredictor, rows: Dataset) -> float:
    """Return what a row takes a predictor that is open, among others."""
    few = rows.select(range(min(PACE_ROWS, len(rows))))
    for answered in (few, rows):
        lap = Lap()
        predictor.predict_rows(answered)
        seconds = lap.taken().alone
        if seconds > LONG_PASS:
            break
    return seconds / len(answered)


def _seconds_on_states(outputs: Callable[[Dataset], object], rows: Dataset) -> float:
    """Return what a row takes a model whose frozen layers have computed it."""
    lap = Lap()
    outputs(rows)
    return lap.taken().alone / len(rows)


def _batch_size(settings: RecipeSettings) -> int:
    """Return the rows of a full batch; 1 where there are none."""
    return int(getattr(settings, "batch_size", 1))


@dataclass(frozen=True)
class _Fitting:
    """What a fit on a few rows took."""

    other: float
    """Seconds outside the steps, without what is shared."""
    shared: float
    """Seconds of what is computed of a text once for all trials."""
    per_epoch: float
    """Seconds that a row costs in every epoch."""
    in_steps: float
    """Seconds of the steps."""
    fitted: Fit


class _Steps:
    """The steps of a fit as they are told, and the share of a core that those after the first had."""

    def __init__(self) -> None:
        self.all: list[Progress] = []
        self.share: float | None = None
        """None where the last one was not told."""
        self._lap: Lap | None = None

    def __call__(self, progress: Progress) -> None:
        """Take note of a step."""
        self.all.append(progress)
        if self._lap is None:
            self._lap = Lap()
        elif progress.step >= progress.planned_steps:
            self.share = self._lap.taken().share


def _fit(
    contender: Contender,
    job: Job,
    rows: Dataset,
    settings: RecipeSettings | None = None,
    steps: int = STEPS,
) -> _Fitting:
    seen = _Steps()
    settings = settings or contender.grid[0]
    if contender.epochs:
        settings = settings.but(epochs=-(-steps // -(-len(rows) // _batch_size(settings))))
    charged, spent = job.shared.charged, job.shared.spent
    lap = Lap()
    dev = rows.select(range(-(-len(rows) // DEV_FRACTION)))
    fitted = contender.fit(replace(job, train=rows, dev=dev, on_step=seen), settings)
    taken = lap.taken()
    share = taken.share
    in_steps = seen.all[-1].seconds if seen.all else 0.0
    other = max(0.0, taken.wall - (job.shared.spent - spent) - in_steps)
    texts = len(rows) + (len(dev) if fitted.is_head_alone else 0)
    shared = (job.shared.charged - charged) / texts
    a_row = (1 + contender.evaluating) * _seconds_a_row(seen.all, len(rows), seen.share or share)
    return _Fitting(share * other, share * shared, a_row, share * in_steps, fitted)


def _fits_of_further(
    contender: Contender, job: Job, rows: Dataset, grid: Sequence[RecipeSettings]
) -> dict[tuple[tuple[str, Any], ...], _Fitting]:
    """Fit the configurations after the first whose steps may cost otherwise.

    Learning rates and dropout cost nothing; how many layers are trained does.
    """
    found: dict[tuple[tuple[str, Any], ...], _Fitting] = {}
    if contender.epochs is not None:
        for settings in grid:
            if _costing(settings) not in (_costing(grid[0]), *found):
                few = rows.select(range(min(FURTHER_STEPS * _batch_size(settings), len(rows))))
                found[_costing(settings)] = _fit(contender, job, few, settings, FURTHER_STEPS)
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


def _seconds_a_row(steps: Sequence[Progress], rows: int, share: float = 1.0) -> float:
    """Return what a row costs in the steps of an epoch on a core of its own, from those after the first.

    Steps that end with an evaluation do not count where there are others: on few rows it takes the longer
    part of them. Neither do steps on batches that are far from full, which there are few of on many rows.

    Args:
        steps: All of them.
        rows: Of an epoch.
        share: Of a core, that they had.
    """
    if len(steps) < 2:
        return 0.0
    taken = [
        (after.seconds - before.seconds, after.tokens - before.tokens, float(after.epoch).is_integer())
        for before, after in itertools.pairwise(steps)
    ]
    timed = [one for one in taken if not one[2]] or taken
    fullest = max(tokens for _, tokens, _ in timed)
    full = [(seconds, max(1, tokens)) for seconds, tokens, _ in timed if tokens >= FULL * fullest]
    # Of short steps others hold up a few, for long, and most take what they take alone, as they do where one
    # of a new shape is slow: the median tells. Of long ones each has its share of the core.
    typical = median(seconds / tokens for seconds, tokens in full)
    in_all = share * sum(seconds for seconds, _ in full) / sum(tokens for _, tokens in full)
    return min(typical, in_all) * steps[-1].tokens / steps[-1].epoch / rows
