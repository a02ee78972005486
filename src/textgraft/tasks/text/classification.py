"""One label for each text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, Unpack

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Source
from textgraft.data.read_options import ReadOptions, table_options
from textgraft.data.readers.reading import Form, read_dataset
from textgraft.data.values import as_only_name
from textgraft.evaluation.calibration import fit_temperature, log_loss
from textgraft.evaluation.label_scores import LabelCounts
from textgraft.evaluation.metrics import (
    METRICS,
    TITLES,
    confusion_matrix,
    macro_evidence,
    weighted_metrics,
)
from textgraft.tasks.base import Features
from textgraft.tasks.sketch import Evidence, Guess, Sketch, texts
from textgraft.tasks.text.texts import (
    JoinedTexts,
    LabelProbabilities,
    known_labels,
    label_places,
    unknown_label,
)

NO_ANSWER = -1
"""In place of a label's position where a row has got none: it is wrong, and counts for no label."""
_FORM = Form(as_listed_label=as_only_name)


@dataclass(frozen=True, slots=True)
class LabelPrediction(LabelProbabilities):
    """The label of one text; the probabilities sum to one."""

    answer: int
    """Position of the label in the task's labels."""
    encoding: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)
    """What the model's output layer read of the text, [size]; None where it was not kept."""

    @property
    def label(self) -> str:
        """The label."""
        return self.labels[self.answer]

    @property
    def score(self) -> float:
        """Probability of the label, 0 to 1."""
        return float(self.probabilities[self.answer])

    def to_dict(self) -> dict[str, Any]:
        """Return label, score and the scores of all labels."""
        return {
            "label": self.label,
            "score": round(self.score, 6),
            "scores": self.scores(),
        }


class SingleLabelClassification(JoinedTexts):
    """Every text has exactly one of a fixed list of labels.

    Args:
        labels: All labels, in the order of the model's outputs.
    """

    name = "classification"
    main_metric = "macro_f1"
    metric_names = METRICS
    overall_metric = "accuracy"
    metric_titles = TITLES
    answer_fields = ("label",)

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._index = {label: index for index, label in enumerate(self.labels)}

    @classmethod
    def read(cls, source: Source, **columns: Unpack[ReadOptions]) -> Dataset:
        """Read a table: one or several text columns, which are joined, and a label column."""
        return read_dataset(source, form=_FORM, **table_options(columns))

    @classmethod
    def recognise(cls, sketch: Sketch) -> Guess | None:
        """Take plain texts, and tables with one name a row."""
        if sketch.is_plain:
            return Guess(cls.name, "the file holds plain texts", Evidence.NAMES)
        if sketch.plain is None or sketch.label_kind != "names":
            return None
        choice, evidence = sketch.plain
        return Guess(cls.name, f"{texts(choice)}, {choice.label!r} the label", evidence)

    @classmethod
    def fitted_to(cls, train: Dataset) -> Self:
        """Take the labels of the training rows, in alphabetical order."""
        return cls(sorted(set(train.labels or ())))

    def show(self, answer: int) -> str:
        """Write the name of a label."""
        return "no label" if answer == NO_ANSWER else self.labels[answer]

    def settings(self) -> dict[str, Any]:
        """Return the labels."""
        return {"labels": list(self.labels)}

    def targets(self, dataset: Dataset) -> list[int]:
        """Return the index of each row's label."""
        labels = known_labels(dataset)
        places = label_places(labels, self._index)
        for row, label in enumerate(labels):
            if label not in places:
                raise unknown_label(label, self.labels, dataset, row)
        return [places[label] for label in labels]

    def predictions(
        self, features: Sequence[Features], decoded: Sequence[Any], temperature: float = 1.0
    ) -> list[LabelPrediction]:
        """Take the most probable label."""
        del features
        probabilities = softmax(self.logits(decoded) / temperature, axis=1)
        return [
            LabelPrediction(self.labels, row, int(index), getattr(kept, "encoding", None))
            for index, row, kept in zip(probabilities.argmax(axis=1), probabilities, decoded, strict=True)
        ]

    def weighted_metrics(
        self, gold: Sequence[int], answers: Sequence[int], weights: NDArray[np.float32]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Score as scikit-learn does: the F1 averages run over the labels met in gold or answers."""
        return weighted_metrics(gold, answers, len(self.labels), weights)

    def evidence(self, gold: Sequence[int]) -> Mapping[str, float]:
        """Count what the macro average rests on: every label alike."""
        return {"macro_f1": macro_evidence(np.bincount(gold, minlength=len(self.labels)))}

    def confusion(
        self, gold: Sequence[int], answers: Sequence[int]
    ) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        """Count rows by true and predicted label."""
        return self.labels, confusion_matrix(gold, answers, len(self.labels))

    def label_counts(self, gold: Sequence[int], answers: Sequence[int]) -> LabelCounts:
        """Return the one label that each row has and was given."""
        given = [[answer] if answer != NO_ANSWER else [] for answer in answers]
        return LabelCounts.of_sets(self.labels, [[label] for label in gold], given)

    def loss(self, gold: Sequence[int], features: Sequence[Features], decoded: Sequence[Any]) -> float:
        """Return the mean negative log probability of the gold labels."""
        del features
        return log_loss(self.logits(decoded), gold)

    def temperature(self, gold: Sequence[int], features: Sequence[Features], decoded: Sequence[Any]) -> float:
        """Fit temperature scaling, shrunk towards 1 by the rows there are."""
        del features
        return fit_temperature(self.logits(decoded), gold)
