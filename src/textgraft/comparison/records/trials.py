"""What a trial leaves behind, and what the trials of a comparison were judged on: the records on disk.

A comparison is a folder::

    plan.json          ComparisonPlan: the request, the planned trials, the result of each
    data.json          TestSet: labels, the test rows, the data check
    rejected.jsonl     rows that could not be used, with line and reason
    trials/<id>.json   one Trial each, of this plan and of earlier ones
    models/<id>/       the model directory of a trial: of each contender the best seed's at the judged size
    memory.json        Memory: what these models take where they answer
    comparison.json    Verdict
    report.html        drawn from the files above alone
    best/              the model directory of the pick
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from textgraft.comparison.records.generation_stats import Writing
from textgraft.comparison.records.reading import Reading
from textgraft.comparison.records.record import FORMAT, NOT_A_COMPARISON, load_record
from textgraft.errors import DamagedError
from textgraft.files import content_hash, output_errors
from textgraft.integrity import write_record

if TYPE_CHECKING:
    from textgraft.tasks.base import Task


class AskedCost(msgspec.Struct, frozen=True, kw_only=True):
    """What an endpoint counted for the test rows."""

    input_tokens: float | None
    """A row on average; None where it does not count them."""
    output_tokens: float | None
    unanswered: int
    """Test rows whose answer was no label: they count as wrong."""

    def price(self, texts: int, price_in: float, price_out: float) -> float | None:
        """Return what so many texts cost at these prices for a million tokens; None without counts."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return texts * (self.input_tokens * price_in + self.output_tokens * price_out) / 1e6


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a trial cost. Times are wall-clock seconds on this machine."""

    training_seconds: float
    """From raw text to a trained model in the chosen configuration: tokenizing and encoding included."""
    tuning_seconds: float
    """The same for the configurations that were fitted and not chosen."""
    latency_ms_p50: float
    """One text in, one prediction out, median."""
    latency_ms_p95: float
    throughput_per_second: float
    """Texts a second over the whole test set in batches, tokenizing included."""
    model_mb: float
    """Bytes on disk that serving needs (encoder included), in units of 10^6."""
    asked: AskedCost | None = None
    """Where the rows were answered by an endpoint elsewhere."""


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """A hyperparameter configuration that was fitted, and how well it did on the dev rows."""

    settings: dict[str, Any]
    dev_score: float
    """The main metric."""
    seconds: float


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One contender trained once: a pure function of its identity, timings aside."""

    format: int = FORMAT
    id: str
    """The hash of its :class:`TrialIdentity`."""
    limit_seconds: float | None = None
    """The wall-clock time it was given, if the clock cut it; None: the clock had no part in the result."""
    contender: str
    size: int
    """Labelled training rows."""
    shots: int | None = None
    """How many of them each label has, where that is what they were drawn by."""
    seed: int
    settings: dict[str, Any]
    """The configuration chosen on the dev rows."""
    configurations: list[Configuration]
    """Every one that was fitted: as many as the tuning budget allows."""
    data_hash: str
    predicted: list[Any]
    """The answer for each test row in the task's form, as an index into TestSet.labels."""
    confidence: list[float]
    """Score of that answer, 0 to 1."""
    metric: str
    """The task's main metric, a key of both following."""
    metrics: dict[str, float]
    """On the test rows."""
    dev_metrics: dict[str, float]
    cost: Cost
    truncated_fraction: float
    """Fraction of training tokens lost to the length limit, 0 to 1; of many rows, by some of them."""
    epochs: float
    stopped_by: str
    """"epochs", "patience", "budget" or "closed form"."""
    history: list[dict[str, float]]
    """One entry an evaluation: epoch, training loss, dev loss, dev score, seconds."""
    versions: dict[str, str]
    engine: str = ""
    """What answered the test rows and was timed, in which precision."""
    writing: Writing | None = None
    """For tasks whose answers are written."""
    reading: Reading | None = None
    """Of the training rows, where long texts are read in windows."""

    @property
    def score(self) -> float:
        """The main metric on the test rows."""
        return self.metrics[self.metric]

    @property
    def dev_score(self) -> float:
        """The main metric on the dev rows."""
        return self.dev_metrics[self.metric]


class TestSet(msgspec.Struct, frozen=True, kw_only=True):
    """What every trial is judged on: the same labels and the same test rows."""

    __test__: ClassVar[bool] = False
    """Tells pytest, which collects classes of such names, that this is none of its own."""

    format: int = FORMAT
    task: str
    task_settings: dict[str, Any]
    """What makes the task again."""
    labels: list[str]
    gold: list[Any]
    """The target of each test row in the task's form."""
    test_texts: list[str]
    """At most the first 600 characters of each, for the report."""
    test_ids: list[str]
    set_aside: int = 0
    """All test rows that there are; these may be a part of them."""
    leaked: list[int]
    """Positions of test rows that also stand, exactly or nearly, among the training rows."""
    train_rows: int
    dev_rows: int
    check: dict[str, Any]
    """The data check (data.check.DataCheck.to_dict)."""


def task_of(test_set: TestSet) -> Task:
    """Make the task again that a comparison was about."""
    from textgraft.tasks.registry import make_task

    return make_task(test_set.task, test_set.task_settings, where="data.json")


class TrialIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """All that the result of a trial depends on, the machine aside: equal identities, equal results."""

    task: str
    task_settings: dict[str, Any]
    """What makes the task again, as its labels in order."""
    train: str
    """Hash of the training rows, in their order."""
    dev: str
    test: str
    contender: str
    size: int
    seed: int
    configurations: list[dict[str, Any]]
    """The settings to choose from on the dev rows, in order."""
    encoder: str | None
    """Hash of weights, configuration and tokenizer; None for contenders that need no encoder."""
    language_model: str | None
    """Likewise of the language model that it begins with."""
    max_length: int | None
    """Tokens a text is cut to; None: the contender's own limit."""
    version: str
    """Of textgraft."""
    limit_seconds: float | None = None
    """The wall-clock time it was given, where that cut it short."""

    @property
    def id(self) -> str:
        """A hash of all of it, 16 hexadecimal digits."""
        return content_hash(msgspec.to_builtins(self))


def save_trial(folder: Path, trial: Trial) -> None:
    """Write the result of a trial into the folder of a comparison.

    Raises:
        OutputError: It cannot be written.
    """
    with output_errors(folder):
        (folder / "trials").mkdir(exist_ok=True)
    write_record(folder / "trials" / f"{trial.id}.json", trial)


def load_trials(folder: Path, on_damaged: Callable[[DamagedError], None] | None = None) -> list[Trial]:
    """Read every finished trial of a comparison, ordered by contender, size and seed.

    Args:
        folder: Of the comparison.
        on_damaged: Told of each damaged trial, which is then left out; None: it is an error.

    Raises:
        ModelError: A trial file is damaged.
    """
    trials = []
    for path in sorted((folder / "trials").glob("*.json")):
        try:
            trials.append(
                load_record(path, Trial, "The same textgraft compare command runs the trial again.")
            )
        except DamagedError as error:
            if on_damaged is None:
                raise
            on_damaged(error)
    return sorted(trials, key=lambda trial: (trial.contender, trial.size, trial.seed))


def save_test_set(folder: Path, test_set: TestSet) -> None:
    """Write data.json of a comparison."""
    write_record(folder / "data.json", test_set)


def load_test_set(folder: Path) -> TestSet:
    """Read data.json of a comparison.

    Raises:
        ModelError: The file is missing or damaged.
    """
    return load_record(folder / "data.json", TestSet, NOT_A_COMPARISON)
