"""How well true targets are predicted, each word from the true ones before it: one forward pass, no writing.

Writing a target costs as many steps as it has words. For early stopping it is enough to know how likely the
model finds the true one; perplexity is the exponential of its mean loss a token (Jelinek et al. 1977).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from textgraft.evaluation.intervals import Scale
from textgraft.models.recurrent.teacher_forcing import NOT_PREDICTED, teacher_forced
from textgraft.tasks.base import padded
from textgraft.tasks.scoring import Features, Scoring, W

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class ForcedTarget:
    """How the target of one row was predicted."""

    answer: tuple[float, float, float]
    """Its negative log probability in nats, how many of its tokens were likeliest, and how many it has."""


class TeacherForcing(Scoring[W]):
    """Scores the true targets of a task's rows.

    Args:
        task: A task whose answers are written: it makes the batches.
    """

    main_metric = "token_accuracy"
    scales: ClassVar[Mapping[str, Scale]] = {"perplexity": Scale.POSITIVE}

    def __init__(self, task: Scoring[W]) -> None:
        self.task = task

    def length(self, feature: W) -> int:
        """Return the tokens of both sides."""
        return self.task.length(feature)

    def sides(self, feature: W) -> tuple[int, ...]:
        """Return the tokens of source and target."""
        return self.task.sides(feature)

    def learned(self, feature: W) -> list[Any]:
        """Return source and target."""
        return self.task.learned(feature)

    def collate(self, features: Sequence[W], pad_token_id: int) -> dict[str, torch.Tensor]:
        """Make a batch of sources and targets."""
        return self.task.collate(features, pad_token_id)

    def loss_count(self, batch: Mapping[str, torch.Tensor]) -> float:
        """Return the number of tokens that are to be predicted."""
        return self.task.loss_count(batch)

    def outputs(self, model: PreTrainedModel, batch: Mapping[str, torch.Tensor]) -> Any:
        """Predict every token of the targets at once, and the loss."""
        return teacher_forced(model, batch)

    def decode(self, outputs: Any, features: Sequence[W]) -> list[tuple[float, float, float]]:
        """Keep of each row the sum of its losses, its right tokens and all its tokens."""
        logits = outputs.logits.float()
        labels = padded_targets(features)["labels"].to(logits.device)
        losses = functional.cross_entropy(
            logits.transpose(1, 2), labels, ignore_index=NOT_PREDICTED, reduction="none"
        ).sum(dim=1)
        asked = labels != NOT_PREDICTED
        right = ((logits.argmax(dim=-1) == labels) & asked).sum(dim=1)
        return list(zip(losses.tolist(), right.tolist(), asked.sum(dim=1).tolist(), strict=True))

    def predictions(
        self, features: Sequence[W], decoded: Sequence[Any], temperature: float = 1.0
    ) -> list[ForcedTarget]:
        """Return how each row's target was predicted."""
        del features, temperature
        return [ForcedTarget(answer) for answer in decoded]

    def weighted_metrics(
        self, gold: Sequence[Any], answers: Sequence[Any], weights: NDArray[np.float32]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Return the share of tokens predicted rightly and the perplexity, of which less is better."""
        del gold
        loss, right, tokens = np.array(answers, dtype=np.float64).reshape(-1, 3).T @ weights.astype(
            np.float64
        )
        tokens = np.maximum(tokens, 1)
        return {"token_accuracy": right / tokens, "perplexity": np.exp(np.minimum(loss / tokens, _MOST))}


def padded_targets(features: Sequence[Features]) -> dict[str, torch.Tensor]:
    """Make labels [batch, time] of targets, where there are any."""
    if "labels" not in features[0]:
        return {}
    return {"labels": padded([feature["labels"] for feature in features], NOT_PREDICTED)}


_MOST = 100.0
"""Nats a token beyond which a perplexity says no more than that the model knows nothing."""
