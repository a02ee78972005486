"""What a trained model costs: latency, and size on disk; and on which machine."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from textgraft.processor import instruction_sets

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from textgraft.data.dataset import Dataset

MEGABYTE = 1e6
LATENCY_ROWS = 50
LATENCY_ROWS_AT_LEAST = 10
LATENCY_SECONDS = 0.5
"""Rows are timed until there are so many, or this time is up and there are the fewest."""


def machine() -> str:
    """Describe this machine in one line: processor, cores, instruction sets that matter, Python, system."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    pairs = (line.partition(":") for line in text.splitlines())
    fields = {key.strip(): value.strip() for key, _, value in pairs}
    sets = instruction_sets()
    wide = [name for name in ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16") if name in sets]
    parts = [
        fields.get("model name") or platform.processor() or platform.machine(),
        f"{os.cpu_count()} cores",
        " ".join(wide),
        f"Python {platform.python_version()}",
        platform.system(),
    ]
    return ", ".join(part for part in parts if part)


def latency_ms(predict: Callable[[Dataset], object], rows: Dataset) -> tuple[float, float]:
    """Return the median and the 95th percentile of the milliseconds that one row alone takes.

    Args:
        predict: Takes a data set, from raw text to predictions.
        rows: The first 50 are timed one by one, fewer of slow models, after two warm-up calls.
    """
    sample = [rows.select([row]) for row in range(min(LATENCY_ROWS, len(rows)))]
    for row in sample[:2]:
        predict(row)
    times = []
    for row in sample:
        start = time.perf_counter()
        predict(row)
        times.append(1000 * (time.perf_counter() - start))
        if len(times) >= LATENCY_ROWS_AT_LEAST and sum(times) > 1000 * LATENCY_SECONDS:
            break
    return float(np.percentile(times, 50)), float(np.percentile(times, 95))


def model_bytes(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> int:
    """Return the bytes that serving needs on disk: parameters, buffers and the tokenizer.

    A graft counts its encoder too: without it the head answers nothing. A model that is written in another
    precision than it computes in has a method ``stored_state``.
    """
    text = len(tokenizer.backend_tokenizer.to_str().encode())
    stored_state: Callable[[], dict[str, Tensor]] | None = getattr(model, "stored_state", None)
    if stored_state is not None:
        return sum(tensor.numel() * tensor.element_size() for tensor in stored_state().values()) + text
    parts = [model]
    encoder = getattr(model, "encoder", None)
    if encoder is not None:
        parts.append(encoder)
    # An adapter is met twice: in the graft and inside of its encoder.
    tensors = {id(tensor): tensor for part in parts for tensor in (*part.parameters(), *part.buffers())}
    weights = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    return weights + text
