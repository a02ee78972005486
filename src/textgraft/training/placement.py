"""Tensors in memory of torch's own, wherever they come from.

A matrix product may sum in another order where its operands do not begin at a multiple of 64 bytes, as
torch's own tensors do: numpy's arrays lie where the C library has room, weights read from a file where the
file has them. A run that is resumed in another process would then not repeat the unbroken one to the last
bit. And what is copied from a mapped file cannot change with the file any more.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def placed(batch: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Return a batch on a device. Whole numbers stay where they are if that is the CPU."""
    return {
        name: tensor.clone()
        if tensor.is_floating_point() and device.type == "cpu"
        else tensor.to(device, non_blocking=True)
        for name, tensor in batch.items()
    }


@torch.no_grad()
def place(model: nn.Module) -> None:
    """Move a model's weights and buffers into memory of torch's own; tied ones stay tied."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.device.type == "cpu":
            tensor.data = tensor.data.clone()
