"""The gradient of one step: of all its batches as if they were one."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import reduce
from torch import Tensor, nn
from transformers import PreTrainedModel

from textgraft.training.objective import Objective
from textgraft.training.placement import placed
from textgraft.training.precision import autocast
from textgraft.training.processes import unsynchronised

_LEAST = 1e-9
"""Stands for a count of nothing, as of the masked tokens of a step that has none."""


def accumulate(
    replica: nn.Module,
    objective: Objective,
    group: Sequence[Sequence[int]],
    *,
    entropy: Sequence[int],
    processes: PartialState,
    precision: str,
) -> float:
    """Add the gradient of the mean loss over all examples of a step to the parameters' ``grad``.

    Every batch weighs what its loss is a mean over: its rows, words or tokens. So neither accumulation nor
    the number of processes changes the gradient.

    Args:
        replica: The model, or what averages its gradients over the processes.
        objective: Makes batches of example numbers, and their losses.
        group: The batches of the step, of all processes.
        entropy: What the randomness of this step is drawn from, as (seed, step): masking and dropout of a
            batch depend on it and on the batch's place in the step, whichever process computes it.
        processes: This process among the others.
        precision: "fp32" or "bf16".

    Returns:
        That mean loss.
    """
    device, count, rank = processes.device, processes.num_processes, processes.process_index
    turns = math.ceil(len(group) / count)
    places = range(rank, turns * count, count)
    # A process without a batch of its own computes the first one and counts it nothing.
    batches = [
        _batch(objective, group[place if place < len(group) else 0], [*entropy, place], device)
        for place in places
    ]
    counts = torch.tensor(
        [
            [number if place < len(group) else 0.0 for number in objective.counts(batch)]
            for place, batch in zip(places, batches, strict=True)
        ],
        dtype=torch.float64,
        device=device,
    )
    # Gradients are averaged over the processes, so the counts are, too.
    weights = (counts / reduce(counts.sum(dim=0), "mean").clamp(min=_LEAST)).float()
    total = torch.zeros((), device=device)
    for place, batch, weight in zip(places, batches, weights, strict=True):
        _seed(int(np.random.SeedSequence([*entropy, place]).generate_state(1)[0]), device)
        with contextlib.nullcontext() if place == places[-1] else unsynchronised(replica):
            with autocast(precision, device):
                terms = objective.losses(cast("PreTrainedModel", replica), batch)
                loss = (torch.stack(terms) * weight).sum()
            loss.backward()
        total += loss.detach()
    return float(reduce(total, "mean"))


def _batch(
    objective: Objective, rows: Sequence[int], entropy: Sequence[int], device: torch.device
) -> dict[str, Tensor]:
    # The 1 keeps it apart from the order of an epoch: numpy takes [seed, epoch] and [seed, epoch, 0] as the
    # same.
    return placed(objective.batch(rows, np.random.default_rng([*entropy, 1])), device)


def _seed(seed: int, device: torch.device) -> None:
    """Seed the generator of the processor, and of another device where one computes.

    torch.manual_seed also notes for every device that is not there who asked: milliseconds a step.
    """
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)
