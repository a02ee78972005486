"""Which arithmetic the device is fast in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import dropout, scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from textgraft.processor import processor_has
from textgraft.training.dropout import attention_with_dropout, fast_dropout
from textgraft.training.unpadded import UnpaddedAttention

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
    """Let a model compute in ``precision``, "fp32" or "bf16"; weights stay fp32.

    On a CPU, dropout and attention are trained by :class:`_FasterTraining`; on a GPU attention leaves padding
    out.
    """
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"), _mode(device):
        yield


def _mode(device: torch.device) -> AbstractContextManager[Any]:
    """Return what computes dropout and attention in torch's place."""
    if device.type == "cuda":
        return UnpaddedAttention()
    return _FasterTraining() if device.type == "cpu" and torch.is_grad_enabled() else nullcontext()


class _FasterTraining(TorchFunctionMode):
    """Computes scaled dot-product attention in fp32, whatever its inputs are, and dropout from fewer numbers.

    On a CPU, attention forward and back through torch's fused kernel takes up to 2.5 times as long in bf16 as
    in fp32 (``benchmarks/attention.py``). Without gradients both are as fast.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is scaled_dot_product_attention:
            return _attention(*args, **kwargs)
        if func is dropout:
            return _dropout(*args, **kwargs)
        return func(*args, **kwargs)


def _attention(query: Tensor, key: Tensor, value: Tensor, *others: Any, **kwargs: Any) -> Tensor:
    """Take what ``scaled_dot_product_attention`` takes."""
    with torch.autocast("cpu", enabled=False):
        query, key, value = map(_in_fp32, (query, key, value))
        given = {**dict(zip(("attn_mask", "dropout_p", "is_causal"), others, strict=False)), **kwargs}
        given["attn_mask"] = mask = _in_fp32(given.get("attn_mask"))
        rate = given.get("dropout_p", 0.0)
        if not 0 < rate < 1 or given.get("is_causal") or given.get("enable_gqa"):
            return scaled_dot_product_attention(query, key, value, **given)
        return attention_with_dropout(query, key, value, mask, rate, given.get("scale"))


def _dropout(inputs: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Take what ``dropout`` takes."""
    if training and 0 < p < 1 and not inplace and inputs.is_floating_point():
        return fast_dropout(inputs, p)
    return dropout(inputs, p, training, inplace)


def _in_fp32(value: Any) -> Any:
    is_half = isinstance(value, torch.Tensor) and value.dtype is torch.bfloat16
    return value.float() if is_half else value


def _has_native_bf16(device: torch.device) -> bool:
    if device.type == "cpu":
        return processor_has("bf16")
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return False
