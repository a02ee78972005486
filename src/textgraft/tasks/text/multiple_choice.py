"""Several choices to continue or answer a prompt, of which one is right (as SWAG, Zellers et al. 2018).

A model scores the prompt with each choice; the scores of a row compete in one softmax.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, Unpack

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Source
from textgraft.data.inputs import given_inputs
from textgraft.data.read_options import ReadOptions, column_names
from textgraft.data.readers.choices import choices_of, read_choices, split_names
from textgraft.errors import DataError, OptionError
from textgraft.evaluation.calibration import fit_temperature, log_loss
from textgraft.evaluation.metrics import weighted_accuracy
from textgraft.tasks.base import Features, padded_inputs
from textgraft.tasks.sketch import Evidence, Guess, Sketch
from textgraft.tasks.text.texts import TextTask, known_labels
from textgraft.tokenization.encode import PairIds, pair_token_ids, takes_token_types

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedTokenizerFast


class ChoiceFeatures(Features, total=False):
    """A prompt with each of its choices."""

    choices: tuple[str, ...]
    """The texts to choose from."""


@dataclass(frozen=True, slots=True)
class ChoicePrediction:
    """The choice for one prompt."""

    choices: tuple[str, ...]
    """The texts to choose from."""
    answer: int
    """Position of the choice taken."""
    probabilities: np.ndarray
    """Probability of every choice, float32 [choices]; sums to one."""

    @property
    def score(self) -> float:
        """Probability of the choice taken, 0 to 1."""
        return float(self.probabilities[self.answer])

    def to_dict(self) -> dict[str, Any]:
        """Return number and text of the choice, its score and the scores of all choices."""
        return {
            "choice": self.answer,
            "text": self.choices[self.answer],
            "score": round(self.score, 6),
            "scores": [round(float(value), 6) for value in self.probabilities],
        }

    def numbers(self) -> list[float]:
        """Return the probability of every choice."""
        return [float(value) for value in self.probabilities]


class MultipleChoice(TextTask[ChoiceFeatures]):
    """Take one of several choices, the same number in every row.

    Args:
        choices: Their number.
    """

    name = "multiple-choice"
    main_metric = "accuracy"
    metric_names = ("accuracy",)
    answer_fields = ("choice", "text")
    auto_class = "AutoModelForMultipleChoice"
    pipeline = "multiple-choice"

    def __init__(self, choices: int) -> None:
        self.choices = choices
        self.labels = tuple(f"choice {number}" for number in range(choices))

    @classmethod
    def read(cls, source: Source, **columns: Unpack[ReadOptions]) -> Dataset:
        """Read a table or JSON Lines: see :func:`textgraft.data.readers.choices.read_choices`."""
        return read_choices(source, **column_names(columns))

    @classmethod
    def recognise(cls, sketch: Sketch) -> Guess | None:
        """Take tables with columns, or a list, of choices, of which the label names one."""
        found = choices_of(sketch.sample, sketch.wanted)
        if found is None:
            return None
        if len(found) == 1:
            return Guess(cls.name, f"{found[0]!r} holds lists of choices", Evidence.FITS)
        return Guess(cls.name, f"{found[0]!r} to {found[-1]!r} are choices", Evidence.FITS)

    @classmethod
    def fitted_to(cls, train: Dataset) -> Self:
        """Count the choices of the training rows."""
        return cls(len(split_names(list(train.columns))[1]))

    def settings(self) -> dict[str, Any]:
        """Return the number of choices."""
        return {"choices": self.choices}

    def rows(self, inputs: Iterable[Any]) -> Dataset:
        """Take dicts, {"prompt": …, "choices": […]}, or pairs of a prompt and its list of choices."""
        rows = [self._row(position, entry) for position, entry in enumerate(given_inputs(inputs))]
        columns = {"prompt": [prompt for prompt, _ in rows]}
        for place in range(self.choices):
            columns[f"choices[{place}]"] = [choices[place] for _, choices in rows]
        return Dataset.unlabelled(columns)

    def _row(self, position: int, entry: Any) -> tuple[str, Sequence[str]]:
        parts = (entry.get("prompt"), entry.get("choices")) if isinstance(entry, Mapping) else entry
        if isinstance(parts, list | tuple) and len(parts) == 2:
            prompt, choices = parts
            is_list = isinstance(choices, list | tuple) and all(isinstance(text, str) for text in choices)
            if isinstance(prompt, str) and is_list and len(choices) == self.choices:
                return prompt, choices
        raise OptionError(
            f"input {position} is no prompt with {self.choices} choices: {str(entry)[:60]!r}",
            fix='Give a list of dicts: predict([{"prompt": "…", "choices": ["…", "…"]}]).',
        )

    def configure(self, config: PreTrainedConfig) -> None:
        """Set what the head needs to know, and have prompt and choice read apart by models that can."""
        super().configure(config)
        if hasattr(config, "pairs"):
            config.pairs = True

    def targets(self, dataset: Dataset) -> list[int]:
        """Return the number of each row's right choice."""
        self.parts(dataset)
        return list(known_labels(dataset))

    def parts(self, dataset: Dataset) -> tuple[list[str], list[tuple[str, ...]]]:
        """Return the prompt and the choices of each row.

        Raises:
            DataError: The rows have another number of choices.
        """
        prompt, choices = split_names(list(dataset.columns))
        if len(choices) != self.choices:
            raise DataError(
                f"these rows have {len(choices)} choices, not {self.choices}: {', '.join(choices)}",
                where=dataset.source,
                fix="Name the columns of prompt and choices, or train on rows with as many choices.",
            )
        prompts = [" ".join(parts) for parts in zip(*(dataset.columns[name] for name in prompt), strict=True)]
        return prompts, list(zip(*(dataset.columns[name] for name in choices), strict=True))

    def tokenized(self, rows: Dataset, tokenizer: PreTrainedTokenizerFast, max_length: int) -> PairIds:
        """Tokenize the prompt with each choice, choice by choice and row by row."""
        prompts, choices = self.parts(rows)
        return pair_token_ids(
            tokenizer.backend_tokenizer,
            [prompt for prompt in prompts for _ in range(self.choices)],
            [choice for row in choices for choice in row],
            max_length,
        )

    def features(
        self, dataset: Dataset, tokenizer: PreTrainedTokenizerFast, max_length: int
    ) -> list[ChoiceFeatures]:
        """Make one window a row: ``input_ids`` is a list with the ids of the prompt with each choice."""
        has_types = takes_token_types(tokenizer)
        features: list[ChoiceFeatures] = []
        for chunk in self.chunks(dataset, tokenizer, max_length):
            assert isinstance(chunk, PairIds)
            for start in range(0, len(chunk.ids), self.choices):
                block = slice(start, start + self.choices)
                lost = sum(chunk.lengths[block]) - sum(map(len, chunk.ids[block]))
                feature: ChoiceFeatures = {"input_ids": chunk.ids[block], "row": len(features), "lost": lost}
                if has_types:
                    feature["token_type_ids"] = chunk.type_ids[block]
                features.append(feature)
        for feature, choices in zip(features, self.parts(dataset)[1], strict=True):
            feature["choices"] = choices
        if dataset.labels is not None:
            for feature, target in zip(features, self.targets(dataset), strict=True):
                feature |= {"labels": target, "gold": target}
        return features

    def length(self, feature: ChoiceFeatures) -> int:
        """Return the tokens of a row's choices when they are padded to the longest."""
        return self.choices * max(map(len, feature["input_ids"]))

    def collate(self, features: Sequence[ChoiceFeatures], pad_token_id: int) -> dict[str, torch.Tensor]:
        """Make a right-padded batch: the inputs [batch, choices, time], and labels [batch] if known."""
        import torch

        flat: list[Features] = []
        for feature in features:
            flat += [{"input_ids": ids} for ids in feature["input_ids"]]
            for choice, types in zip(flat[-self.choices :], feature.get("token_type_ids", ()), strict=False):
                choice["token_type_ids"] = types
        batch = {
            name: tensor.view(len(features), self.choices, -1)
            for name, tensor in padded_inputs(flat, pad_token_id).items()
        }
        if "labels" in features[0]:
            batch["labels"] = torch.tensor([feature["labels"] for feature in features])
        return batch

    def predictions(
        self, features: Sequence[ChoiceFeatures], decoded: Sequence[Any], temperature: float = 1.0
    ) -> list[ChoicePrediction]:
        """Take the most probable choice."""
        probabilities = softmax(self.logits(decoded) / temperature, axis=1)
        return [
            ChoicePrediction(feature["choices"], int(row.argmax()), row)
            for feature, row in zip(features, probabilities, strict=True)
        ]

    def weighted_metrics(
        self, gold: Sequence[int], answers: Sequence[int], weights: NDArray[np.float32]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Return the accuracy."""
        return weighted_accuracy(gold, answers, weights)

    def loss(self, gold: Sequence[int], features: Sequence[ChoiceFeatures], decoded: Sequence[Any]) -> float:
        """Return the mean negative log probability of the right choices."""
        del features
        return log_loss(self.logits(decoded), gold)

    def temperature(
        self, gold: Sequence[int], features: Sequence[ChoiceFeatures], decoded: Sequence[Any]
    ) -> float:
        """Fit temperature scaling, shrunk towards 1 by the rows there are."""
        del features
        return fit_temperature(self.logits(decoded), gold)
