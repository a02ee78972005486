"""Models that give something for every token, run over texts: no task, no target, only tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from textgraft.inference.pipelines.sources import Source
from textgraft.tasks.base import padded_inputs
from textgraft.tasks.scoring import W
from textgraft.training.forward import in_batches

MAX_SEQUENCES = 256


def run_tokens(
    source: Source,
    inputs: Sequence[W],
    keep: Callable[[Any, int, W], Any],
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
    opened = source.runner.open()
    kept: list[Any] = [None] * len(inputs)

    def forward(places: Sequence[int], batch: dict[str, Tensor]) -> None:
        outputs = opened.module(**batch)
        for row, place in enumerate(places):
            kept[place] = keep(outputs, row, inputs[place])

    in_batches(
        [len(given["input_ids"]) for given in inputs],
        lambda places: padded_inputs([inputs[place] for place in places], source.tokenizer.pad_token_id),
        forward,
        max_tokens=max_tokens,
        max_sequences=MAX_SEQUENCES,
        precision=opened.autocast,
        device=source.model.device,
        at_once=opened.at_once,
    )
    return kept
