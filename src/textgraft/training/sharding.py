"""Weights, gradients and moments in shards, a part on each process: for models too large for one device.

Fully sharded data parallelism (Rajbhandari et al. 2020, "ZeRO", stage 3; Zhao et al. 2023), by torch's
``fully_shard``. Each layer is a group of its own, put together on every process while it computes and taken
apart again. What is trained is a copy of the model in shards; the model itself stays whole in memory of the
processor, where it is scored from and written: how weights lie while they are trained shows nowhere else.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TypeVar

import torch
from accelerate import PartialState
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

Model = TypeVar("Model", bound=nn.Module)


def sharded(model: Model, processes: PartialState) -> Model:
    """Return a copy of a model whose parameters lie in shards on the devices of all processes.

    Args:
        model: On the processor; it is left as it is.
        processes: This process among the others, at least two.
    """
    copied = copy.deepcopy(model)
    mesh = init_device_mesh(processes.device.type, (processes.num_processes,))
    for layer in _layers(copied):
        # One layer after the other: no device ever has all of the model at once.
        fully_shard(layer.to(processes.device), mesh=mesh)
    fully_shard(copied.to(processes.device), mesh=mesh)
    return copied


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the outermost layers of stacks, but for recurrent ones: models run their cells by themselves."""
    for child in module.children():
        if not isinstance(child, nn.ModuleList):
            yield from _layers(child)
        elif len(child) > 1 and not any(isinstance(part, nn.RNNBase) for part in child.modules()):
            yield from child


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor put together from its shards; all processes must ask for it at once."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(tensor: Tensor, pattern: Tensor) -> Tensor:
    """Return a whole tensor on the device of another one and, where that is in shards, in the same."""
    tensor = tensor.to(pattern.device)
    if isinstance(pattern, DTensor):
        # Every process has all of it, so none needs to send anything.
        return distribute_tensor(tensor, pattern.device_mesh, pattern.placements, src_data_rank=None)
    return tensor


def held(tensor: Tensor) -> Tensor:
    """Return what this process holds of a tensor."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


@torch.no_grad()
def put(tensor: Tensor, into: Tensor) -> None:
    """Copy the values of a whole tensor into one that may be in shards."""
    held(into).copy_(held(like(tensor, into)))
