"""A model run forward over many inputs, without gradients, in batches of like length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from textgraft.forks import computing
from textgraft.side_by_side import in_order
from textgraft.training.batching import Lengths, token_budget_batches
from textgraft.training.placement import placed
from textgraft.training.precision import autocast


def in_batches(
    lengths: Lengths,
    collate: Callable[[Sequence[int]], Mapping[str, Tensor]],
    forward: Callable[[Sequence[int], dict[str, Tensor]], None],
    *,
    max_tokens: int,
    max_sequences: int,
    precision: str,
    device: torch.device,
    at_once: int = 1,
) -> None:
    """Make batches of inputs, the longest first, and hand each to the model.

    Args:
        lengths: Tokens of each input, or of both of its sides.
        collate: Makes a batch of the inputs at some positions.
        forward: Called with those positions and the batch on the device; runs the model and keeps what is
            wanted of its outputs.
        max_tokens: Most padded tokens in a batch.
        max_sequences: Most inputs in a batch.
        precision: "fp32" or "bf16".
        device: Where the model is.
        at_once: Batches at a time, each in a thread of its own, of a model whose engine computes as many;
            ``collate`` and ``forward`` are then called from these threads.
    """
    batches = token_budget_batches(
        lengths, max_tokens=max_tokens, max_sequences=max_sequences, generator=None
    )
    computing(torch.get_num_threads())

    def run(rows: Sequence[int]) -> None:
        with torch.inference_mode(), autocast(precision, device):  # of a thread, both of them
            forward(rows, placed(collate(rows), device))

    for _ in in_order(run, batches, min(at_once, len(batches))):
        pass
