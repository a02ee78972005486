"""What a comparison was asked for, what it planned, and the trial that is the result of each part of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from textgraft.comparison.contenders.base import EpochSchedule
from textgraft.comparison.contenders.registry import has_fixed_sizes
from textgraft.comparison.records.reading import Reading
from textgraft.comparison.records.record import FORMAT, NOT_A_COMPARISON, load_record
from textgraft.files import content_hash
from textgraft.integrity import write_record

_FILE = "plan.json"
BUSY = 0.85
"""A machine that gives less of a core than this is called busy."""
FIRST_TRIAL = 0.8
"""How far an estimate moves, on the log scale, towards what the first trial took: a probe is a few steps."""
FURTHER_TRIAL = 0.5
"""Towards what each further one took: when training ends depends on the seed as well."""
ENOUGH = 0.25
"""Share of a training that tells the pace of its steps; less of it moves the estimate less."""
MANY_ROWS = 1_000
"""Training rows on which a choice of configuration is worth something for more rows."""
MUCH_SHARED = 0.5
"""Seconds of a trial on what is shared that tell how long it takes."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for, apart from the data: two runs with equal requests share one plan."""

    task: str
    contenders: tuple[str, ...]
    sizes: tuple[int, ...] | None
    """None: the usual ones for the rows there are, or those of ``shots``."""
    shots: tuple[int, ...] | None = None
    """Rows of every label, in place of sizes."""
    seeds: int
    tuning: int
    encoders: tuple[str, ...]
    """Hashes of weights, configuration and tokenizer, of the encoders that contenders need."""
    vectors: str | None
    """Name and hash of the word vectors."""
    language_model: str | None
    """Hash, as of an encoder."""
    descriptions: str | None = None
    """Hash of what labels are said to mean."""
    llm: str | None = None
    """Hash of the address and the name of a language model, and of how many examples it is shown."""
    max_length: int | None
    freeze_layers: int | None
    budget: float | None
    """Seconds."""
    thorough: bool = False
    """Whether contenders that can no longer win are measured like the others, and all test rows answered."""

    def hash_on(self, data_hash: str) -> str:
        """Return the hash that tells this request on some rows from every other."""
        return content_hash([data_hash, msgspec.to_builtins(self)])


class PlannedTrial(msgspec.Struct, frozen=True):
    """A place in the plan: which contender, at which size, with which seed."""

    contender: str
    size: int
    seed: int

    @property
    def name(self) -> str:
        """As "lstm/300/0", a key of ComparisonPlan.results."""
        return f"{self.contender}/{self.size}/{self.seed}"


def configurations_of(planned: PlannedTrial, number: int, chosen: Mapping[int, int]) -> tuple[int, ...]:
    """Return the places in its contender's grid of the configurations that a trial fits.

    Where a trial of the first seed has no time for all of them, it begins with the one that was best with the
    next smaller number of rows, if it was many: what suits a hundred rows may not suit a hundred thousand.

    Args:
        planned: The trial.
        number: Of the configurations that a trial of the first seed fits.
        chosen: By training rows, the place of the one that the first seed chose.

    Returns:
        An empty tuple where it is the one that the first seed is still to choose.
    """
    if planned.seed:
        return (chosen[planned.size],) if planned.size in chosen else ()
    smaller = [size for size in chosen if MANY_ROWS <= size < planned.size]
    best = [chosen[max(smaller)]] if smaller else []
    return tuple(dict.fromkeys([*best, *range(number)]))[:number]


class Spent(NamedTuple):
    """Seconds of a trial, on a core of its own."""

    beside: float
    """Loading, building, answering the test rows, timing that: all but the other two."""
    in_steps: float
    """In the loops of training, with their evaluations; 0 where nothing is trained in epochs."""
    shared: float = 0.0
    """On what is computed for all trials of the contender, as encodings of texts."""


class Rate(msgspec.Struct, kw_only=True):
    """What one contender costs: as its first trials or a probe told, corrected by every later one.

    All figures are of a core of its own; what they come to on a busy machine says ``slowness``.
    """

    fixed: float
    """Seconds whatever the size: loading, building, a single pass over the test rows."""
    per_row: float
    """Seconds a training row costs once: tokenizing, encoding, what frozen layers compute."""
    per_epoch: float
    """Seconds that a training row costs in every epoch, in the first configuration."""
    further: tuple[float, ...] = ()
    """The same in the configurations after it, where they cost otherwise; the last stands for the rest."""
    shared: float = 0.0
    """Seconds that the contender's first trial on all rows spends for all of them, as on encoding texts."""
    shared_by_all: float = 0.0
    """Of these, what the first trial spends whatever its size, as on the test rows."""
    shared_rows: int = 0
    """Training rows of the largest size, which the rest of ``shared`` is for; 0: any size takes all of it."""
    epochs: EpochSchedule | None = None
    """Of contenders that train in epochs, which the clock can end; None: a fit once begun runs to its end."""
    batch: int = 1
    """Rows of a full batch: one that is not full costs nearly as much in a small model."""
    answered: float = 0.0
    """Seconds of ``fixed`` that go by how long texts are."""
    readings: list[Reading] = []
    """Of contenders that read long texts in windows: with the most windows of a text, which all of this is
    measured for, and then with fewer."""
    correction: float = 1.0
    """By trials that ran: a factor on all of it or, of what is trained in epochs, on what its steps cost."""
    beside: float = 1.0
    """The same, of what is trained in epochs, on what is done beside the steps."""
    sharing: float = 1.0
    """The same, on what is shared."""
    slowness: float = 1.0
    """Seconds on the wall that a second of a core takes at present."""
    observed: int = 0
    """Finished trials that have corrected it."""

    def reading(self, windows: int = 0) -> Reading | None:
        """Return what is read with so many windows of a text at most; 0: with the most."""
        found = {reading.most: reading for reading in self.readings}
        return found.get(windows, self.readings[0] if self.readings else None)

    def fewer(self, windows: int = 0) -> int | None:
        """Return the next smaller number of windows of a text; None where there is none."""
        at = self.reading(windows)
        return next((one.most for one in self.readings if at and one.most < at.most), None)

    @property
    def reads_long_texts(self) -> bool:
        """Whether any text has several windows for it."""
        return bool(self.readings) and self.readings[0].is_of_long_texts

    @property
    def least(self) -> int:
        """The fewest windows of a text; 0 where there is no choice."""
        return self.readings[-1].most if self.readings else 0

    def _share(self, windows: int) -> float:
        """Return how much of what texts cost is left with so many windows."""
        found = self.reading(windows)
        return 1.0 if found is None else found.tokens / self.readings[0].tokens

    def shared_seconds(self, windows: int = 0, size: int | None = None) -> float:
        """Estimate what the first trial spends for all.

        Args:
            windows: That it reads of a text at most; 0: the most.
            size: Its training rows; None: those of the largest size.
        """
        part = 1.0 if size is None or not self.shared_rows else min(1.0, size / self.shared_rows)
        shared = self.shared_by_all + part * (self.shared - self.shared_by_all)
        return self.slowness * self.sharing * self._share(windows) * shared

    def seconds(
        self,
        size: int,
        configurations: int | Sequence[int],
        *,
        windows: int = 0,
        epochs_share: float = 1.0,
    ) -> float:
        """Estimate a trial, without what is shared.

        Args:
            size: Training rows.
            configurations: That it fits: so many from the first on, or those in these places. An empty tuple:
                one that is still to be chosen, which may be the dearest.
            windows: That it reads of a text at most; 0: the most.
            epochs_share: How much of its epochs it has time for, 0 to 1.
        """
        share = self._share(windows)
        seen = 0.0
        if self.epochs and size:
            seen = self.epochs.rows_seen(size) * -(-size // self.batch) * self.batch / size
        costs = (self.per_epoch, *self.further)
        places = range(configurations) if isinstance(configurations, int) else configurations
        in_epochs = sum(costs[min(place, len(costs) - 1)] for place in places) if places else max(costs)
        fits = max(1, len(places))
        beside = self.fixed - self.answered + share * (self.answered + fits * size * self.per_row)
        in_steps = share * epochs_share * seen * in_epochs
        factor = self.beside if self.epochs else self.correction
        return self.slowness * (factor * beside + self.correction * in_steps)

    def pay_shared(self, share: float) -> None:
        """Note that a trial has done this share of what all need, 0 to 1."""
        self.shared = max(0.0, 1 - share) * (self.shared - self.shared_by_all)
        self.shared_by_all = 0.0

    def observe(self, expected: Spent, took: Spent, trained: float = 1.0) -> None:
        """Move the estimate towards what a trial really took, most of the way for the first one.

        Steps, what is done beside them and what is shared are told apart: the first grow with the rows, the
        second does not, and the last is done once.

        Args:
            expected: Of the trial.
            took: By it, or what it would have taken had the clock not ended it.
            trained: Share of its training that it had, 0 to 1.
        """
        weight = FURTHER_TRIAL if self.observed else FIRST_TRIAL
        self.observed += 1
        if took.shared > MUCH_SHARED and expected.shared:
            # Where it is less, others have computed most of it.
            self.sharing *= _ratio(took.shared, expected.shared) ** weight
        if self.epochs is None:
            self.correction *= _ratio(took.beside, expected.beside) ** weight
            return
        self.beside *= _ratio(took.beside, expected.beside) ** weight
        if took.in_steps and expected.in_steps:
            self.correction *= _ratio(took.in_steps, expected.in_steps) ** (
                weight * min(1.0, trained / ENOUGH)
            )


def _ratio(took: float, expected: float) -> float:
    return max(0.2, min(5.0, max(took, 1e-3) / max(expected, 1e-3)))


class Programme(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be measured of one contender if time allows."""

    sizes: tuple[int, ...]
    """Training sizes, ascending."""
    seeds: int
    is_sure: bool = False
    """Whether all seeds give the same at the largest size: nothing is drawn, neither rows nor weights."""
    configurations: int
    """To choose from at each size on the first seed; later seeds take the chosen one."""
    is_pretrained: bool = False
    """Whether it begins with what an encoder has learned."""

    def seeds_at(self, size: int) -> range:
        """Return the seeds that there are to run at a size."""
        return range(1 if self.is_sure and size == self.sizes[-1] else self.seeds)


class TrialPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The trials that are still to run, in their order, and those for which there is no time."""

    trials: list[PlannedTrial]
    configurations: dict[str, int]
    """By contender: how many a trial of the first seed fits."""
    seconds: float
    """Estimated for the trials, some shortened where they would not fit otherwise."""
    left_out: list[PlannedTrial] = []
    """For want of time."""
    missing_seconds: float = 0.0
    """Estimated for those, with every configuration of the programme."""
    beaten: dict[str, str] = {}
    """Contenders that can no longer win, and the evidence: they get no further seeds."""
    windows: dict[str, int] = {}
    """Of contenders that read less of long texts for want of time: windows of a text at most."""
    chosen: dict[str, dict[int, int]] = {}
    """By contender and training rows: the place of the configuration that the first seed chose."""

    def fitted(self, planned: PlannedTrial) -> tuple[int, ...]:
        """Return the places of the configurations that a trial fits; none where one is still to be chosen."""
        name = planned.contender
        return configurations_of(planned, self.configurations[name], self.chosen.get(name, {}))

    def estimate(
        self,
        planned: PlannedTrial,
        rates: Mapping[str, Rate],
        *,
        with_shared: bool = False,
        epochs_share: float = 1.0,
    ) -> float:
        """Estimate the seconds of a trial: of several configurations on the first seed, then of one.

        Args:
            planned: The trial.
            rates: What each contender costs.
            with_shared: Whether it does what is left to do for all trials of its contender.
            epochs_share: How much of its epochs it has time for, 0 to 1.
        """
        rate = rates[planned.contender]
        windows = self.windows.get(planned.contender, 0)
        shared = rate.shared_seconds(windows, planned.size) if with_shared else 0.0
        return shared + rate.seconds(
            planned.size, self.fitted(planned), windows=windows, epochs_share=epochs_share
        )

    def expected(self, planned: PlannedTrial, rates: Mapping[str, Rate]) -> Spent:
        """Estimate a trial on a core of its own, with what it does for all trials of its contender."""
        rate, windows = rates[planned.contender], self.windows.get(planned.contender, 0)
        whole, beside = (self.estimate(planned, rates, epochs_share=share) for share in (1.0, 0.0))
        spent = beside, whole - beside, rate.shared_seconds(windows, planned.size)
        return Spent(*(seconds / rate.slowness for seconds in spent))


class PlannedContender(msgspec.Struct, frozen=True):
    """A contender as the report describes it."""

    title: str
    grid: list[dict[str, Any]]
    """The configurations it may fit."""


class ComparisonPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The content of plan.json."""

    format: int = FORMAT
    request: Request
    data_hash: str
    """Of all train, dev and test rows."""
    title: str
    """Name of the user's file."""
    source: str
    command: str
    """What to type to get the same again."""
    machine: str
    threads: int
    """That everything was computed on: results depend on it by rounding errors."""
    contenders: dict[str, PlannedContender]
    shots: dict[int, int] = {}
    """How many rows of every label a training size has, by the size; empty where sizes count all rows."""
    dev_rule: str
    answered: int | None = None
    """Test rows that contenders answer, of which Material.answering tells which; None: all."""
    rates: dict[str, Rate]
    """Of the contenders whose cost is known: all of them before the first plan is made."""
    programmes: dict[str, Programme]
    """Of every contender: what there would be to measure without a clock."""
    seconds: float
    """Estimated for the trials of the first plan."""
    spent: float = 0.0
    """Seconds that trials took, in all calls."""
    waited: float = 0.0
    """Of these, without a core: other programs had it."""
    plan: TrialPlan
    """What was still to do when this was written."""
    results: dict[str, str] = {}
    """The trial that is the result of each finished part of the programmes, by the part's name."""
    cut: dict[str, float] = {}
    """Parts that the clock cut too short to be results, and the share of the training that each had."""

    @property
    def share(self) -> float:
        """Of a core, that trials had."""
        return 1.0 - self.waited / self.spent if self.spent else 1.0

    @property
    def is_of_busy_machine(self) -> bool:
        """Whether other programs had a part of it that tells."""
        return self.share < BUSY

    @property
    def planned(self) -> int:
        """How many trials were run or are to be run."""
        return len(self.results) + len(self.plan.trials)

    @property
    def everything(self) -> list[PlannedTrial]:
        """Every trial that there would be without a clock, seeds that others depend on first."""
        trials = [
            PlannedTrial(name, size, seed)
            for name, programme in self.programmes.items()
            for size in programme.sizes
            for seed in programme.seeds_at(size)
        ]
        return sorted(trials, key=lambda planned: planned.seed)

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do that there is time for."""
        return not self.plan.trials and self.programmes.keys() <= self.rates.keys()

    @property
    def largest(self) -> int:
        """The largest training size of all contenders that learn from as many rows as there are."""
        sizes = {name: programme.sizes[-1] for name, programme in self.programmes.items()}
        return max([size for name, size in sizes.items() if not has_fixed_sizes(name)] or sizes.values())


def save_plan(folder: Path, plan: ComparisonPlan) -> None:
    """Write plan.json of a comparison."""
    write_record(folder / _FILE, plan)


def has_plan(folder: Path) -> bool:
    """Return whether a comparison was planned in a folder."""
    return (folder / _FILE).is_file()


def load_plan(folder: Path) -> ComparisonPlan:
    """Read plan.json of a comparison.

    Raises:
        ModelError: The file is missing or damaged.
    """
    return load_record(folder / _FILE, ComparisonPlan, NOT_A_COMPARISON)
