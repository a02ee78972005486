"""A number for each text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from textgraft.data.columns import NUMBER_NAMES
from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Source
from textgraft.data.numbers import read_numbers
from textgraft.data.read_options import ReadOptions, table_options
from textgraft.data.readers.reading import Form, read_dataset
from textgraft.data.values import as_cell
from textgraft.errors import DataError
from textgraft.evaluation.calibration import MAX_TEMPERATURE, MIN_TEMPERATURE
from textgraft.evaluation.correlations import REGRESSION_METRICS, weighted_regression_metrics
from textgraft.evaluation.intervals import Scale
from textgraft.tasks.base import Features
from textgraft.tasks.sketch import Evidence, Guess, Sketch, texts
from textgraft.tasks.text.texts import JoinedTexts, known_labels

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

TOLERANCE = 0.5
"""An answer counts as right that is no further from the truth than this many deviations of the training
targets."""


_FORM = Form(as_label=as_cell, settle=read_numbers, label_names=NUMBER_NAMES)


@dataclass(frozen=True, slots=True)
class NumberPrediction:
    """The number for one text."""

    answer: float
    """In the units of the targets."""
    standardised: float
    """The same in deviations of the training targets from their mean."""
    error: float
    """Root mean squared error that held-out rows let expect, in the units of the targets."""
    score: float
    """Probability that the true number is within :data:`TOLERANCE` of the answer, 0 to 1, if errors follow
    the normal distribution; the same for every row."""

    def to_dict(self) -> dict[str, Any]:
        """Return the number, the error to expect and the score."""
        return {"value": self.answer, "error": self.error, "score": round(self.score, 6)}

    def numbers(self) -> list[float]:
        """Return the standardised number, so that models of any unit are compared by the same tolerance."""
        return [self.standardised]


class Regression(JoinedTexts):
    """Every text has a number.

    Models learn targets standardised by the mean and deviation of the training rows, whatever their unit.
    Spearman's correlation leads: it asks for the right order, which no single outlier decides.

    Args:
        mean: Of the training targets.
        deviation: Their standard deviation.
    """

    name = "regression"
    main_metric = "spearman"
    metric_names = REGRESSION_METRICS
    metric_titles: ClassVar[Mapping[str, str]] = {
        "spearman": "Spearman's ρ",
        "pearson": "Pearson's r",
        "r2": "R²",
    }
    scales: ClassVar[Mapping[str, Scale]] = {
        "spearman": Scale.CORRELATION,
        "pearson": Scale.CORRELATION,
        "r2": Scale.AT_MOST_ONE,
        "negative_rmse": Scale.NEGATIVE,
    }
    has_probabilities = False
    divides_logits = False
    quality_title = "share within half a deviation"
    labels = ("value",)

    def __init__(self, mean: float, deviation: float) -> None:
        self.mean = mean
        self.deviation = deviation

    @classmethod
    def read(cls, source: Source, **columns: Unpack[ReadOptions]) -> Dataset:
        """Read a table: text columns, which are joined, and a column of numbers."""
        return read_dataset(source, form=_FORM, **table_options(columns))

    @classmethod
    def recognise(cls, sketch: Sketch) -> Guess | None:
        """Take tables with numbers of which many have fractions."""
        if sketch.plain is not None and sketch.label_kind == "numbers":
            choice, evidence = sketch.plain
        elif sketch.plain is None and sketch.text_pair is None and (found := sketch.choose(NUMBER_NAMES)):
            choice, evidence = found, Evidence.VALUES
        else:
            return None
        if choice.label is None or not sketch.sample[choice.label].is_fractions:
            return None
        return Guess(
            cls.name, f"{texts(choice)}, and {choice.label!r} holds numbers with fractions", evidence
        )

    @classmethod
    def fitted_to(cls, train: Dataset) -> Self:
        """Take mean and deviation of the training targets."""
        targets = np.array(known_labels(train), dtype=np.float64)
        if not len(targets) or (targets == targets[0]).all():
            raise DataError(
                f"all {len(targets)} training rows have the same number",
                where=train.source,
                fix="There is nothing to learn from one number: check which column is the target.",
            )
        with np.errstate(over="ignore", invalid="ignore"):
            mean, deviation = float(targets.mean()), float(targets.std())
        if not math.isfinite(mean) or not math.isfinite(deviation) or deviation == 0:
            raise DataError(
                f"the numbers, up to {np.abs(targets).max():g}, are too large or too close to tell apart",
                where=train.source,
                fix="Rescale them.",
            )
        return cls(mean, deviation)

    def settings(self) -> dict[str, Any]:
        """Return mean and deviation."""
        return {"mean": self.mean, "deviation": self.deviation}

    def configure(self, config: PreTrainedConfig) -> None:
        """Set one output, which is a number."""
        super().configure(config)
        config.problem_type = "regression"

    def targets(self, dataset: Dataset) -> list[float]:
        """Return the number of each row."""
        return list(known_labels(dataset))

    def loss_target(self, target: float) -> float:
        """Standardise."""
        return (target - self.mean) / self.deviation

    def predictions(
        self, features: Sequence[Features], decoded: Sequence[Any], temperature: float = 1.0
    ) -> list[NumberPrediction]:
        """Return to the units of the targets.

        The temperature is the error to expect, in deviations; it does not change the numbers.
        """
        del features
        score = math.erf(TOLERANCE / (temperature * math.sqrt(2)))
        error = temperature * self.deviation
        return [
            NumberPrediction(value * self.deviation + self.mean, value, error, score)
            for value in self.logits(decoded)[:, 0].tolist()
        ]

    def weighted_metrics(
        self, gold: Sequence[float], answers: Sequence[float], weights: NDArray[np.float32]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Score as scipy and scikit-learn do; a correlation with a constant is 0."""
        return weighted_regression_metrics(gold, answers, weights)

    def is_right(self, gold: float, answer: float) -> bool:
        """Return whether the answer is within :data:`TOLERANCE`."""
        return abs(gold - answer) <= TOLERANCE * self.deviation

    def show(self, answer: float) -> str:
        """Write a number for people to read."""
        return f"{answer:.4g}"

    def loss(self, gold: Sequence[float], features: Sequence[Features], decoded: Sequence[Any]) -> float:
        """Return the mean squared error, in squared deviations."""
        del features
        return self._squared_error(gold, decoded)

    def temperature(
        self, gold: Sequence[float], features: Sequence[Features], decoded: Sequence[Any]
    ) -> float:
        """Return the root mean squared error, in deviations.

        It is the deviation of the normal distribution that makes the errors of the held-out rows most likely.
        """
        del features
        if not len(gold):
            return 1.0
        error = math.sqrt(self._squared_error(gold, decoded))
        return min(MAX_TEMPERATURE, max(MIN_TEMPERATURE, error))

    def _squared_error(self, gold: Sequence[float], decoded: Sequence[Any]) -> float:
        truth = np.array(list(map(self.loss_target, gold)))
        return float(((self.logits(decoded)[:, 0] - truth) ** 2).mean())
