"""One label for each text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from textgraft.errors import DataError, nearest
from textgraft.models.tokenizing import token_ids
from textgraft.tasks.base import Features

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from textgraft.data.dataset import Dataset

_CHUNK = 10_000
"""Texts tokenized at once: enough for all cores, while the tokenizer's own records stay small."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one text."""

    label: str
    index: int
    """Position of the label in the task's labels."""
    score: float
    """Probability of that label, 0 to 1."""
    probabilities: np.ndarray
    """Probability of every label, float32 [labels], in the task's order; sums to one."""


class SingleLabelClassification:
    """Every text has exactly one of a fixed list of labels.

    Args:
        labels: All labels, in the order of the model's outputs.
    """

    name = "classification"
    main_metric = "macro_f1"

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._index = {label: index for index, label in enumerate(self.labels)}

    def targets(self, dataset: Dataset) -> list[int]:
        """Return the index of each row's label.

        Raises:
            DataError: The rows have no labels, or one that this task does not know; names the line.
        """
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
        """Tokenize the texts; ``labels`` is the label's index, absent for rows to predict.

        Texts longer than ``max_length`` tokens are cut; :func:`token_ids` says how much that loses.
        """
        texts = dataset.texts
        ids = [
            row
            for start in range(0, len(texts), _CHUNK)
            for row in token_ids(tokenizer.backend_tokenizer, texts[start : start + _CHUNK], max_length).ids
        ]
        if dataset.labels is None:
            return [{"input_ids": row} for row in ids]
        return [
            {"input_ids": row, "labels": target}
            for row, target in zip(ids, self.targets(dataset), strict=True)
        ]

    def collate(self, features: Sequence[Features], pad_token_id: int) -> dict[str, torch.Tensor]:
        """Make a right-padded batch: input_ids, attention_mask [batch, time], and labels [batch] if known."""
        lengths = np.array([len(feature["input_ids"]) for feature in features])
        input_ids = np.full((len(features), int(lengths.max())), pad_token_id, dtype=np.int64)
        for row, feature in zip(input_ids, features, strict=True):
            row[: len(feature["input_ids"])] = feature["input_ids"]
        mask = (np.arange(input_ids.shape[1]) < lengths[:, None]).astype(np.int64)
        batch = {"input_ids": torch.from_numpy(input_ids), "attention_mask": torch.from_numpy(mask)}
        if "labels" in features[0]:
            batch["labels"] = torch.tensor([feature["labels"] for feature in features])
        return batch

    def decode(self, outputs: Any) -> list[Prediction]:
        """Turn logits [batch, labels], or a model's outputs that hold them, into predictions."""
        logits = outputs["logits"] if isinstance(outputs, Mapping) else outputs
        probabilities = torch.as_tensor(logits).float().softmax(dim=-1).cpu().numpy()
        return [
            Prediction(self.labels[index], index, float(row[index]), row)
            for index, row in zip(probabilities.argmax(axis=-1).tolist(), probabilities, strict=True)
        ]

    def metrics(self, gold: Sequence[int], predictions: Sequence[Prediction]) -> dict[str, float]:
        """Return accuracy, macro F1 and weighted F1, each 0 to 1.

        The F1 averages run, as scikit-learn's do, over the labels that occur in ``gold`` or the predictions.
        """
        from sklearn.metrics import accuracy_score, f1_score

        predicted = [prediction.index for prediction in predictions]
        return {
            "accuracy": float(accuracy_score(gold, predicted)),
            "macro_f1": float(f1_score(gold, predicted, average="macro", zero_division=0)),
            "weighted_f1": float(f1_score(gold, predicted, average="weighted", zero_division=0)),
        }
