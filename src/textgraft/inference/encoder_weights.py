"""The weights of an encoder straight from its files: no torch is loaded."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from textgraft.inference.engines.bert_weights import EncoderWeights, is_known, tensor_names
from textgraft.models.encoders import EncoderSource, encoder_config
from textgraft.models.vetting import weight_files

_PREFIXES = ("", "bert.", "roberta.")
"""Before the names of an encoder's tensors where a head was saved with it."""


def reads_weights(source: EncoderSource) -> Callable[[], EncoderWeights] | None:
    """Return what reads an encoder's weights; None if its architecture, or the form of its files, is unknown.

    Args:
        source: Its files, which have been vetted.
    """
    config, files = encoder_config(source), weight_files(source.path)
    if not is_known(config) or len(files) > 1:
        return None
    from safetensors import SafetensorError, safe_open

    wanted = tensor_names(config)
    try:
        with safe_open(files[0], "numpy") as held:
            stored = set(held.keys())
            prefix = next((each for each in _PREFIXES if f"{each}{wanted[0]}" in stored), "")
            names = {name: f"{prefix}{name}" for name in wanted}
            if not stored.issuperset(names.values()):
                return None
            if any(held.get_slice(name).get_dtype() not in ("F32", "F16") for name in names.values()):
                return None
    except (SafetensorError, OSError):
        return None  # whoever loads the module tells what is wrong with them
    return functools.partial(_read, config, files[0], names)


def _read(config: dict[str, object], file: Path, names: dict[str, str]) -> EncoderWeights:
    from safetensors import safe_open

    with safe_open(file, "numpy") as held:
        tensors = {
            name: held.get_tensor(stored).astype(np.float32, copy=False) for name, stored in names.items()
        }
    return EncoderWeights(config, tensors)
