"""What an evaluation says, as a typed record on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from textgraft import wording
from textgraft.evaluation.confusions import Confusion
from textgraft.evaluation.intervals import Score
from textgraft.evaluation.label_scores import LabelScore
from textgraft.evaluation.promises import Threshold
from textgraft.evaluation.reliability import Reliability
from textgraft.evaluation.risk_coverage import RiskCoverage
from textgraft.evaluation.slices import SliceScore
from textgraft.inference.evaluating.robustness import Robustness
from textgraft.integrity import read_record, write_record
from textgraft.tables import Table, bullets, page, paragraph
from textgraft.tasks.confident_errors import ConfidentError
from textgraft.terminal import visible

if TYPE_CHECKING:
    import pandas

FORMAT = 1
"""Of report.json."""


class SeenRows(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that the model had to do with before: what it scores on them is no test."""

    train: int
    """Rows whose text is that of a row that it learned from."""
    dev: int
    """The same of rows that choices were made on, and of none above."""
    others: Score | None
    """The main metric on the other rows; None where there are none of either kind, or too few others."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """Whether scores can be taken for probabilities."""

    temperature: float
    """That the model directory's logits are divided by, in its weights or besides."""
    before: Reliability | None
    """Without it; None where there is none."""
    after: Reliability
    """As the model answers."""


class AtThreshold(msgspec.Struct, frozen=True, kw_only=True):
    """What the threshold in the model directory does on these rows."""

    promised: Threshold
    """As it was decided, on other rows."""
    answers: int
    """That the model has, of which those below the threshold go to a person."""
    given: int
    """Of them, those that reach it."""
    coverage: Score
    """The fraction that is given, with its 95% interval over rows."""
    precision: Score
    """The fraction of the given ones that is right, likewise."""


class CutText(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of which about the same fraction lies beyond what the model reads."""

    name: str
    """How much, as "0%" or "12 to 40%"."""
    rows: int
    quality: Score
    """As of a slice: these intervals hold together with those of all slices."""


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """What lies behind the metrics."""

    quality: str
    """What the quality of a row is, as people call its mean."""
    calibration: Calibration | None
    """None where scores are no probabilities."""
    threshold: AtThreshold | None = None
    """None where the model directory holds none."""
    risk_coverage: RiskCoverage | None
    """None where the model is as sure of all its answers."""
    labels: list[LabelScore]
    """Of tasks whose answers are names."""
    confusion_names: list[str]
    confusion: list[list[int]]
    """Counts by true and given name; none where there are too many names to show, or answers are none."""
    confusions: list[Confusion]
    """The most frequent."""
    errors: list[ConfidentError]
    slices: list[SliceScore]
    worst: SliceScore | None
    """The slice that is worse than the other rows by most, of those that are by more than chance."""
    numbers: list[tuple[float, float]]
    """Of tasks whose answers are numbers, the true and the given one, of at most a thousand rows."""
    truncated_fraction: float
    """Of all rows' text, beyond what the model reads."""
    cut: list[CutText]
    """How good answers are by how much of the text was cut off; none where nothing was."""


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """What a model scores on some rows."""

    format: int = FORMAT
    model: str = ""
    """The model directory, or what else answered."""
    contender: str = ""
    """Which entry of a comparison trained it."""
    source: str = ""
    """Where the rows are from."""
    task: str
    rows: int
    skipped: int
    """Rows that could not be used."""
    metric: str
    """The main one."""
    metrics: dict[str, Score]
    """Every metric with its 95% interval over the rows; for written answers also how well the
    true targets are predicted, by perplexity (less is better) and token_accuracy."""
    titles: dict[str, str] = {}
    """How people call the metrics."""
    signatures: dict[str, str] = {}
    """Of metrics of written answers, how exactly they were computed."""
    oracle: Score | None = None
    """The main metric of who knows the targets and can answer no more than the model, as the sentences of a
    document; None where the model could answer anything."""
    seen: SeenRows | None = None
    """None where the model directory does not say what it learned from."""
    details: Details | None = None
    """Where a report was asked for."""
    robustness: Robustness | None = None
    """Where it was asked for, and texts can be written otherwise."""
    sentences: list[str] = []
    """What a reader should know, the gravest first."""

    def __repr__(self) -> str:
        score = wording.score(self.metrics[self.metric].value)
        return visible(f"<Evaluation on {wording.counted(self.rows, 'row')}: {self.metric} {score}>")

    def _repr_html_(self) -> str:
        names = list(self.metrics)
        skipped = f", {self.skipped:,} could not be used" if self.skipped else ""
        rows = [
            [self.titles.get(name, name), wording.score(score.value), wording.interval(score)]
            for name, score in self.metrics.items()
        ]
        table = Table(("metric", "value", "95% interval"), rows)
        return page(
            paragraph(f"{self.task}, {wording.counted(self.rows, 'row')}{skipped}", "quiet"),
            table.to_html(names.index(self.metric)),
            bullets(self.sentences),
        )

    def table(self) -> Table:
        """Return a row for each metric: its value, and low and high, the ends of its 95% interval."""
        return Table(
            ("metric", "value", "low", "high"),
            [(name, score.value, score.low, score.high) for name, score in self.metrics.items()],
        )

    def to_pandas(self) -> pandas.DataFrame:
        """Return :meth:`table` as a DataFrame.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return self.table().to_pandas()


def save_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Write an evaluation.

    Raises:
        OutputError: The file cannot be written.
    """
    write_record(path, evaluation)


def load_evaluation(path: Path) -> Evaluation:
    """Read an evaluation again.

    Raises:
        ModelError: The file is missing or damaged.
    """
    return read_record(path, Evaluation, fix="Run textgraft evaluate again.")
