"""A task as a training objective: its training and dev rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Self

import msgspec
import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from textgraft.errors import DataError
from textgraft.files import content_hash
from textgraft.tasks.base import Features, Task
from textgraft.training.batching import bucketed_steps
from textgraft.training.evaluate import evaluate
from textgraft.training.losses import balanced_class_weights, batch_loss
from textgraft.training.objective import Objective, Steps
from textgraft.training.settings import TrainingSettings

_AT_A_TIME = 256
"""Rows in a batch whose ids are looked at, and which no model sees."""


class TaskRows(Objective):
    """Rows of a task, in batches of similar length.

    Args:
        task: How rows become batches, and outputs scores.
        train: Rows to learn from.
        dev: Rows that decide which weights are best and when to stop.
        pad_token_id: Id that fills batches up.

    Raises:
        DataError: There are no training or no dev rows.
    """

    def __init__(
        self, task: Task, train: Sequence[Features], dev: Sequence[Features], *, pad_token_id: int
    ) -> None:
        for name, rows in (("training", train), ("dev", dev)):
            if not rows:
                raise DataError(f"there are no {name} rows", fix="Every split needs at least one row.")
        self.task, self.train, self.dev = task, train, dev
        self.pad_token_id = pad_token_id
        self.scoring = task.while_training()
        self.main_metric = self.scoring.main_metric
        self.sides = [self.scoring.sides(feature) for feature in train]
        self.class_weights: Tensor | None = None

    def of_task(self, task: Task) -> Self:
        """Return the same rows, made into batches by another task."""
        return type(self)(task, self.train, self.dev, pad_token_id=self.pad_token_id)

    def begin(self, settings: TrainingSettings) -> None:
        """Count the labels, if rare ones are to weigh more."""
        balanced = settings.class_weights == "balanced"
        self.class_weights = balanced_class_weights(self.train) if balanced else None

    def steps(self, epoch: int, settings: TrainingSettings) -> Steps:
        """Return the epoch's batches by token budget, in groups of one optimizer step."""
        return bucketed_steps(self.sides, epoch, settings)

    def ids_in_use(self) -> Tensor:
        """Return the ids of the training and the dev rows, as their batches have them."""
        rows = [*self.train, *self.dev]
        return torch.cat(
            [
                self.scoring.collate(rows[start : start + _AT_A_TIME], self.pad_token_id)[
                    "input_ids"
                ].unique()
                for start in range(0, len(rows), _AT_A_TIME)
            ]
        ).unique()

    def tokens(self, rows: Sequence[int]) -> int:
        """Return the tokens of some training rows, padding not counted."""
        return sum(sum(self.sides[row]) for row in rows)

    def held_out_tokens(self) -> int:
        """Return the tokens of the dev rows."""
        return sum(self.scoring.length(feature) for feature in self.dev)

    def batch(self, rows: Sequence[int], generator: np.random.Generator) -> dict[str, Tensor]:
        """Collate some training rows; nothing in it is random."""
        del generator
        return self.scoring.collate([self.train[row] for row in rows], self.pad_token_id)

    def part(
        self, rows: Sequence[int], generator: np.random.Generator, part: int, parts: int
    ) -> dict[str, Tensor]:
        """Collate the rows of one process alone."""
        return self.batch(rows[part::parts], generator)

    def losses(self, model: PreTrainedModel, batch: Mapping[str, Tensor]) -> tuple[Tensor]:
        """Return the mean loss over the rows, words or predicted tokens of a batch."""
        return (batch_loss(self.scoring.outputs(model, batch), batch, self.class_weights),)

    def counts(self, batch: Mapping[str, Tensor]) -> tuple[float]:
        """Return the number of rows, words or predicted tokens."""
        return (self.scoring.loss_count(batch),)

    def evaluate(
        self, model: PreTrainedModel, settings: TrainingSettings, precision: str
    ) -> tuple[dict[str, float], float]:
        """Return the metrics that tell how training goes, and the mean loss on the dev rows."""
        return evaluate(
            model,
            self.scoring,
            self.dev,
            pad_token_id=self.pad_token_id,
            max_tokens=settings.max_tokens,
            precision=precision,
            class_weights=self.class_weights,
        )

    def identity(self) -> str:
        """Return a hash of the task and of all rows."""
        digest = hashlib.sha256()
        for feature in (*self.train, *self.dev):
            digest.update(msgspec.json.encode(self.scoring.learned(feature)))
        return content_hash([self.task.name, digest.hexdigest()])
