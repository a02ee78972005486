"""Weights of a graph in int8: tables of vectors, linear maps and LSTMs.

What a network computes is rounded as it comes. With one scale for a whole text, as in onnxruntime's own
dynamic quantization, the few tokens with outliers (Bondarenko et al. 2021, "Understanding and overcoming the
challenges of efficient Transformer quantization", EMNLP) cost all the others their precision; so every token
has a scale and an offset of its own here (Yao et al. 2022, "ZeroQuant", NeurIPS), every row of a table and
every output of a linear map likewise. It is drawn of standard operators, which browsers have as well. LSTMs
are onnxruntime's, which rounds them by itself.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALLEST = 256
"""Weights fewer than these are not worth the operators that rounding them takes."""
_TINY = 1e-20
"""The smallest step: a token all of whose numbers are the same has none."""
_ZERO = 128
"""What stands for 0 where a weight is one of 256: with such, no processor adds products in 16 bits, which
overflow where those of signed weights are added (vpmaddubsw, on processors without VNNI)."""


@dataclass(frozen=True)
class Roundable:
    """A part of a graph whose weights can be rounded."""

    name: str
    """What it is called: a weight's name in the model, or else its operator with what it computes."""
    output: str
    """What it computes, by which the graph knows it."""
    weights: int


def roundable(model: Any) -> list[Roundable]:
    """Return the parts of a graph whose weights can be rounded, in the order of computing.

    Args:
        model: An ONNX model in fp32.
    """
    sizes = {weight.name: int(np.prod(weight.dims)) for weight in model.graph.initializer}
    ranks = {weight.name: len(weight.dims) for weight in model.graph.initializer}
    found = []
    for node in model.graph.node:
        held = [name for name in node.input if name in sizes]
        weights = sum(sizes[name] for name in held)
        is_matrix = (_weight_of(node) in held) and ranks[_weight_of(node)] == 2
        if (is_matrix or node.op_type == "LSTM") and weights >= SMALLEST:
            name = node.name or f"{node.op_type} {node.output[0]}"
            found.append(Roundable(name, node.output[0], weights))
    return found


def _weight_of(node: Any) -> str:
    """Return the name of what may be a matrix of weights; empty where there is none."""
    if node.op_type == "Gather" and all(attribute.i == 0 for attribute in node.attribute):
        return str(node.input[0])
    return str(node.input[1]) if node.op_type == "MatMul" else ""


def quantize(source: Path, target: Path, *, keep: Collection[str] = ()) -> None:
    """Write a graph with its weights in int8; what is computed is rounded as it comes, token by token.

    Args:
        source: A graph in fp32.
        target: The file to write.
        keep: Outputs of parts that stay in fp32, of :func:`roundable`.
    """
    import onnx

    model = onnx.load(source)
    chosen = {part.output for part in roundable(model)} - set(keep)
    lstms = [node for node in model.graph.node if node.op_type == "LSTM" and node.output[0] in chosen]
    if lstms:
        model = _with_rounded_lstms(model, [node.output[0] for node in lstms])
    _Rounding(model).apply(chosen)
    onnx.save(model, target)


def _with_rounded_lstms(model: Any, outputs: Collection[str]) -> Any:
    """Return a graph with some of its LSTMs rounded by onnxruntime, to seven bits and a sign."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    for node in model.graph.node:
        node.name = node.name or node.output[0]
    with tempfile.TemporaryDirectory() as folder, _quiet():
        target = Path(folder) / "rounded.onnx"
        quantize_dynamic(
            model,
            target,
            op_types_to_quantize=["LSTM"],
            nodes_to_quantize=[node.name for node in model.graph.node if node.output[0] in outputs],
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )
        return onnx.load(target)


class _Rounding:
    """Draws the tables and linear maps of a graph anew, with their weights in int8.

    Args:
        model: The graph, which is changed.
    """

    def __init__(self, model: Any) -> None:
        from onnx import numpy_helper

        self._graph = model.graph
        self._held = {weight.name: weight for weight in self._graph.initializer}
        self._array = numpy_helper.to_array
        self._nodes: list[Any] = []
        self._added: list[Any] = []
        self._tokens: dict[str, tuple[str, str, str]] = {}

    def apply(self, chosen: Collection[str]) -> None:
        """Round the parts with these outputs."""
        for node in list(self._graph.node):
            if node.output[0] not in chosen or node.op_type not in ("Gather", "MatMul"):
                self._nodes.append(node)
            elif node.op_type == "Gather":
                self._table(node)
            else:
                self._map(node)
        needed = {name for node in self._nodes for name in node.input}
        weights = [weight for weight in self._graph.initializer if weight.name in needed]
        del self._graph.node[:], self._graph.initializer[:]
        self._graph.node.extend(self._nodes)
        self._graph.initializer.extend([*weights, *self._added])

    def _hold(self, array: Any, dtype: Any = None) -> str:
        from onnx import numpy_helper

        name = f"r{len(self._added)}"
        self._added.append(numpy_helper.from_array(np.ascontiguousarray(array, dtype=dtype), name))
        return name

    def _op(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        from onnx import helper

        name = output or f"s{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def _table(self, node: Any) -> None:
        rounded, step = _rounded(self._array(self._held[node.input[0]]), axis=1)
        whole = self._op("Gather", self._hold(rounded), node.input[1], axis=0)
        steps = self._op("Gather", self._hold(step), node.input[1], axis=0)
        self._op("Mul", self._op("Cast", whole, to=1), steps, output=node.output[0])

    def _map(self, node: Any) -> None:
        weight = self._array(self._held[node.input[1]])
        rounded, step = _rounded(weight, axis=0)
        tokens, low, size = self._rounded_tokens(node.input[0])
        unsigned = (rounded.astype(np.int16) + _ZERO).astype(np.uint8)
        zeros = (self._hold(0, np.uint8), self._hold(_ZERO, np.uint8))
        product = self._op("MatMulInteger", tokens, self._hold(unsigned), *zeros)
        scaled = self._op("Mul", self._op("Mul", self._op("Cast", product, to=1), size), self._hold(step[0]))
        # What stands for 0 of a token is its lowest number: the sums of all weights take that up.
        sums = self._hold((rounded * step).sum(axis=0, dtype=np.float32))
        self._op("Add", scaled, self._op("Mul", low, sums), output=node.output[0])

    def _rounded_tokens(self, value: str) -> tuple[str, str, str]:
        """Return numbers as 0 to 255 a token, the lowest of each token, and the size of its steps."""
        if value not in self._tokens:
            last = self._hold([-1], np.int64)
            low = self._op("ReduceMin", value, last, keepdims=1)
            span = self._op("Sub", self._op("ReduceMax", value, last, keepdims=1), low)
            size = self._op("Mul", span, self._hold(1 / 255, np.float32))
            size = self._op("Max", size, self._hold(_TINY, np.float32))
            steps = self._op("Div", self._op("Sub", value, low), size)
            one, zero = self._hold(1, np.float32), self._hold(0, np.uint8)
            self._tokens[value] = (self._op("QuantizeLinear", steps, one, zero), low, size)
        return self._tokens[value]


def _rounded(weights: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return weights from -127 to 127 and their step, one along the other axis."""
    step = np.maximum(np.abs(weights).max(axis=axis, keepdims=True), _TINY) / 127
    return np.rint(weights / step).astype(np.int8), step.astype(np.float32)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep onnxruntime from advising a preparation that a drawn graph does not need."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
