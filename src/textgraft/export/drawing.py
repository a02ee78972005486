"""An ONNX graph, drawn operator by operator.

Tracing a network freezes what depended on the traced batch, as the length of a text that is read from its
end. A graph that is drawn has the axes that it was given and no others.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn

OPSET = 18
IR_VERSION = 10
"""Of the file: runtimes of two years ago read it."""


class Drawing:
    """Operators in the order in which they are applied; every method returns the name of what it computes."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._weights: list[Any] = []
        self._inputs: list[Any] = []
        self._count = 0

    def input(self, name: str, *axes: str | int, whole: bool = True) -> str:
        """Declare an input of whole numbers (int64), or of fp32; a named axis may have any length."""
        from onnx import TensorProto, helper

        kind = TensorProto.INT64 if whole else TensorProto.FLOAT
        self._inputs.append(helper.make_tensor_value_info(name, kind, axes))
        return name

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Hold an array."""
        from onnx import numpy_helper

        self._count += 1
        name = f"w{self._count}"
        self._weights.append(numpy_helper.from_array(np.array(value, dtype=dtype), name))
        return name

    def whole(self, *values: int) -> str:
        """Hold whole numbers, [values]."""
        return self.constant(values, np.int64)

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Apply an operator with one output; an input left out is an empty string."""
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        """Apply an operator with several outputs."""
        from onnx import helper

        names = [f"v{self._count + n + 1}" for n in range(outputs)]
        self._count += outputs
        self._nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names

    def linear(self, value: str, layer: nn.Module) -> str:
        """Apply a linear layer of torch's to the last axis."""
        weight: Any = layer.weight
        product = self.op("MatMul", value, self.constant(numbers(weight).T))
        return product if layer.bias is None else self.op("Add", product, self.constant(numbers(layer.bias)))

    def normalized(self, value: str) -> str:
        """Scale the last axis to length one."""
        square = self.op("ReduceSum", self.op("Mul", value, value), self.whole(-1), keepdims=1)
        length = self.op("Max", self.op("Sqrt", square), self.constant(1e-12, np.float32))
        return self.op("Div", value, length)

    def halves(self, value: str, axis: int = 0) -> list[str]:
        """Cut an even axis in two."""
        return self.ops("Split", 2, value, axis=axis, num_outputs=2)

    def clipped(self, mask: str) -> str:
        """Return the true lengths of texts, at least 1, int32 [texts], of a mask [texts, time]."""
        length = self.op("ReduceSum", mask, self.whole(1), keepdims=0)
        return self.op("Cast", self.op("Max", length, self.whole(1)), to=6)

    def true(self, lengths: str, values: str) -> str:
        """Return which steps of [texts, time, …] are within the lengths, booleans [texts, time]."""
        time = self.op("Gather", self.op("Shape", values), self.constant(1, np.int64))
        steps = self.op("Range", self.constant(0, np.int64), time, self.constant(1, np.int64))
        longest = self.op("Cast", self.op("Unsqueeze", lengths, self.whole(1)), to=7)
        return self.op("Less", steps, longest)

    def compared(self, vectors: str) -> str:
        """Return the features of pairs [pairs, 4 * size] of all first vectors, then all second ones."""
        first, second = self.halves(vectors)
        distance = self.op("Abs", self.op("Sub", first, second))
        return self.op("Concat", first, second, distance, self.op("Mul", first, second), axis=-1)

    def pair_head(self, head: Any, vectors: str) -> str:
        """Apply ``pair_head`` to the features of pairs."""
        hidden = self.op("Relu", self.linear(vectors, head[0]))
        return self.linear(hidden, head[3])

    def save(
        self, path: Path, value: str, *axes: str | int, **more: tuple[str, tuple[str | int, ...]]
    ) -> None:
        """Write the graph, whose output "logits" is ``value``, [axes], in fp32.

        Args:
            path: The file.
            value: What is computed.
            axes: Its axes.
            more: Further outputs by name: what each is, and its axes.
        """
        import onnx
        from onnx import TensorProto, helper

        outputs = {"logits": (value, axes), **more}
        for name, (computed, _) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [computed], [name]))
        graph = helper.make_graph(
            self._nodes,
            "textgraft",
            self._inputs,
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, a) for n, (_, a) in outputs.items()],
            self._weights,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
        )
        model.producer_name = "textgraft"
        onnx.checker.check_model(model)
        onnx.save(model, path)


def numbers(tensor: Tensor | Any) -> NDArray[np.float32]:
    """Return a tensor as an fp32 array."""
    array: NDArray[np.float32] = tensor.detach().cpu().float().numpy()
    return array
