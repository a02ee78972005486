"""Which arithmetic the device is fast in."""

from __future__ import annotations

import logging

import torch

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


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Return the context in which a model computes in ``precision``, "fp32" or "bf16"; weights stay fp32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def _has_native_bf16(device: torch.device) -> bool:
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return False
