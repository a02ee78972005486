"""The graph of an encoder straight from its files: no torch is loaded."""

from __future__ import annotations

from typing import Any

import numpy as np

from textgraft.inference.engines.bert_graph import can_draw, draw, tensor_names
from textgraft.models.encoders import EncoderSource, encoder_config
from textgraft.models.vetting import weight_files

_PREFIX = "bert."
"""Before the names of an encoder's tensors where a head was saved with it."""


def draw_encoder(source: EncoderSource, pooling: str | None = None, *, normalize: bool = False) -> Any:
    """Draw an encoder's graph, see :func:`~textgraft.inference.engines.bert_graph.draw`.

    Args:
        source: Its files, which have been vetted.
        pooling: As there.
        normalize: As there.

    Returns:
        An ``openvino.Model``; None if the architecture, or the form of the files, is not known here.
    """
    config, files = encoder_config(source), weight_files(source.path)
    if not can_draw(config) or len(files) > 1:
        return None
    from safetensors import safe_open

    wanted = tensor_names(config)
    with safe_open(files[0], "numpy") as held:
        stored = set(held.keys())
        prefix = _PREFIX if f"{_PREFIX}{wanted[0]}" in stored else ""
        if any(f"{prefix}{name}" not in stored for name in wanted):
            return None
        if any(held.get_slice(f"{prefix}{name}").get_dtype() not in ("F32", "F16") for name in wanted):
            return None
        weights = {name: held.get_tensor(f"{prefix}{name}").astype(np.float32, copy=False) for name in wanted}
    return draw(config, weights, pooling=pooling, normalize=normalize)
