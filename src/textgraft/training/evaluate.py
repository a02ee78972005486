"""Loss and metrics on held-out rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from textgraft.tasks.base import Features, Task
from textgraft.training.batching import token_budget_batches
from textgraft.training.losses import batch_loss
from textgraft.training.precision import autocast


def evaluate(
    model: PreTrainedModel,
    task: Task,
    features: Sequence[Features],
    *,
    pad_token_id: int,
    max_tokens: int,
    precision: str,
    class_weights: Tensor | None = None,
) -> tuple[dict[str, float], float]:
    """Return the task's metrics and the mean loss a row. The model is left in evaluation mode.

    Args:
        model: Any model of the task, on the device it is to run on.
        task: How rows become batches, and outputs scores.
        features: Rows with targets.
        pad_token_id: Id that fills the batches up.
        max_tokens: Most padded tokens in a batch.
        precision: "fp32" or "bf16".
        class_weights: As in training, so that both losses compare.
    """
    model.eval()
    lengths = [len(feature["input_ids"]) for feature in features]
    batches = token_budget_batches(
        lengths, max_tokens=max_tokens, max_sequences=len(features), generator=None
    )
    predictions: list[Any] = [None] * len(features)
    total = 0.0
    with torch.inference_mode(), autocast(precision, model.device):
        for rows in batches:
            batch = task.collate([features[row] for row in rows], pad_token_id)
            batch = {name: tensor.to(model.device) for name, tensor in batch.items()}
            outputs = model(**batch)
            total += batch_loss(outputs, batch, class_weights).item() * len(rows)
            for row, prediction in zip(rows, task.decode(outputs), strict=True):
                predictions[row] = prediction
    gold = [feature["labels"] for feature in features]
    return task.metrics(gold, predictions), total / len(features)
