"""The device of this process, and the other processes of a run under ``torchrun``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta

import torch
from accelerate import PartialState
from torch import nn
from torch.distributed.fsdp import FSDPModule

_PATIENCE = timedelta(days=7)
"""How long processes wait for one another, as for the first one while it scores a trained model."""


def join_processes() -> PartialState:
    """Return this process's device and its place among the others; alone, rank 0 of 1.

    Not an Accelerator: that settles the precision once for all runs of a process, those of Trainer included.
    """
    return PartialState(cpu=not torch.accelerator.is_available(), timeout=_PATIENCE)


def replicate(model: nn.Module, processes: PartialState) -> nn.Module:
    """Return what computes the loss: the model, or what averages its gradients over the processes."""
    if processes.num_processes == 1:
        return model
    devices = [processes.device] if processes.device.type == "cuda" else None
    return nn.parallel.DistributedDataParallel(
        model, devices, find_unused_parameters=True, gradient_as_bucket_view=True
    )


@contextlib.contextmanager
def unsynchronised(replica: nn.Module) -> Iterator[None]:
    """Be the context of a backward pass whose gradients are not averaged yet: more are to come."""
    if isinstance(replica, nn.parallel.DistributedDataParallel):
        with replica.no_sync():
            yield
    elif isinstance(replica, FSDPModule):
        replica.set_requires_gradient_sync(False)
        try:
            yield
        finally:
            replica.set_requires_gradient_sync(True)
    else:
        yield
