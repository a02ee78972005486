"""What torch computes with the bundled encoder for a few batches: graphs of it are checked without torch.

``benchmarks/ship_states.py`` writes the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.inference.engines.base import Batch

FILE = Path(__file__).with_name("bundled_states.safetensors")
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
STATES = "states"


def golden_batches() -> list[Batch]:
    """Return the batches, the first with padding: input_ids, attention_mask and token_type_ids."""
    held = _held()
    return [{name: held[f"{batch}.{name}"].astype(np.int64) for name in INPUTS} for batch in _batches(held)]


def golden_states() -> list[NDArray[np.float32]]:
    """Return the last hidden states of each batch, 0 at padding, rounded to half precision.

    Each is [batch, time, size].
    """
    held = _held()
    return [
        held[f"{batch}.{STATES}"].astype(np.float32) * held[f"{batch}.attention_mask"][:, :, None]
        for batch in _batches(held)
    ]


def pooled(
    states: NDArray[np.float32], mask: NDArray[np.int64], pooling: str, normalize: bool
) -> NDArray[np.float32]:
    """Do with states what ``PooledEncoder`` does: [batch, time, size] to [batch, size].

    Args:
        states: Of right-padded texts.
        mask: 1 at true tokens, [batch, time].
        pooling: "mean", "cls" or "max".
        normalize: Whether vectors are scaled to length one.
    """
    if pooling == "cls":
        vectors = states[:, 0]
    elif pooling == "max":
        vectors = np.where(mask[:, :, None] == 1, states, np.float32(-np.inf)).max(axis=1)
    else:
        shares = (mask / mask.sum(axis=1, keepdims=True)).astype(np.float32)
        vectors = (shares[:, None, :] @ states)[:, 0]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if normalize else vectors


def _held() -> dict[str, NDArray[Any]]:
    from safetensors.numpy import load_file

    held: dict[str, NDArray[Any]] = load_file(FILE)
    return held


def _batches(held: dict[str, NDArray[Any]]) -> list[str]:
    return sorted({name.partition(".")[0] for name in held})
