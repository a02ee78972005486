"""Checkpoints that are whole or absent: tensors and state, with a manifest of hashes; nothing is pickled.

A run's folder holds::

    checkpoint-00000120/
        model.safetensors      trained parameters and buffers
        optimizer.safetensors  AdamW's moments
        best.safetensors       the best weights on held-out examples so far
        carried.safetensors    what the objective hands from step to step, as hidden states
        state.json             position, scores, history
        manifest.json          SHA-256 of each file above
    metrics.jsonl              one line an evaluation
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from textgraft.errors import ModelError
from textgraft.files import atomic_folder, sha256_file, write_json

_PREFIX = "checkpoint-"
_MANIFEST = "manifest.json"
_STATE = "state.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """All that a training run continues from."""

    state: dict[str, Any]
    """JSON-like."""
    tensors: dict[str, dict[str, Tensor]]
    """Tensors on the CPU by file ("model", "optimizer", "best", "carried") and name."""


def save_checkpoint(
    folder: Path, step: int, state: Mapping[str, Any], tensors: Mapping[str, Mapping[str, Tensor]], keep: int
) -> Path:
    """Write one checkpoint atomically, then delete all but the newest ``keep``.

    Raises:
        OutputError: The folder is not writable or the disk is full; earlier checkpoints are untouched.
    """
    path = folder / f"{_PREFIX}{step:08d}"
    with atomic_folder(path) as temporary:
        for name, group in tensors.items():
            contiguous = {key: value.detach().contiguous() for key, value in group.items()}
            save_file(contiguous, temporary / f"{name}.safetensors")
        write_json(temporary / _STATE, state)
        hashes = {file.name: sha256_file(file) for file in sorted(temporary.iterdir())}
        write_json(temporary / _MANIFEST, hashes)
    for old in _newest_first(folder)[keep:]:
        shutil.rmtree(old, ignore_errors=True)
    return path


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """Read the newest checkpoint whose files match their hashes; damaged ones are named in a warning.

    Returns:
        The checkpoint, or None if the folder has none.

    Raises:
        ModelError: There are checkpoints, and all are damaged; says which file of the newest.
    """
    for leftover in folder.glob(f".{_PREFIX}*"):  # of a write that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    damaged: list[str] = []
    for path in _newest_first(folder):
        problem = _first_problem(path)
        if problem is None:
            # Copied, because a file that is mapped is read only when its values are asked for.
            tensors = {
                file.stem: {name: tensor.clone() for name, tensor in load_file(file).items()}
                for file in path.glob("*.safetensors")
            }
            return Checkpoint(json.loads((path / _STATE).read_text()), tensors)
        damaged.append(problem)
        logger.warning("passing over a damaged checkpoint: %s", problem)
    if damaged:
        raise ModelError(
            f"no checkpoint can be used: {damaged[0]}",
            where=str(folder),
            fix="Delete the checkpoint folders to train from the beginning.",
        )
    return None


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{_PREFIX}*"), reverse=True)


def _first_problem(path: Path) -> str | None:
    manifest = path / _MANIFEST
    try:
        hashes = json.loads(manifest.read_text())
    except (OSError, ValueError) as error:
        return f"{manifest} cannot be read ({error})"
    for name, expected in hashes.items():
        file = path / name
        if not file.is_file():
            return f"{file} is missing"
        if sha256_file(file) != expected:
            return f"{file} has other content than was written"
    return None
