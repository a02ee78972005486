"""What the tasks share that read whole texts, one window a row, and answer with one row of outputs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textgraft.data.dataset import Dataset
from textgraft.data.inputs import given_texts
from textgraft.data.values import value_of_name
from textgraft.errors import DataError, nearest
from textgraft.models.windows import in_windows
from textgraft.tasks.base import Features, Task, padded_inputs
from textgraft.tasks.scoring import W
from textgraft.tokenization.encode import PairIds, TokenIds, takes_token_types, token_ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

CHUNK = 10_000
"""Rows tokenized at once: enough for all cores, while the tokenizer's own records stay small."""


@dataclass(frozen=True, slots=True)
class LabelProbabilities:
    """How probable each label of a fixed list is for one text."""

    labels: tuple[str, ...]
    """All labels, in the task's order."""
    probabilities: NDArray[np.float32]
    """Probability of every label, [labels], in the task's order."""

    def scores(self) -> dict[str, float]:
        """Return the probability of every label by its name, to six places."""
        return {
            label: round(float(value), 6)
            for label, value in zip(self.labels, self.probabilities, strict=True)
        }

    def numbers(self) -> list[float]:
        """Return the probability of every label."""
        return [float(value) for value in self.probabilities]


@dataclass(frozen=True, slots=True)
class Encoded:
    """The logits of a row, with its encoding; as an array it is the logits."""

    logits: NDArray[np.float32]
    """[outputs]."""
    encoding: NDArray[np.float32]
    """What the output layer read, [size]."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.logits, dtype=dtype, copy=copy)


class TextTask(Task[W]):
    """A task on whole texts; longer ones are cut."""

    auto_class = "AutoModelForSequenceClassification"
    pipeline = "text-classification"

    def rows(self, inputs: Iterable[Any]) -> Dataset:
        """Take strings."""
        return Dataset.unlabelled({"text": given_texts(inputs)})

    def loss_target(self, target: Any) -> Any:
        """Return a gold target in the form that the loss takes; by default it is the target itself."""
        return target

    def loss_targets(self, dataset: Dataset) -> list[Any]:
        """Return the target of each row in the form that the loss takes.

        Raises:
            DataError: As for :meth:`targets`.
        """
        return [self.loss_target(target) for target in self.targets(dataset)]

    @abstractmethod
    def tokenized(self, rows: Dataset, tokenizer: PreTrainedTokenizerFast, max_length: int) -> TokenIds:
        """Tokenize some rows."""

    def chunks(
        self, dataset: Dataset, tokenizer: PreTrainedTokenizerFast, max_length: int
    ) -> Iterator[TokenIds]:
        """Tokenize all rows, so many at once that neither time nor memory is wasted."""
        for start in range(0, len(dataset), CHUNK):
            rows = dataset.select(range(start, min(start + CHUNK, len(dataset))))
            yield self.tokenized(rows, tokenizer, max_length)

    def decode(self, outputs: Any, features: Sequence[W]) -> list[NDArray[np.float32]]:
        """Return each row's logits, [outputs]."""
        del features
        return list(outputs["logits"].float().cpu().numpy())

    def logits(self, decoded: Sequence[Any]) -> NDArray[np.float32]:
        """Put the outputs of the rows together, [rows, outputs]."""
        return np.array(decoded, dtype=np.float32).reshape(-1, len(self.labels))


class OneWindowTexts(TextTask[Features]):
    """A task on one sequence of tokens a row: a text, or a pair of texts."""

    packs_texts = True

    def features(
        self, dataset: Dataset, tokenizer: PreTrainedTokenizerFast, max_length: int
    ) -> list[Features]:
        """Tokenize the texts; longer ones are cut, and a window holds how many tokens are ``lost``."""
        features: list[Features] = []
        for chunk in self.chunks(dataset, tokenizer, max_length):
            inputs: list[Features] = [
                {"input_ids": ids, "lost": length - len(ids)}
                for ids, length in zip(chunk.ids, chunk.lengths, strict=True)
            ]
            if isinstance(chunk, PairIds) and takes_token_types(tokenizer):
                for feature, types in zip(inputs, chunk.type_ids, strict=True):
                    feature["token_type_ids"] = types
            features += inputs
        for row, feature in enumerate(features):
            feature["row"] = row
        if dataset.labels is not None:
            for feature, target in zip(features, self.targets(dataset), strict=True):
                feature |= {"labels": self.loss_target(target), "gold": target}
        return features

    def collate(self, features: Sequence[Features], pad_token_id: int) -> dict[str, torch.Tensor]:
        """Make a right-padded batch: the inputs [batch, time], and labels [batch, …] if known."""
        import torch

        batch = padded_inputs(features, pad_token_id)
        if "labels" in features[0]:
            batch["labels"] = torch.tensor([feature["labels"] for feature in features])
        return batch


class JoinedTexts(OneWindowTexts):
    """A task on one text a row: its text columns, joined."""

    takes_windows = True

    def tokenized(self, rows: Dataset, tokenizer: PreTrainedTokenizerFast, max_length: int) -> TokenIds:
        """Tokenize the texts of some rows."""
        return token_ids(tokenizer.backend_tokenizer, rows.texts, max_length)

    def outputs(self, model: PreTrainedModel, batch: Mapping[str, torch.Tensor]) -> Any:
        """Run a model on a batch; on long texts window by window, where its configuration says so."""
        return in_windows(model, batch)


def known_labels(dataset: Dataset) -> Sequence[Any]:
    """Return the labels of a data set.

    Raises:
        DataError: It has none.
    """
    if dataset.labels is None:
        raise DataError(
            "these rows have no labels", where=dataset.source, fix="Name the label column with --label."
        )
    return dataset.labels


def label_places(labels: Iterable[str], index: Mapping[str, int]) -> dict[str, int]:
    """Return the places of labels among those of the training rows; what has none is left out.

    A label that is none of them stands for the only one of its value: what pandas writes to CSV as True is
    true in Parquet and JSON, and 1.0 there is 1 in a column of whole numbers.

    Args:
        labels: Of some rows.
        index: The place of each label of the training rows.
    """
    others = {label for label in labels if label not in index}
    if not others:
        return dict(index)
    by_value: dict[object, list[int]] = {}
    for label, place in index.items():
        by_value.setdefault(value_of_name(label), []).append(place)
    same = {label: by_value.get(value, []) for label in others if (value := value_of_name(label)) is not None}
    return {**index, **{label: places[0] for label, places in same.items() if len(places) == 1}}


def unknown_label(label: str, known: Sequence[str], dataset: Dataset, row: int) -> DataError:
    """Build the error for a label that no training row has."""
    guess = nearest(label, known)
    return DataError(
        f"label {label!r} does not occur in the training rows",
        where=dataset.place(dataset.lines[row]),
        fix=(f"Did you mean {guess!r}? " if guess else "")
        + "Correct the label, remove the row, or add training rows with it.",
    )
