"""The file formats of a comparison: what a trial leaves behind, and what the trials were judged on.

A comparison is a folder::

    plan.json          settings, data hash, contenders, sizes, seeds, tuning budget, estimate
    data.json          TestSet: labels, the test rows, the data check
    rejected.jsonl     rows that could not be used, with line and reason
    trials/<id>.json   one Trial each
    models/<contender> the model directory of the best seed at the largest size
    comparison.json    the verdict
    report.html        drawn from the files above alone
    best/              the model directory of the pick
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from textgraft.comparison.records.generation_stats import Writing
from textgraft.errors import ModelError
from textgraft.files import content_hash, write_atomic

if TYPE_CHECKING:
    from textgraft.tasks.base import Task


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a trial cost. Times are wall-clock seconds on this machine."""

    training_seconds: float
    """From raw text to a trained model at the chosen setting: tokenizing and encoding included."""
    tuning_seconds: float
    """The same for the settings that were tried and not chosen."""
    latency_ms_p50: float
    """One text in, one prediction out, median."""
    latency_ms_p95: float
    throughput_per_second: float
    """Texts a second over the whole test set in batches, tokenizing included."""
    model_mb: float
    """Bytes on disk that serving needs (encoder included), in units of 10^6."""
    peak_memory_mb: float
    """Rise of resident memory in training over what the process held before, in units of 10^6 bytes."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One contender trained once: a pure function of (data hash, contender, size, seed, settings)."""

    id: str
    contender: str
    size: int
    """Labelled training rows."""
    seed: int
    settings: dict[str, Any]
    """The setting chosen on the dev rows."""
    tried: list[dict[str, Any]]
    """Every setting tried: {"settings": …, "dev_score": …, "seconds": …}; its length is the tuning budget."""
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
    truncated_share: float
    """Share of training tokens lost to the length limit, 0 to 1."""
    epochs: float
    stopped_by: str
    """"epochs", "patience", "budget" or "closed form"."""
    history: list[dict[str, float]]
    """One entry an evaluation: epoch, training loss, dev loss, dev score, seconds."""
    versions: dict[str, str]
    writing: Writing | None = None
    """For tasks whose answers are written."""

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

    task: str
    task_settings: dict[str, Any]
    """What makes the task again."""
    labels: list[str]
    gold: list[Any]
    """The target of each test row in the task's form."""
    test_texts: list[str]
    """At most the first 600 characters of each, for the report."""
    test_ids: list[str]
    leaked: list[int]
    """Positions of test rows that also stand, exactly or nearly, among the training rows."""
    train_rows: int
    dev_rows: int
    check: dict[str, Any]
    """The data check (data.check.DataCheck.to_dict)."""


def task_of(test_set: TestSet) -> Task:
    """Make the task again that a comparison was about."""
    from textgraft.tasks.registry import task_class

    return task_class(test_set.task)(**test_set.task_settings)


def trial_id(data_hash: str, contender: str, size: int, seed: int, settings: dict[str, Any]) -> str:
    """Return the identity of a trial: a hash of all that its result depends on."""
    return content_hash([data_hash, contender, size, seed, settings])


def save_struct(path: Path, value: msgspec.Struct) -> None:
    """Write a Trial or a TestSet as JSON, atomically."""
    write_atomic(path, msgspec.json.format(msgspec.json.encode(value), indent=1))


def load_trials(folder: Path) -> list[Trial]:
    """Read every finished trial of a comparison, ordered by contender, size and seed.

    Raises:
        ModelError: A trial file is damaged.
    """
    trials = []
    for path in sorted((folder / "trials").glob("*.json")):
        try:
            trials.append(msgspec.json.decode(path.read_bytes(), type=Trial))
        except msgspec.DecodeError as error:
            raise ModelError(
                f"this trial's result cannot be read: {error}",
                where=str(path),
                fix="Delete the file: the same command will run the trial again.",
            ) from error
    return sorted(trials, key=lambda trial: (trial.contender, trial.size, trial.seed))


def load_test_set(folder: Path) -> TestSet:
    """Read data.json of a comparison.

    Raises:
        ModelError: The file is missing or damaged.
    """
    path = folder / "data.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=TestSet)
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError(
            f"not a readable comparison: {error}",
            where=str(path),
            fix="Give the folder that textgraft compare wrote, or run the comparison again.",
        ) from error
