"""A network that reads to the right alone, as a graph of one step: token and state in, logits and state out.

Whoever calls it hands the state on, so that a text of any length is read as it comes and nothing of it is
ever read twice. Pooling goes along: the maximum of attention's scores, the sum of their exponentials and the
weighted sum of the states are carried from token to token (Milakov and Gimelshein 2018, "Online normalizer
calculation for softmax").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from textgraft import runtime
from textgraft.errors import ModelError, OptionError
from textgraft.export.checking import GRAPH_TOLERANCE
from textgraft.export.drawing import numbers
from textgraft.export.recurrent_graph import RecurrentDrawing
from textgraft.files import write_json
from textgraft.integrity import seal
from textgraft.models.recurrent.encoder import RecurrentForSequenceClassification
from textgraft.models.recurrent.language_model import RecurrentForCausalLM
from textgraft.models.recurrent.onward import HOW_TO_TRAIN, why_not_onward
from textgraft.models.recurrent.tagger import RecurrentForTokenClassification
from textgraft.tokenization.encode import TextFrame

_LEAST = float(np.finfo(np.float32).min)
_CHECKED = 17
"""Tokens, drawn at random, on which the steps are held against the network."""


@dataclass
class _Step:
    """The graph of one step, and the states that it carries."""

    graph: RecurrentDrawing = field(default_factory=RecurrentDrawing)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of each its shape for one text, and the number that it is filled with at the beginning."""
    found: dict[str, tuple[str, tuple[str | int, ...]]] = field(default_factory=dict)
    """What the next state of each is, and its axes."""

    def take(self, name: str, *axes: str | int, start: float = 0.0) -> str:
        """Declare a state."""
        self.states[name] = {"shape": [1 if axis == "texts" else axis for axis in axes], "start": start}
        return self.graph.input(name, *axes, whole=False)

    def give(self, name: str, value: str) -> str:
        """Say what a state is after the step; returns it."""
        shape = self.states[name]["shape"]
        place = 1 if name in ("hidden", "cell") else 0
        axes = tuple("texts" if n == place else axis for n, axis in enumerate(shape))
        self.found[f"next_{name}"] = (value, axes)
        return value


def write_stream(folder: Path, model: Any, tokenizer: Any, labels: Sequence[str]) -> float:
    """Write a network of one direction as a graph of one step, with all that feeding it texts needs.

    Args:
        folder: A folder that is there.
        model: A language model, or a classifier or tagger that reads to the right alone.
        tokenizer: Its own.
        labels: Names of its outputs; of a language model none: they are tokens.

    Returns:
        The largest difference between a logit of the steps and of the network.

    Raises:
        OptionError: The network cannot be run step by step.
        ModelError: The steps do not give what the network gives.
    """
    _check_streams(model)
    states = draw_step(model, folder / runtime.GRAPH)
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    facts = {
        "format": runtime.FORMAT,
        "kind": "stream",
        "precision": "fp32",
        "states": states,
        "labels": list(labels),
        "begin": TextFrame.of(backend, " a").before,
        "encode_special_tokens": backend.encode_special_tokens,
    }
    write_json(folder / runtime.FACTS, facts)
    (folder / runtime.TOKENIZER).write_text(backend.to_str(), "utf-8")
    seal(folder)
    drift = _drift(model, runtime.Stream(folder))
    if not drift <= GRAPH_TOLERANCE:
        raise ModelError(
            f"the steps do not give what the network gives: a logit is off by {drift:.4f}",
            where="model",
            fix="It is not written. Please report the model's config.json.",
        )
    return drift


def _check_streams(model: Any) -> None:
    reason = why_not_onward(model)
    if reason is None and model.config.reads_characters:
        reason = "the graph of a step takes no characters"
    if reason is not None:
        raise OptionError(
            f"this network cannot be exported token by token: {reason}",
            where="--format",
            fix=f"Export it with --format onnx. {HOW_TO_TRAIN}",
        )


def draw_step(model: Any, path: Path) -> dict[str, dict[str, Any]]:
    """Write the graph of one step.

    Inputs are input_ids, int64 [texts, 1], and the states; outputs "logits" [texts, outputs], and each state
    after the token, named "next_" and the state's name.

    Returns:
        Of each state its shape for one text, and what it is filled with at the beginning.
    """
    step = _Step()
    graph, config = step.graph, model.config
    ids = graph.input("input_ids", "texts", 1)
    vectors = graph.op("Gather", graph.constant(numbers(model.get_input_embeddings().weight)), ids)
    steps = graph.op("Transpose", vectors, perm=[1, 0, 2])
    axes = (config.num_layers, "texts", config.hidden_size)
    names = ("hidden", "cell") if config.cell == "lstm" else ("hidden",)
    before = {name: step.take(name, *axes) for name in names}
    after: dict[str, list[str]] = {name: [] for name in names}
    for depth, layer in enumerate(model.recurrent.layers):
        begin = [
            graph.op("Slice", before[name], graph.whole(depth), graph.whole(depth + 1), graph.whole(0))
            for name in names
        ]
        states, *last = graph.cell(layer.rightward, steps, "", *begin)
        steps = graph.op("Squeeze", states, graph.whole(1))
        for name, value in zip(names, last, strict=True):
            after[name].append(value)
    for name, parts in after.items():
        step.give(name, graph.op("Concat", *parts, axis=0))
    state = graph.op("Squeeze", steps, graph.whole(0))
    graph.save(path, _logits(step, model, state), "texts", "outputs", **step.found)
    return step.states


def _logits(step: _Step, model: Any, state: str) -> str:
    graph = step.graph
    if isinstance(model, RecurrentForCausalLM):
        has_map = hasattr(model.projection, "weight")
        state = graph.linear(state, model.projection) if has_map else state
        return graph.linear(state, model.lm_head)
    if isinstance(model, RecurrentForTokenClassification):
        return graph.linear(state, model.classifier)
    return graph.linear(_pooled(step, model, state), model.classifier)


def _pooled(step: _Step, model: RecurrentForSequenceClassification, state: str) -> str:
    """Pool the states up to this one, [texts, pooled_size]."""
    graph, size = step.graph, model.config.hidden_size
    pooling: Any = model.recurrent.pooling
    if model.config.pooling == "last":
        return state
    if model.config.pooling == "attention":
        score = graph.linear(graph.op("Tanh", graph.linear(state, pooling.projection)), pooling.context)
        before = step.take("greatest_score", "texts", 1, start=_LEAST)
        greatest = step.give("greatest_score", graph.op("Max", before, score))
        faded = graph.op("Exp", graph.op("Sub", before, greatest))
        weight = graph.op("Exp", graph.op("Sub", score, greatest))
        total = graph.op("Add", graph.op("Mul", step.take("weights", "texts", 1), faded), weight)
        carried = graph.op("Mul", step.take("weighted", "texts", size), faded)
        weighted = step.give("weighted", graph.op("Add", carried, graph.op("Mul", weight, state)))
        return graph.op("Div", weighted, step.give("weights", total))
    greatest = step.give(
        "greatest", graph.op("Max", step.take("greatest", "texts", size, start=_LEAST), state)
    )
    total = step.give("total", graph.op("Add", step.take("total", "texts", size), state))
    one = graph.constant(1, np.float32)
    count = step.give("count", graph.op("Add", step.take("count", "texts", 1), one))
    return graph.op("Concat", state, greatest, graph.op("Div", total, count), axis=-1)


def _drift(model: Any, stream: runtime.Stream) -> float:
    """Feed the steps tokens at random; returns how far they end from what the network gives at once."""
    import torch

    ids = np.random.default_rng(0).integers(3, model.config.vocab_size, _CHECKED)
    found = [stream.step(int(token)) for token in ids]
    with torch.inference_mode():
        model.eval()
        outputs = model(input_ids=torch.from_numpy(ids)[None], attention_mask=torch.ones(1, len(ids)).long())
    logits = outputs.logits.float().numpy()[0]
    at = -1 if isinstance(model, RecurrentForSequenceClassification) else slice(None)
    told = found[-1] if at == -1 else np.stack(found)
    wanted = logits if at == -1 else logits[at]
    return float(np.abs(told - wanted).max())
