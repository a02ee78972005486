"""BERT (Devlin et al. 2019) as an OpenVINO graph, drawn from its weights: no torch is loaded, nothing traced.

Tracing a module loads torch and Transformers, seconds each; the hundred nodes of an encoder are drawn in a
fraction of one. Only what is known to the letter is drawn; :func:`can_draw` says what.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from textgraft.inference.engines.bert_weights import BERT, EncoderWeights, is_known
from textgraft.inference.engines.openvino import load_openvino

_MASKED = np.float32(-1e9)
"""Added to the attention scores of padding: what softmax makes 0 of, and finite in every precision."""


def can_draw(config: Mapping[str, Any]) -> bool:
    """Return whether a model of this configuration is the BERT that :func:`draw` knows."""
    return config.get("model_type") == BERT and is_known(config)


def draw(encoder: EncoderWeights, *, pooling: str | None = None, normalize: bool = False) -> Any:
    """Draw a BERT encoder.

    Args:
        encoder: One of a configuration that :func:`can_draw`.
        pooling: As of :class:`~textgraft.inference.engines.base.ModuleSource`.
        normalize: As there.

    Returns:
        An ``openvino.Model`` from input_ids, attention_mask and token_type_ids, each int64 [batch, time], to
        fp32 [batch, time, size], or [batch, size]; with pooling, or where there is one type alone, it takes
        no token_type_ids, all are 0.
    """
    return _Drawing(encoder).model(pooling, normalize)


class _Drawing:
    """A graph being drawn.

    Args:
        encoder: As for :func:`draw`.
    """

    def __init__(self, encoder: EncoderWeights) -> None:
        self.ov = load_openvino()
        from openvino import opset15

        self.ops = opset15
        self.encoder = encoder
        self.heads = encoder.heads
        self.width = encoder.words.shape[1] // encoder.heads

    def model(self, pooling: str | None, normalize: bool) -> Any:
        ops = self.ops
        ids, mask, types = (
            ops.parameter([-1, -1], self.ov.Type.i64, name=name)
            for name in ("input_ids", "attention_mask", "token_type_ids")
        )
        is_true = ops.convert(mask, "f32")
        takes_types = pooling is None and len(self.encoder.types) > 1
        states = self._embedded(ids, types if takes_types else None)
        bias = ops.multiply(ops.subtract(is_true, self._constant(1.0)), self._constant(-_MASKED))
        bias = ops.unsqueeze(bias, self._whole([1, 2]))
        for layer in range(self.encoder.layers):
            states = self._layer(states, bias, f"encoder.layer.{layer}")
        parameters = [ids, mask, types] if takes_types else [ids, mask]
        if pooling is None:
            states = ops.multiply(states, ops.unsqueeze(is_true, self._whole([2])))
        else:
            states = self._pooled(states, is_true, pooling)
            if normalize:
                states = ops.normalize_l2(states, self._whole([1]), 1e-24, "max")
        return self.ov.Model([states], parameters, "bert")

    def _constant(self, value: Any) -> Any:
        return self.ops.constant(np.asarray(value, dtype=np.float32))

    def _whole(self, values: list[int]) -> Any:
        return self.ops.constant(np.array(values, dtype=np.int64))

    def _embedded(self, ids: Any, types: Any) -> Any:
        """Add the vectors of words, places and token types; without types, all are of the first."""
        ops = self.ops
        zero = self._whole([0])
        words, places, kinds = map(
            self._constant, (self.encoder.words, self.encoder.places, self.encoder.types)
        )
        time = ops.gather(ops.shape_of(ids), self._whole([1]), zero)
        place = ops.slice(places, zero, time, self._whole([1]), zero)
        kind = self._constant(self.encoder.types[0])
        if types is not None:
            kind = ops.gather(kinds, types, self._whole([0]))
        states = ops.add(ops.gather(words, ids, zero), ops.add(kind, place))
        return self._normalized(states, "embeddings.LayerNorm")

    def _layer(self, states: Any, bias: Any, name: str) -> Any:
        attended = self._linear(
            self._attention(states, bias, f"{name}.attention.self"), f"{name}.attention.output.dense"
        )
        states = self._normalized(self.ops.add(attended, states), f"{name}.attention.output.LayerNorm")
        inner = self._activated(self._linear(states, f"{name}.intermediate.dense"))
        outer = self._linear(inner, f"{name}.output.dense")
        return self._normalized(self.ops.add(outer, states), f"{name}.output.LayerNorm")

    def _attention(self, states: Any, bias: Any, name: str) -> Any:
        ops = self.ops

        def by_head(kind: str) -> Any:
            split = self._whole([0, 0, self.heads, self.width])
            return ops.transpose(
                ops.reshape(self._linear(states, f"{name}.{kind}"), split, True), self._whole([0, 2, 1, 3])
            )

        query, key, value = map(by_head, ("query", "key", "value"))
        found = ops.scaled_dot_product_attention(query, key, value, bias)
        together = ops.transpose(found, self._whole([0, 2, 1, 3]))
        return ops.reshape(together, self._whole([0, 0, self.heads * self.width]), True)

    def _linear(self, inputs: Any, name: str) -> Any:
        """Apply a linear map, its weight [outputs, inputs]."""
        weight, bias = self._map(name)
        return self.ops.add(self.ops.matmul(inputs, weight, False, True), bias)

    def _map(self, name: str) -> tuple[Any, Any]:
        """Return a map's weight and bias."""
        weight, bias = (self.encoder.tensors[f"{name}.{kind}"] for kind in ("weight", "bias"))
        return self._constant(weight), self._constant(bias)

    def _activated(self, inputs: Any) -> Any:
        kind = self.encoder.activation
        if kind == "relu":
            return self.ops.relu(inputs)
        return self.ops.gelu(inputs, "erf" if kind == "gelu" else "tanh")

    def _normalized(self, inputs: Any, name: str) -> Any:
        scaled = self.ops.mvn(inputs, self._whole([-1]), True, self.encoder.epsilon, "inside_sqrt")
        weight, bias = self._map(name)
        return self.ops.add(self.ops.multiply(scaled, weight), bias)

    def _pooled(self, states: Any, is_true: Any, pooling: str) -> Any:
        ops = self.ops
        time = self._whole([1])
        if pooling == "cls":
            return ops.gather(states, ops.constant(np.int64(0)), time)
        true = ops.unsqueeze(is_true, self._whole([2]))
        if pooling == "max":
            least = self._constant(np.finfo(np.float32).min)
            hidden = ops.select(ops.greater(true, self._constant(0.0)), states, least)
            return ops.reduce_max(hidden, time)
        total = ops.reduce_sum(ops.multiply(states, true), time)
        count = ops.maximum(ops.reduce_sum(true, time), self._constant(1.0))
        return ops.divide(total, count)
