"""Static vectors with their shallow network as an ONNX graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from textgraft.export.drawing import Drawing, numbers
from textgraft.models.baselines.static import StaticForSequenceClassification


def draw(model: StaticForSequenceClassification, path: Path) -> None:
    """Write the model: input_ids and attention_mask, int64 [texts, time], to "logits" [texts, outputs].

    Of pairs all first texts come before all second ones. Vectors that are stored in fp16 stay so.
    """
    graph = Drawing()
    ids = graph.input("input_ids", "texts", "time")
    mask = graph.input("attention_mask", "texts", "time")
    table = numbers(model.embeddings.weight).astype(model.config.stored_precision)
    vectors = graph.op("Cast", graph.op("Gather", graph.constant(table), ids), to=1)
    true = graph.op("Cast", mask, to=1)
    sums = graph.op(
        "ReduceSum",
        graph.op("Mul", vectors, graph.op("Unsqueeze", true, graph.whole(2))),
        graph.whole(1),
        keepdims=0,
    )
    if model.config.normalize:
        means = graph.normalized(sums)
    else:
        count = graph.op("ReduceSum", true, graph.whole(1), keepdims=1)
        means = graph.op("Div", sums, graph.op("Max", count, graph.constant(1, np.float32)))
    states = graph.compared(means) if model.config.pairs else means
    *hidden, last = model.layers
    for layer in hidden:
        states = graph.op("Relu", graph.linear(states, layer))
    graph.save(path, graph.linear(states, last), "answers", "outputs")
