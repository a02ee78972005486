"""One label for each text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from textgraft.data.dataset import Dataset
from textgraft.data.reading import read_dataset
from textgraft.errors import DataError, OptionError, nearest
from textgraft.evaluation.calibration import fit_temperature, log_loss
from textgraft.evaluation.metrics import METRICS, weighted_metrics
from textgraft.models.tokenizing import token_ids
from textgraft.tasks.base import Features, Task, padded_inputs

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_CHUNK = 10_000
"""Texts tokenized at once: enough for all cores, while the tokenizer's own records stay small."""


@dataclass(frozen=True, slots=True)
class LabelPrediction:
    """The label of one text."""

    labels: tuple[str, ...]
    """All labels, in the task's order."""
    answer: int
    """Position of the label in the task's labels."""
    probabilities: np.ndarray
    """Probability of every label, float32 [labels], in the task's order; sums to one."""

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
            "scores": {
                label: round(float(value), 6)
                for label, value in zip(self.labels, self.probabilities, strict=True)
            },
        }

    def numbers(self) -> list[float]:
        """Return the probability of every label."""
        return [float(value) for value in self.probabilities]


class SingleLabelClassification(Task):
    """Every text has exactly one of a fixed list of labels.

    Args:
        labels: All labels, in the order of the model's outputs.
    """

    name = "classification"
    main_metric = "macro_f1"
    metric_names = METRICS
    auto_class = "AutoModelForSequenceClassification"

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._index = {label: index for index, label in enumerate(self.labels)}

    @classmethod
    def read(cls, source: str | Path, **columns: Any) -> Dataset:
        """Read a table: one or several text columns, which are joined, and a label column."""
        return read_dataset(source, **columns)

    @classmethod
    def fitted_to(cls, train: Dataset) -> Self:
        """Take the labels of the training rows, in alphabetical order."""
        return cls(sorted(set(train.labels or ())))

    def settings(self) -> dict[str, Any]:
        """Return the labels."""
        return {"labels": list(self.labels)}

    def rows(self, inputs: Sequence[Any]) -> Dataset:
        """Take strings."""
        if isinstance(inputs, str):
            raise OptionError("texts is one string", fix="Give a list of strings: predict([text]).")
        for position, text in enumerate(inputs):
            if not isinstance(text, str):
                raise OptionError(f"text {position} is {type(text).__name__}, not a string")
        return Dataset.unlabelled({"text": list(inputs)})

    def targets(self, dataset: Dataset) -> list[int]:
        """Return the index of each row's label."""
        if dataset.labels is None:
            raise DataError(
                "these rows have no labels", where=dataset.source, fix="Name the label column with --label."
            )
        for label, line in zip(dataset.labels, dataset.lines, strict=True):
            if label not in self._index:
                guess = nearest(label, self.labels)
                raise DataError(
                    f"label {label!r} does not occur in the training rows",
                    where=f"{dataset.source}, line {line}",
                    fix=(f"Did you mean {guess!r}? " if guess else "")
                    + "Correct the label, remove the row, or add training rows with it.",
                )
        return [self._index[label] for label in dataset.labels]

    def features(
        self, dataset: Dataset, tokenizer: PreTrainedTokenizerFast, max_length: int
    ) -> list[Features]:
        """Tokenize the texts; longer ones are cut, and :func:`token_ids` says how much that loses."""
        return self._labelled(dataset, self._inputs(dataset, tokenizer, max_length))

    def _inputs(
        self, dataset: Dataset, tokenizer: PreTrainedTokenizerFast, max_length: int
    ) -> list[Features]:
        texts = dataset.texts
        return [
            {"input_ids": ids}
            for start in range(0, len(texts), _CHUNK)
            for ids in token_ids(tokenizer.backend_tokenizer, texts[start : start + _CHUNK], max_length).ids
        ]

    def _labelled(self, dataset: Dataset, inputs: list[Features]) -> list[Features]:
        for row, feature in enumerate(inputs):
            feature["row"] = row
        if dataset.labels is not None:
            for feature, target in zip(inputs, self.targets(dataset), strict=True):
                feature |= {"labels": target, "gold": target}
        return inputs

    def collate(self, features: Sequence[Features], pad_token_id: int) -> dict[str, torch.Tensor]:
        """Make a right-padded batch: the inputs [batch, time], and labels [batch] if known."""
        batch = padded_inputs(features, pad_token_id)
        if "labels" in features[0]:
            batch["labels"] = torch.tensor([feature["labels"] for feature in features])
        return batch

    def decode(self, outputs: Any, features: Sequence[Features]) -> list[NDArray[np.float32]]:
        """Return each row's logits, [labels]."""
        del features
        return list(outputs["logits"].float().cpu().numpy())

    def predictions(
        self, features: Sequence[Features], decoded: Sequence[Any], temperature: float = 1.0
    ) -> list[LabelPrediction]:
        """Take the most probable label."""
        del features
        probabilities = softmax(
            np.array(decoded, dtype=np.float32).reshape(-1, len(self.labels)) / temperature, axis=1
        )
        return [
            LabelPrediction(self.labels, int(index), row)
            for index, row in zip(probabilities.argmax(axis=1), probabilities, strict=True)
        ]

    def weighted_metrics(
        self, gold: Sequence[int], answers: Sequence[int], weights: NDArray[np.float32]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Score as scikit-learn does: the F1 averages run over the labels met in gold or answers."""
        return weighted_metrics(gold, answers, len(self.labels), weights)

    def truncated_share(self, dataset: Dataset, tokenizer: PreTrainedTokenizerFast, max_length: int) -> float:
        """Return the share of tokens beyond ``max_length``."""
        return token_ids(tokenizer.backend_tokenizer, dataset.texts, max_length).truncated_share

    def loss(self, gold: Sequence[int], features: Sequence[Features], decoded: Sequence[Any]) -> float:
        """Return the mean negative log probability of the gold labels."""
        del features
        return log_loss(np.array(decoded), np.array(gold))

    def temperature(self, gold: Sequence[int], features: Sequence[Features], decoded: Sequence[Any]) -> float:
        """Fit temperature scaling (Guo et al. 2017)."""
        del features
        return fit_temperature(np.array(decoded), np.array(gold))
