"""What a comparison was asked for, what it planned, and the trial that is the result of each part of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from textgraft.comparison.contenders.base import EpochSchedule
from textgraft.comparison.records.record import FORMAT, NOT_A_COMPARISON, load_record
from textgraft.files import content_hash
from textgraft.integrity import write_record

_FILE = "plan.json"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for, apart from the data: two runs with equal requests share one plan."""

    task: str
    contenders: tuple[str, ...]
    sizes: tuple[int, ...] | None
    """None: the usual ones for the rows there are."""
    seeds: int
    tuning: int
    encoder: str | None
    """Hash of weights, configuration and tokenizer; None where no contender needs an encoder."""
    vectors: str | None
    """Name and hash of the word vectors."""
    language_model: str | None
    """Hash, as of the encoder."""
    descriptions: str | None = None
    """Hash of what labels are said to mean."""
    max_length: int | None
    freeze_layers: int
    budget: float | None
    """Seconds."""

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


class Rate(msgspec.Struct, kw_only=True):
    """What one contender costs: measured by the probe, corrected by every finished trial."""

    fixed: float
    """Seconds whatever the size: loading, building, a single pass over the test rows."""
    per_row: float
    """Seconds a training row costs once: tokenizing, encoding, what frozen layers compute."""
    per_epoch: float
    """Seconds that a training row costs in every epoch."""
    epochs: EpochSchedule | None = None
    """Of contenders that train in epochs, which the clock can end; None: a fit once begun runs to its end."""
    correction: float = 1.0

    def seconds(self, size: int, configurations: int) -> float:
        """Estimate a trial that fits so many configurations on ``size`` rows."""
        shown = self.epochs.rows_seen(size) if self.epochs else 0.0
        once = size * self.per_row + shown * self.per_epoch
        return self.correction * (self.fixed + configurations * once)

    def least_seconds(self, size: int, configurations: int, compression: float) -> float:
        """Estimate the same where the clock cuts training to one part in ``compression``."""
        seconds = self.seconds(size, configurations)
        return seconds / compression if self.epochs else seconds

    def observe(self, estimate: float, seconds: float) -> None:
        """Move the estimate towards what a trial really took."""
        self.correction *= max(0.2, min(5.0, seconds / max(1e-3, estimate))) ** 0.5


class TrialPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The trials of a comparison, in the order in which they run."""

    trials: list[PlannedTrial]
    sizes: list[int]
    seeds: int
    tuning: int
    """Configurations each contender fits at each size, on the first seed; later seeds take the chosen one."""
    seconds: float
    """Estimated."""
    notes: list[str]

    def estimate(self, planned: PlannedTrial, rates: dict[str, Rate]) -> float:
        """Estimate the seconds of a trial."""
        return rates[planned.contender].seconds(planned.size, self.configurations(planned))

    def least_seconds(self, rates: dict[str, Rate], compression: float) -> float:
        """Estimate all trials where the clock cuts training to one part in ``compression``."""
        return sum(
            rates[planned.contender].least_seconds(planned.size, self.configurations(planned), compression)
            for planned in self.trials
        )

    def configurations(self, planned: PlannedTrial) -> int:
        """Return how many configurations a trial fits: all on the first seed, then the chosen one."""
        return self.tuning if planned.seed == 0 else 1


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
    contenders: dict[str, PlannedContender]
    dev_rule: str
    rates: dict[str, Rate]
    plan: TrialPlan
    results: dict[str, str] = {}
    """The trial that is the result of each finished part of the plan, by the part's name."""


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
