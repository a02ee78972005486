"""Loss and metrics on held-out rows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

from textgraft.tasks.base import gold_of
from textgraft.tasks.scoring import Features, Scoring
from textgraft.training.forward import in_batches
from textgraft.training.losses import batch_loss


def run_model(
    model: PreTrainedModel,
    scoring: Scoring,
    features: Sequence[Features],
    *,
    pad_token_id: int,
    max_tokens: int,
    max_sequences: int,
    precision: str,
    on_batch: Callable[[Sequence[int], Any, Mapping[str, Tensor]], None] | None = None,
    at_once: int = 1,
) -> list[Any]:
    """Run a model over windows, the longest first, and return what is kept of each, in order.

    Args:
        model: Any model of the task, in evaluation mode, on the device it is to run on.
        scoring: How windows become batches, and outputs predictions; a task.
        features: The windows.
        pad_token_id: Id that fills the batches up.
        max_tokens: Most padded tokens in a batch.
        max_sequences: Most windows in a batch.
        precision: "fp32" or "bf16".
        on_batch: Called with the positions of a batch's windows, the outputs and the batch; for one batch at
            a time.
        at_once: Batches at a time, as :func:`~textgraft.training.forward.in_batches` takes them.
    """
    decoded: list[Any] = [None] * len(features)
    telling = threading.Lock()

    def forward(rows: Sequence[int], batch: Mapping[str, Tensor]) -> None:
        members = [features[row] for row in rows]
        outputs = scoring.outputs(model, batch)
        if on_batch:
            with telling:
                on_batch(rows, outputs, batch)
        for row, value in zip(rows, scoring.decode(outputs, members), strict=True):
            decoded[row] = value

    in_batches(
        [scoring.sides(feature) for feature in features],
        lambda rows: scoring.collate([features[row] for row in rows], pad_token_id),
        forward,
        max_tokens=max_tokens,
        max_sequences=max_sequences,
        precision=precision,
        device=model.device,
        at_once=at_once,
    )
    return decoded


def evaluate(
    model: PreTrainedModel,
    scoring: Scoring,
    features: Sequence[Features],
    *,
    pad_token_id: int,
    max_tokens: int,
    precision: str,
    class_weights: Tensor | None = None,
) -> tuple[dict[str, float], float]:
    """Return metrics and the mean loss a window, word or token predicted; leaves the model evaluating.

    Args:
        model: Any model of the task, on the device it is to run on.
        scoring: How rows become batches, and outputs scores; a task, or what stands for it in training.
        features: The windows of rows with targets.
        pad_token_id: Id that fills the batches up.
        max_tokens: Most padded tokens in a batch.
        precision: "fp32" or "bf16".
        class_weights: As in training, so that both losses compare.
    """
    model.eval()
    total = counted = 0.0

    def add(rows: Sequence[int], outputs: Any, batch: Mapping[str, Tensor]) -> None:
        nonlocal total, counted
        del rows
        count = scoring.loss_count(batch)
        total += batch_loss(outputs, batch, class_weights).item() * count
        counted += count

    decoded = run_model(
        model,
        scoring,
        features,
        pad_token_id=pad_token_id,
        max_tokens=max_tokens,
        max_sequences=len(features),
        precision=precision,
        on_batch=add,
    )
    answers = [prediction.answer for prediction in scoring.predictions(features, decoded)]
    return scoring.metrics(gold_of(features), answers), total / counted
