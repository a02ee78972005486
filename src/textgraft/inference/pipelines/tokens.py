"""Models that give something for every token, run over texts: no task, no target, only tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from textgraft.inference.pipelines.sources import Source
from textgraft.tasks.base import Features, padded_inputs
from textgraft.training.batching import token_budget_batches
from textgraft.training.precision import autocast, resolve_precision

MAX_SEQUENCES = 256


def run_tokens(
    source: Source,
    inputs: Sequence[Features],
    keep: Callable[[Any, int, Features], Any],
    *,
    max_tokens: int,
) -> list[Any]:
    """Run a model over tokens in batches of like length.

    Args:
        source: The model.
        inputs: ``input_ids`` of each text, special tokens included, and whatever ``keep`` needs.
        keep: What is kept of the outputs, called with them, the place in the batch and the input.
        max_tokens: Most padded tokens in a batch.

    Returns:
        What was kept of each input, in order.
    """
    model = source.model
    batches = token_budget_batches(
        [len(given["input_ids"]) for given in inputs],
        max_tokens=max_tokens,
        max_sequences=MAX_SEQUENCES,
        generator=None,
    )
    kept: list[Any] = [None] * len(inputs)
    with torch.inference_mode(), autocast(resolve_precision("auto", model.device), model.device):
        for places in batches:
            members = [inputs[place] for place in places]
            batch = padded_inputs(members, source.tokenizer.pad_token_id)
            outputs = model(**{name: tensor.to(model.device) for name, tensor in batch.items()})
            for row, place in enumerate(places):
                kept[place] = keep(outputs, row, inputs[place])
    return kept
