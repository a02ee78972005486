"""Which arithmetic the device is fast in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from textgraft.processor import processor_has

logger = logging.getLogger(__name__)


def resolve_precision(wanted: str, device: torch.device) -> str:
    """Return "fp32" or "bf16": what was wanted, or fp32 where bf16 would only be emulated.

    fp16 is never chosen: it underflows unless gradients are scaled, and on CPUs it is slower than fp32.

    Args:
        wanted: "auto", "fp32" or "bf16". If "bf16" cannot be had, a warning says so.
        device: Where the model runs.
    """
    if wanted == "fp32":
        return "fp32"
    if _has_native_bf16(device):
        return "bf16"
    if wanted == "bf16":
        logger.warning("this %s device has no native bf16 arithmetic: computing in fp32", device.type)
    return "fp32"


@contextmanager
def autocast(precision: str, device: torch.device) -> Iterator[None]:
    """Let a model compute in ``precision``, "fp32" or "bf16"; weights stay fp32."""
    keeps_attention = precision == "bf16" and device.type == "cpu" and torch.is_grad_enabled()
    with (
        torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"),
        _AttentionInFp32() if keeps_attention else nullcontext(),
    ):
        yield


class _AttentionInFp32(TorchFunctionMode):
    """Computes scaled dot-product attention in fp32, whatever its inputs are.

    For training: on a CPU, forward and back through torch's fused attention take up to 2.5 times as long in
    bf16 as in fp32 (``benchmarks/attention.py``). Without gradients both are as fast.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is not scaled_dot_product_attention:
            return func(*args, **kwargs)
        with torch.autocast("cpu", enabled=False):
            args = tuple(_in_fp32(value) for value in args)
            return func(*args, **{name: _in_fp32(value) for name, value in kwargs.items()})


def _in_fp32(value: Any) -> Any:
    is_half = isinstance(value, torch.Tensor) and value.dtype is torch.bfloat16
    return value.float() if is_half else value


def _has_native_bf16(device: torch.device) -> bool:
    if device.type == "cpu":
        return processor_has("bf16")
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return False
