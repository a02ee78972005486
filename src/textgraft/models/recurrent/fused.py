"""Running torch's fused recurrent layers in a precision that the processor has."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from textgraft.processor import processor_has


def run_fused(layer: nn.Module, inputs: Tensor, state: Any = None) -> tuple[Tensor, Any]:
    """Run a fused layer, on a CPU outside of an autocast that the processor cannot follow.

    Under ``torch.autocast`` torch hands an LSTM to oneDNN in half precision, and oneDNN raises where the
    processor lacks it: bf16 without AVX-512 or the like, fp16 on almost every CPU. The layer then computes in
    its weights' own precision, which is faster there than emulated halves in any case.

    Args:
        layer: nn.RNN, nn.LSTM or nn.GRU.
        inputs: [batch, time, input_size].
        state: As the layer takes it: a tensor, of an LSTM a pair, or None.

    Returns:
        What the layer returns: states [batch, time, hidden_size], and the state after the last position.
    """
    if inputs.device.type != "cpu" or not torch.is_autocast_enabled("cpu") or _follows_autocast():
        return layer(inputs, state)
    dtype = layer.get_parameter("weight_ih_l0").dtype
    if state is not None:
        state = state.to(dtype) if isinstance(state, Tensor) else tuple(part.to(dtype) for part in state)
    with torch.autocast("cpu", enabled=False):
        return layer(inputs.to(dtype), state)


def _follows_autocast() -> bool:
    return torch.get_autocast_dtype("cpu") is torch.bfloat16 and processor_has("bf16")
