"""The gradient of one step: of all its batches as if they were one.

Several processes share a step whose batches are the same however many they are. They have whole batches where
these come out even, and else a part of each, every so many-th row: a step of one batch is shared as well.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import NamedTuple, cast

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

    Every batch, or part of one, weighs what its loss is a mean over: its rows, words or tokens. So neither
    accumulation nor the number of processes changes the gradient.

    Args:
        replica: The model, or what averages its gradients over the processes.
        objective: Makes batches of example numbers, and their losses.
        group: The batches of the step, of all processes.
        entropy: What the randomness of this step is drawn from, as (seed, step): masking and dropout of a
            batch depend on it and on the batch's place in the step, whichever process computes it. Only the
            dropout of a part of a batch is another than that of the whole.
        processes: This process among the others.
        precision: "fp32" or "bf16".

    Returns:
        That mean loss.
    """
    device = processes.device
    shares = shares_of(group, processes.num_processes, processes.process_index, objective.divisible)
    batches = [_batch(objective, group[share.place], share, entropy, device) for share in shares]
    counts = torch.tensor(
        [
            [number if share.counts else 0.0 for number in objective.counts(batch)]
            for share, batch in zip(shares, batches, strict=True)
        ],
        dtype=torch.float64,
        device=device,
    )
    # Gradients are averaged over the processes, so the counts are, too.
    weights = (counts / reduce(counts.sum(dim=0), "mean").clamp(min=_LEAST)).float()
    total = torch.zeros((), device=device)
    for share, batch, weight in zip(shares, batches, weights, strict=True):
        # The 2 keeps it apart from what a batch is drawn from.
        own = [*entropy, share.place] if share.parts == 1 else [*entropy, share.place, 2, share.part]
        _seed(int(np.random.SeedSequence(own).generate_state(1)[0]), device)
        with contextlib.nullcontext() if share is shares[-1] else unsynchronised(replica):
            with autocast(precision, device):
                terms = objective.losses(cast("PreTrainedModel", replica), batch)
                loss = (torch.stack(terms) * weight).sum()
            loss.backward()
        total += loss.detach()
    return float(reduce(total, "mean"))


class Share(NamedTuple):
    """What a process computes at once: a batch of a step, or a part of its rows."""

    place: int
    """Of the batch in the step."""
    part: int = 0
    parts: int = 1
    counts: bool = True
    """False where there was nothing left for the process: it then computes what another one has, so that all
    of them average their gradients as often."""


def shares_of(
    group: Sequence[Sequence[int]], processes: int, rank: int, divisible: bool = True
) -> list[Share]:
    """Return what one of several processes computes of a step; each has as many shares.

    Args:
        group: The batches of the step.
        processes: How many share it.
        rank: Which of them, from 0 on.
        divisible: Whether a batch may be shared by its rows.
    """
    parts = processes // math.gcd(len(group), processes) if divisible else 1
    units = [Share(place, part, parts) for place in range(len(group)) for part in range(parts)]
    units += [Share(0, counts=False)] * (-len(units) % processes)
    return [
        # A batch of fewer rows than parts has none for some.
        share if share.part < len(group[share.place]) else Share(share.place, 0, parts, counts=False)
        for share in units[rank::processes]
    ]


def _batch(
    objective: Objective, rows: Sequence[int], share: Share, entropy: Sequence[int], device: torch.device
) -> dict[str, Tensor]:
    # The 1 keeps it apart from the order of an epoch: numpy takes [seed, epoch] and [seed, epoch, 0] as the
    # same.
    generator = np.random.default_rng([*entropy, share.place, 1])
    if share.parts == 1:
        return placed(objective.batch(rows, generator), device)
    return placed(objective.part(rows, generator, share.part, share.parts), device)


def _seed(seed: int, device: torch.device) -> None:
    """Seed the generator of the processor, and of another device where one computes.

    torch.manual_seed also notes for every device that is not there who asked: milliseconds a step.
    """
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)
