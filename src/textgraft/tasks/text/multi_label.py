"""Any number of labels for each text: every label is given or not, independently of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, Unpack

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from textgraft.data.columns import LABEL_NAMES
from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Source
from textgraft.data.label_columns import settle_names
from textgraft.data.read_options import ReadOptions, table_options
from textgraft.data.readers.reading import Form, read_dataset
from textgraft.data.values import as_names
from textgraft.errors import DataError
from textgraft.evaluation.calibration import binary_log_loss, fit_binary_temperature
from textgraft.evaluation.confusions import NOTHING, set_confusions
from textgraft.evaluation.label_scores import LabelCounts, set_f1
from textgraft.evaluation.metrics import (
    MULTI_LABEL_METRICS,
    TITLES,
    macro_evidence,
    weighted_multi_label_metrics,
)
from textgraft.tasks.base import Features
from textgraft.tasks.decided import Decided
from textgraft.tasks.sketch import Guess, Sketch, texts
from textgraft.tasks.text.texts import (
    JoinedTexts,
    LabelProbabilities,
    known_labels,
    label_places,
    unknown_label,
)
from textgraft.wording import listing

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

THRESHOLD = 0.5
"""Labels at least this probable are given."""

_FORM = Form(
    as_label=as_names,
    settle=settle_names,
    several_labels=True,
    label_names=(*LABEL_NAMES, "categories", "classes", "accept", "choice"),
)


@dataclass(frozen=True, slots=True)
class LabelSetPrediction(LabelProbabilities):
    """The labels of one text; each probability is between 0 and 1."""

    answer: list[int]
    """Positions of the labels given, ascending."""

    @property
    def score(self) -> float:
        """Probability that the whole set is right, if labels are independent of each other, 0 to 1."""
        return float(np.maximum(self.probabilities, 1 - self.probabilities).prod())

    def to_dict(self) -> dict[str, Any]:
        """Return the labels given, the score, and the probabilities of all labels."""
        return {
            "labels": [self.labels[index] for index in self.answer],
            "score": round(self.score, 6),
            "scores": self.scores(),
        }


@dataclass(frozen=True, slots=True)
class DecidedLabels(Decided):
    """The labels of one text, of which some may be held back."""

    prediction: LabelSetPrediction
    unsure: tuple[str, ...]
    """Labels that the model would give, and a person is to look at."""

    @property
    def labels(self) -> list[str]:
        """The labels given."""
        everything = [self.prediction.labels[index] for index in self.prediction.answer]
        return [label for label in everything if label not in self.unsure]

    @property
    def is_held_back(self) -> bool:
        """Some labels may be given where others are not."""
        return False

    def to_dict(self) -> dict[str, Any]:
        """Return the labels given, those held back, the score, and the probabilities of all labels."""
        members = self.prediction.to_dict()
        return {
            "labels": self.labels,
            "needs_review": self.needs_review,
            "unsure": list(self.unsure),
            "score": members["score"],
            "scores": members["scores"],
        }


class MultiLabelClassification(JoinedTexts):
    """Every text has any number of a fixed list of labels, or none.

    Args:
        labels: All labels, in the order of the model's outputs.
    """

    name = "multi-label"
    main_metric = "micro_f1"
    metric_names = MULTI_LABEL_METRICS
    metric_titles = TITLES
    quality_title = "F1 of a row"
    answer_fields = ("labels",)

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._index = {label: index for index, label in enumerate(self.labels)}

    @classmethod
    def read(cls, source: Source, **columns: Unpack[ReadOptions]) -> Dataset:
        """Read a table: text columns, which are joined, and a column with the labels of each row, or several.

        Labels are a list (in JSON or Parquet, or written as JSON or Python write it), or stand in one field,
        separated throughout the file by bars, else by semicolons, else by commas. An empty field or list is a
        row without labels; a missing one, and an empty field among lists, sets the row aside. Several columns
        mark the label of their name by 0 and 1, or hold a name each.
        """
        return read_dataset(source, form=_FORM, **table_options(columns))

    @classmethod
    def recognise(cls, sketch: Sketch) -> Guess | None:
        """Take tables with a column for each label, with lists of labels, or with bars between them."""
        if sketch.plain is None or sketch.label_kind != "sets":
            return None
        choice, evidence = sketch.plain
        if choice.label is None:
            return Guess(
                cls.name, f"{texts(choice)}, {listing(list(map(repr, choice.labels)))} a label each", evidence
            )
        holds = "lists" if sketch.sample[choice.label].is_lists else "fields with bars"
        return Guess(cls.name, f"{texts(choice)}, and {choice.label!r} holds {holds}", evidence)

    @classmethod
    def fitted_to(cls, train: Dataset) -> Self:
        """Take the labels of the training rows, in alphabetical order."""
        labels = sorted({label for row in known_labels(train) for label in row})
        if not labels:
            raise DataError(
                f"none of the {len(train)} training rows has a label",
                where=train.source,
                fix="Check which column holds the labels.",
            )
        return cls(labels)

    def settings(self) -> dict[str, Any]:
        """Return the labels."""
        return {"labels": list(self.labels)}

    def configure(self, config: PreTrainedConfig) -> None:
        """Set the labels, and that each has a probability of its own."""
        super().configure(config)
        config.problem_type = "multi_label_classification"

    def targets(self, dataset: Dataset) -> list[list[int]]:
        """Return the indices of each row's labels, ascending."""
        labels = known_labels(dataset)
        places = label_places((label for given in labels for label in given), self._index)
        for row, given in enumerate(labels):
            for label in given:
                if label not in places:
                    raise unknown_label(label, self.labels, dataset, row)
        return [sorted({places[label] for label in given}) for given in labels]

    def loss_target(self, target: Sequence[int]) -> list[float]:
        """Return 1 for every label given and 0 for the others."""
        ones = [0.0] * len(self.labels)
        for index in target:
            ones[index] = 1.0
        return ones

    def predictions(
        self, features: Sequence[Features], decoded: Sequence[Any], temperature: float = 1.0
    ) -> list[LabelSetPrediction]:
        """Give every label that is at least as probable as :data:`THRESHOLD`."""
        del features
        return [
            LabelSetPrediction(self.labels, row, np.flatnonzero(row >= THRESHOLD).tolist())
            for row in expit(self.logits(decoded) / np.float32(temperature))
        ]

    def graded(
        self, gold: Sequence[Sequence[int]], predictions: Sequence[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Take each label given as an answer of its own, [rows, labels]."""
        probabilities = np.array([prediction.probabilities for prediction in predictions], dtype=np.float64)
        probabilities = probabilities.reshape(-1, len(self.labels))
        right = np.array(list(map(self.loss_target, gold)), dtype=np.bool_).reshape(probabilities.shape)
        return np.where(probabilities >= THRESHOLD, probabilities, -1.0), right

    def decide(self, prediction: Any, least: float | None) -> DecidedLabels:
        """Give the labels whose probability reaches the threshold; a person looks at the others."""
        unsure = tuple(
            self.labels[index]
            for index in prediction.answer
            if least is None or prediction.probabilities[index] < least
        )
        return DecidedLabels(prediction, self.answer_fields, least is None or bool(unsure), unsure)

    def weighted_metrics(
        self, gold: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], weights: NDArray[np.float32]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Score as scikit-learn does: the macro average runs over all labels."""
        return weighted_multi_label_metrics(gold, answers, len(self.labels), weights)

    def evidence(self, gold: Sequence[Sequence[int]]) -> Mapping[str, float]:
        """Count what the averages rest on: every label alike, or every label given."""
        rows = np.bincount([label for row in gold for label in row], minlength=len(self.labels))
        given = sum(1 for row in gold if len(row))
        return {"macro_f1": macro_evidence(rows), "micro_f1": given if given > 1 else 0.0}

    def qualities(
        self, gold: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]
    ) -> NDArray[np.float64]:
        """Return the F1 of each row's labels; 1 where it has none and was given none."""
        return set_f1(gold, answers)

    def confusion(
        self, gold: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]
    ) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        """Count what was given in place of what was missed."""
        return (*self.labels, NOTHING), set_confusions(gold, answers, len(self.labels))

    def label_counts(self, gold: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> LabelCounts:
        """Return the labels that each row has and was given."""
        return LabelCounts.of_sets(self.labels, gold, answers)

    def show(self, answer: Sequence[int]) -> str:
        """Write a set of labels for people to read."""
        return ", ".join(self.labels[index] for index in answer) or "no label"

    def loss(
        self, gold: Sequence[Sequence[int]], features: Sequence[Features], decoded: Sequence[Any]
    ) -> float:
        """Return the mean negative log probability that each label is rightly given or not."""
        del features
        return binary_log_loss(self.logits(decoded), list(map(self.loss_target, gold)))

    def temperature(
        self, gold: Sequence[Sequence[int]], features: Sequence[Features], decoded: Sequence[Any]
    ) -> float:
        """Fit temperature scaling, one temperature for all labels."""
        del features
        return fit_binary_temperature(self.logits(decoded), list(map(self.loss_target, gold)))
