"""Encoders of BERT's kind, and what stands on any encoder, as ONNX graphs drawn from their weights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.export.as_bert import bert_weights, distance_bias
from textgraft.export.drawing import Drawing, numbers
from textgraft.export.recurrent_graph import RecurrentDrawing
from textgraft.inference.engines.bert_weights import EncoderWeights
from textgraft.models.graft.base import Graft
from textgraft.models.graft.heads import (
    GraftForMultipleChoice,
    GraftForQuestionAnswering,
    GraftForSequenceClassification,
)
from textgraft.models.graft.pairs import PairGraftForSequenceClassification
from textgraft.models.recurrent.encoder import RecurrentModel
from textgraft.tokenization.word_shapes import PLACES, SHAPES, WORD_SHAPES

_MASKED = -1e9
"""Added to the attention scores of padding: softmax makes 0 of it."""


class EncoderDrawing(RecurrentDrawing):
    """Draws encoders, what pools their states, and the heads on them."""

    def states(self, encoder: Any, ids: str, mask: str, types: str | None) -> str:
        """Return the last hidden states of an encoder, [texts, time, size].

        Args:
            encoder: A recurrent network, or one of BERT's kind.
            ids: [texts, time].
            mask: Likewise.
            types: Likewise; None: all tokens are of the first type.
        """
        if isinstance(encoder, RecurrentModel):
            return self.network(encoder, ids, mask)[0]
        weights = bert_weights(encoder)
        assert weights is not None, "the form was looked at before"
        states = self._embedded(weights, ids, types)
        is_padding = self.op("Sub", self.constant(1, np.float32), self.op("Cast", mask, to=1))
        bias = self.op("Mul", is_padding, self.constant(_MASKED, np.float32))
        bias = self.op("Unsqueeze", bias, self.whole(1, 2))
        by_distance = distance_bias(encoder, len(weights.places))
        if by_distance is not None:
            bias = self.op("Add", bias, self._apart(by_distance, ids))
        for layer in range(weights.layers):
            states = self._layer(weights, states, bias, f"encoder.layer.{layer}")
        return states

    def _apart(self, by_distance: NDArray[np.float32], ids: str) -> str:
        """Return what each head adds to the score of each two tokens, [heads, time, time]."""
        time = self.op("Gather", self.op("Shape", ids), self.constant(1, np.int64))
        steps = self.op("Range", self.constant(0, np.int64), time, self.constant(1, np.int64))
        distance = self.op("Sub", steps, self.op("Unsqueeze", steps, self.whole(1)))
        first = self.constant(by_distance.shape[1] // 2, np.int64)
        return self.op("Gather", self.constant(by_distance), self.op("Add", distance, first), axis=1)

    def _embedded(self, weights: EncoderWeights, ids: str, types: str | None) -> str:
        time = self.op("Gather", self.op("Shape", ids), self.whole(1))
        places = self.op("Slice", self.constant(weights.places), self.whole(0), time)
        kind = self.constant(weights.types[0])
        if types is not None:
            kind = self.op("Gather", self.constant(weights.types), types)
        words = self.op("Gather", self.constant(weights.words), ids, name="embeddings.word_embeddings")
        return self._scaled(
            weights, self.op("Add", words, self.op("Add", kind, places)), "embeddings.LayerNorm"
        )

    def _layer(self, weights: EncoderWeights, states: str, bias: str, name: str) -> str:
        size = weights.words.shape[1] // weights.heads

        def by_head(kind: str, order: list[int]) -> str:
            mapped = self._map(weights, states, f"{name}.attention.self.{kind}")
            split = self.op("Reshape", mapped, self.whole(0, 0, weights.heads, size))
            return self.op("Transpose", split, perm=order)

        query, value = (by_head(kind, [0, 2, 1, 3]) for kind in ("query", "value"))
        scores = self.op("MatMul", query, by_head("key", [0, 2, 3, 1]))
        scores = self.op("Mul", scores, self.constant(1 / math.sqrt(size), np.float32))
        found = self.op("MatMul", self.op("Softmax", self.op("Add", scores, bias), axis=-1), value)
        together = self.op("Transpose", found, perm=[0, 2, 1, 3])
        attended = self.op("Reshape", together, self.whole(0, 0, -1))
        attended = self._map(weights, attended, f"{name}.attention.output.dense")
        states = self._scaled(weights, self.op("Add", attended, states), f"{name}.attention.output.LayerNorm")
        inner = self._activated(weights.activation, self._map(weights, states, f"{name}.intermediate.dense"))
        outer = self._map(weights, inner, f"{name}.output.dense")
        return self._scaled(weights, self.op("Add", outer, states), f"{name}.output.LayerNorm")

    def _map(self, weights: EncoderWeights, value: str, name: str) -> str:
        product = self.op("MatMul", value, self.constant(weights.tensors[f"{name}.weight"].T), name=name)
        return self.op("Add", product, self.constant(weights.tensors[f"{name}.bias"]))

    def _scaled(self, weights: EncoderWeights, value: str, name: str) -> str:
        scale, bias = (self.constant(weights.tensors[f"{name}.{kind}"]) for kind in ("weight", "bias"))
        return self.op("LayerNormalization", value, scale, bias, axis=-1, epsilon=weights.epsilon)

    def _activated(self, kind: str, value: str) -> str:
        if kind == "relu":
            return self.op("Relu", value)
        if kind == "gelu":
            inner = self.op("Erf", self.op("Div", value, self.constant(math.sqrt(2), np.float32)))
        else:  # the approximation by tanh, whatever it is called
            cube = self.op("Mul", self.op("Mul", value, value), value)
            moved = self.op("Add", value, self.op("Mul", cube, self.constant(0.044715, np.float32)))
            inner = self.op("Tanh", self.op("Mul", moved, self.constant(math.sqrt(2 / math.pi), np.float32)))
        sure = self.op("Add", inner, self.constant(1, np.float32))
        return self.op("Mul", self.op("Mul", value, sure), self.constant(0.5, np.float32))

    def vectors(self, states: str, mask: str, config: Any) -> str:
        """Pool states to one vector a text as a graft does, [texts, size]."""
        true = self.op("Unsqueeze", self.op("Cast", mask, to=1), self.whole(2))
        if config.pooling == "cls":
            found = self.op("Gather", states, self.constant(0, np.int64), axis=1)
        elif config.pooling == "max":
            is_true = self.op("Greater", true, self.constant(0, np.float32))
            least = self.constant(np.finfo(np.float32).min, np.float32)
            kept = self.op("Where", is_true, states, least)
            found = self.op("ReduceMax", kept, self.whole(1), keepdims=0)
        else:
            sums = self.op("ReduceSum", self.op("Mul", states, true), self.whole(1), keepdims=0)
            count = self.op("ReduceSum", true, self.whole(1), keepdims=0)
            found = self.op("Div", sums, self.op("Max", count, self.constant(1, np.float32)))
        return self.normalized(found) if config.normalize else found

    def head(self, layers: Any, value: str) -> str:
        """Apply the layers of a graft's head."""
        *hidden, last = layers
        for layer in hidden:
            value = self.op("Relu", self.linear(value, layer))
        return self.linear(value, last)

    def shapes(self, table: Any) -> list[str]:
        """Return what a head is told of the writing of each word and of its neighbours."""
        written, rows = self.input(WORD_SHAPES, "texts", "time"), self.constant(numbers(table))
        told = []
        for place in range(PLACES):
            shape = self.op("Mod", self.op("Div", written, self.whole(SHAPES**place)), self.whole(SHAPES))
            told.append(self.op("Gather", rows, self.op("Add", shape, self.whole(SHAPES * place)), axis=0))
        return told


def merged_encoder(graft: Graft) -> Any:
    """Return the encoder of a graft, with its adapter in its weights if it has one."""
    if not graft.config.lora_rank:
        return graft.encoder
    from textgraft.models.encoders import load_encoder

    encoder, _ = load_encoder(graft.source)
    graft.adapter.merge_into(encoder)
    return encoder


def draw_graft(graft: Graft, path: Path, *, has_types: bool) -> None:
    """Write an encoder with the head that a graft puts on it, its adapter merged into the weights.

    Inputs are input_ids, attention_mask and, with ``has_types``, token_type_ids, int64 [texts, time]. A graft
    that averages the windows of a text takes besides "averaging", fp32 [answers, texts]: the share of each
    window in each text. One that is told how words are written takes "word_shapes", int64 [texts, time]. The
    output is "logits", as :func:`textgraft.export.recurrent_graph.draw` has it; of a reader [texts, 2, time],
    over all of the input.
    """
    graph, config = EncoderDrawing(), graft.config
    ids, mask = (graph.input(name, "texts", "time") for name in ("input_ids", "attention_mask"))
    types = graph.input("token_type_ids", "texts", "time") if has_types else None
    states = graph.states(merged_encoder(graft), ids, mask, types)
    if isinstance(graft, GraftForSequenceClassification | PairGraftForSequenceClassification):
        vectors = graph.vectors(states, mask, config)
        if isinstance(graft, PairGraftForSequenceClassification):
            vectors = graph.compared(vectors)
        elif config.window:
            shares = graph.input("averaging", "answers", "texts", whole=False)
            vectors = graph.op("MatMul", shares, vectors)
            vectors = graph.normalized(vectors) if config.normalize else vectors
        graph.save(path, graph.head(graft.layers, vectors), "answers", "outputs")
    elif isinstance(graft, GraftForMultipleChoice):
        graph.save(path, graph.head(graft.layers, graph.vectors(states, mask, config)), "texts", 1)
    else:
        if config.word_shapes:
            states = graph.op("Concat", states, *graph.shapes(graft.get_parameter("shapes.weight")), axis=2)
        _save_tokens(
            graph, path, graph.head(graft.layers, states), isinstance(graft, GraftForQuestionAnswering)
        )


def draw_fine_tuned(model: Any, path: Path, *, has_types: bool, head: str, in_windows: bool = False) -> None:
    """Write a fine-tuned encoder of BERT's kind with Transformers' head, inputs and output as above.

    Args:
        model: Any of Transformers' models of BERT's kind for a task.
        path: The file.
        has_types: As for :func:`draw_graft`.
        head: Name of the Auto class of the model's task.
        in_windows: Whether it averages the logits of a text's windows; it then takes "averaging".
    """
    graph, base = EncoderDrawing(), model.base_model
    ids, mask = (graph.input(name, "texts", "time") for name in ("input_ids", "attention_mask"))
    types = graph.input("token_type_ids", "texts", "time") if has_types else None
    states = graph.states(base, ids, mask, types)
    if head in ("AutoModelForTokenClassification", "AutoModelForQuestionAnswering"):
        is_reader = head == "AutoModelForQuestionAnswering"
        layer = model.qa_outputs if is_reader else model.classifier
        _save_tokens(graph, path, graph.linear(states, layer), is_reader)
        return
    first = graph.op("Gather", states, graph.constant(0, np.int64), axis=1)
    dense, last, activation = _head_layers(model)
    logits = graph.linear(graph.op(activation, graph.linear(first, dense)), last)
    if in_windows:
        logits = graph.op("MatMul", graph.input("averaging", "answers", "texts", whole=False), logits)
    graph.save(path, logits, "answers", "outputs")


def _head_layers(model: Any) -> tuple[Any, Any, str]:
    """Return the two layers above the first token's state, and what stands between them."""
    if hasattr(model, "pre_classifier"):  # DistilBERT
        return model.pre_classifier, model.classifier, "Relu"
    pooler = getattr(model.base_model, "pooler", None)
    if pooler is not None:
        return pooler.dense, model.classifier, "Tanh"
    return model.classifier.dense, model.classifier.out_proj, "Tanh"  # RoBERTa


def _save_tokens(graph: Drawing, path: Path, logits: str, is_reader: bool) -> None:
    if is_reader:
        graph.save(path, graph.op("Transpose", logits, perm=[0, 2, 1]), "texts", 2, "time")
    else:
        graph.save(path, logits, "texts", "time", "tags")
