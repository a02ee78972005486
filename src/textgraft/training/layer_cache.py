"""Hidden states of frozen layers, computed once and kept on disk by content hash."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from textgraft.files import atomic_folder, output_errors
from textgraft.integrity import is_intact, seal

_FILE = "states.bin"


class HiddenStates:
    """The hidden states of many rows, read from disk a batch at a time.

    Args:
        path: File of all rows' states one after another, without padding.
        lengths: Tokens of each row.
        width: Hidden size.
        dtype: numpy's name of the stored type.
    """

    def __init__(self, path: Path, lengths: Sequence[int], width: int, dtype: str) -> None:
        self.ends = np.cumsum(lengths)
        self.lengths = np.asarray(lengths)
        self.states = np.memmap(path, dtype=dtype, mode="r", shape=(int(self.ends[-1]), width))

    def batch(self, rows: Sequence[int]) -> Tensor:
        """Return the states of ``rows``, padded on the right with zeros: float32 [rows, time, width]."""
        padded = np.zeros((len(rows), int(self.lengths[rows].max()), self.states.shape[1]), np.float32)
        for target, row in zip(padded, rows, strict=True):
            target[: self.lengths[row]] = self.states[self.ends[row] - self.lengths[row] : self.ends[row]]
        return torch.from_numpy(padded)


def states_key(modules: Sequence[nn.Module], ids: Sequence[Sequence[int]], facts: Sequence[str]) -> str:
    """Return a hash of all that hidden states depend on: weights, rows, and named facts as the precision."""
    digest = hashlib.sha256(json.dumps(list(facts)).encode())
    for module in modules:
        for name, tensor in module.state_dict().items():
            digest.update(f"{name}{tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    for row in ids:
        digest.update(np.asarray([len(row), *row], dtype=np.int32).tobytes())
    return digest.hexdigest()[:32]


def stored_states(
    folder: Path,
    key: str,
    lengths: Sequence[int],
    width: int,
    dtype: str,
    compute: Callable[[Callable[[int, np.ndarray], None]], None],
    *,
    max_bytes: int,
) -> HiddenStates | None:
    """Return the states stored under ``key``; if there are none, or damaged ones, compute and store them.

    The entries used longest ago are deleted to stay within ``max_bytes``.

    Args:
        folder: Where entries are kept, a folder each.
        key: From :func:`states_key`.
        lengths: Tokens of each row.
        width: Hidden size.
        dtype: numpy's name of the type to store.
        compute: Called with what keeps a row's states: its number, and they [tokens, width].
        max_bytes: Most bytes that all entries may take.

    Returns:
        The states, or None if they would not fit, into the limit or on the disk.

    Raises:
        OutputError: The folder cannot be written.
    """
    entry = folder / key
    needed = sum(lengths) * width * np.dtype(dtype).itemsize
    path = entry / _FILE
    if not is_intact(entry):
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if needed > max_bytes or needed > shutil.disk_usage(folder).free:
                return None
            _make_room(folder, max_bytes - needed)
        with atomic_folder(entry) as temporary:
            states = np.memmap(temporary / _FILE, dtype=dtype, mode="w+", shape=(sum(lengths), width))
            ends = np.cumsum(lengths)

            def keep(row: int, values: np.ndarray) -> None:
                states[ends[row] - lengths[row] : ends[row]] = values

            compute(keep)
            states.flush()
            seal(temporary)
    os.utime(entry)
    return HiddenStates(path, lengths, width, dtype)


def _make_room(folder: Path, allowed: int) -> None:
    entries = sorted(folder.glob(f"*/{_FILE}"), key=lambda path: path.parent.stat().st_mtime)
    total = sum(path.stat().st_size for path in entries)
    for path in entries:
        if total <= allowed:
            return
        total -= path.stat().st_size
        shutil.rmtree(path.parent, ignore_errors=True)
