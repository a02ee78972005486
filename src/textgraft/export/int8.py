"""Weights of a graph in int8, by onnxruntime's dynamic quantization."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

_OPERATORS = ["MatMul", "LSTM", "Gather"]
"""Those whose weights are rounded: linear maps, LSTMs and tables of vectors."""


def quantize(source: Path, target: Path) -> None:
    """Write a graph with its weights in int8; what is computed is rounded as it comes, batch by batch.

    Weights keep seven of their eight bits: processors without VNNI add products of eight in 16 bits, which
    overflow. So an answer is the same wherever the graph is run.

    Args:
        source: A graph in fp32.
        target: The file to write.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _quiet():
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=_OPERATORS,
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep onnxruntime from advising a preparation that a drawn graph does not need."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
