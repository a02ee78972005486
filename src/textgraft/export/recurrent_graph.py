"""Recurrent networks as ONNX graphs, with ONNX's own recurrent operators.

ONNX's LSTM, GRU and RNN take the true length of each text and read it from its end by themselves, within that
length: nothing is reversed by hand, and no length is frozen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from textgraft.export.drawing import Drawing, numbers
from textgraft.models.recurrent.characters import CharacterCNN
from textgraft.models.recurrent.choice import RecurrentForMultipleChoice
from textgraft.models.recurrent.encoder import RecurrentForSequenceClassification, RecurrentModel
from textgraft.models.recurrent.reader import RecurrentForQuestionAnswering
from textgraft.models.recurrent.tagger import RecurrentForTokenClassification

_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}
"""Places among torch's gates of ONNX's: i, o, f, c of i, f, g, o; z, r, h of r, z, n."""
_LEAST = float(np.finfo(np.float32).min)


class RecurrentDrawing(Drawing):
    """Draws what recurrent networks are made of."""

    def cell(self, layer: Any, inputs: str, *more: str, leftward: bool = False) -> list[str]:
        """Apply a recurrent layer of torch's in one direction.

        Args:
            layer: An nn.LSTM, nn.GRU or nn.RNN of one layer.
            inputs: [time, texts, size].
            more: True lengths [texts], the hidden state to begin with [1, texts, hidden], and of an LSTM the
                cell state; empty strings where there are none.
            leftward: Whether texts are read from their ends.

        Returns:
            States [time, 1, texts, hidden], 0 at padding; the last one [1, texts, hidden]; of an LSTM its
            last cell state.
        """
        kind = type(layer).__name__
        order = np.array(_GATES[kind])

        def gates(name: str) -> Any:
            parts = numbers(getattr(layer, name))
            return parts.reshape(len(order), layer.hidden_size, -1)[order].reshape(parts.shape)

        bias = np.concatenate([gates("bias_ih_l0"), gates("bias_hh_l0")])
        return self.ops(
            kind,
            3 if kind == "LSTM" else 2,
            inputs,
            self.constant(gates("weight_ih_l0")[None]),
            self.constant(gates("weight_hh_l0")[None]),
            self.constant(bias[None]),
            *more,
            hidden_size=layer.hidden_size,
            direction="reverse" if leftward else "forward",
            # torch applies a GRU's reset gate behind the linear map.
            **({"linear_before_reset": 1} if kind == "GRU" else {}),
        )

    def direction(self, layer: Any, inputs: str, lengths: str, *, leftward: bool) -> tuple[str, str]:
        """Run one direction over [time, texts, size].

        Returns:
            Its states [time, texts, hidden], 0 at padding, and the one after the last step [texts, hidden].
        """
        states, last, *_ = self.cell(layer, inputs, lengths, leftward=leftward)
        return self.op("Squeeze", states, self.whole(1)), self.op("Squeeze", last, self.whole(0))

    def layer(self, layer: Any, inputs: str, lengths: str) -> tuple[str, str]:
        """Run a recurrent layer, in one direction or both.

        Args:
            layer: A ``RecurrentLayer``.
            inputs: [texts, time, size].
            lengths: Of the texts.

        Returns:
            States [texts, time, size], and the last of each direction side by side [texts, size].
        """
        steps = self.op("Transpose", inputs, perm=[1, 0, 2])
        right, left = self.halves(steps, 2) if layer.apart else (steps, steps)
        found = [self.direction(layer.rightward, right, lengths, leftward=False)]
        if layer.leftward is not None:
            found.append(self.direction(layer.leftward, left, lengths, leftward=True))
        states, last = (
            self.op("Concat", *parts, axis=-1) if len(parts) > 1 else parts[0]
            for parts in zip(*found, strict=True)
        )
        return self.op("Transpose", states, perm=[1, 0, 2]), last

    def characters(self, encoder: Any, ids: str) -> str:
        """Make a vector of the characters of each word: [texts, time, characters] to [texts, time, size]."""
        shape = self.op("Shape", ids)
        width = self.op("Slice", shape, self.whole(2), self.whole(3))
        words = self.op("Reshape", ids, self.op("Concat", self.whole(-1), width, axis=0))
        is_letter = self.op("Cast", self.op("Greater", words, self.constant(0, np.int64)), to=7)
        lengths = self.clipped(is_letter)
        vectors = self.op("Gather", self.constant(numbers(encoder.embedding.weight)), words)
        if isinstance(encoder, CharacterCNN):
            answers = self.op(
                "Conv",
                self.op("Transpose", vectors, perm=[0, 2, 1]),
                self.constant(numbers(encoder.convolution.weight)),
                self.constant(numbers(encoder.convolution.bias)),
                pads=[1, 1],
            )
            true = self.op("Unsqueeze", self.true(lengths, words), self.whole(1))
            kept = self.op("Where", true, answers, self.constant(-np.inf, np.float32))
            found = self.op("ReduceMax", kept, self.whole(2), keepdims=0)
        else:
            steps = self.op("Transpose", vectors, perm=[1, 0, 2])
            sides = (
                self.direction(layer, steps, lengths, leftward=leftward)[1]
                for layer, leftward in ((encoder.rightward, False), (encoder.leftward, True))
            )
            found = self.op("Concat", *sides, axis=-1)
        is_word = self.op("ReduceMax", is_letter, self.whole(1), keepdims=1)
        found = self.op("Mul", found, self.op("Cast", is_word, to=1))
        places = self.op("Slice", shape, self.whole(0), self.whole(2))
        return self.op("Reshape", found, self.op("Concat", places, self.whole(-1), axis=0))

    def network(self, model: RecurrentModel, ids: str, mask: str) -> tuple[str, str, str]:
        """Embed and encode.

        Returns:
            States [texts, time, size], the last ones [texts, size], and the true lengths.
        """
        lengths = self.clipped(mask)
        states = self.op("Gather", self.constant(numbers(model.get_input_embeddings().weight)), ids)
        if model.characters is not None:
            given = self.input("character_ids", "texts", "time", "characters")
            states = self.op("Concat", states, self.characters(model.characters, given), axis=-1)
        last = ""
        for layer in model.layers:
            states, last = self.layer(layer, states, lengths)
        return states, last, lengths

    def pooled(self, model: RecurrentModel, ids: str, mask: str) -> str:
        """Make one vector of each text, [texts, pooled_size]."""
        states, last, lengths = self.network(model, ids, mask)
        kind = model.config.pooling
        if kind == "last":
            return last
        true = self.op("Unsqueeze", self.true(lengths, ids), self.whole(2))
        if kind == "attention":
            pooling: Any = model.pooling
            seen = self.op("Tanh", self.linear(states, pooling.projection))
            scores = self.op(
                "Where", true, self.linear(seen, pooling.context), self.constant(-np.inf, np.float32)
            )
            weights = self.op("Softmax", scores, axis=1)
            return self.op("ReduceSum", self.op("Mul", weights, states), self.whole(1), keepdims=0)
        kept = self.op("Where", true, states, self.constant(_LEAST, np.float32))
        greatest = self.op("ReduceMax", kept, self.whole(1), keepdims=0)
        # States at padding are 0.
        count = self.op("Unsqueeze", self.op("Cast", lengths, to=1), self.whole(1))
        mean = self.op("Div", self.op("ReduceSum", states, self.whole(1), keepdims=0), count)
        return self.op("Concat", last, greatest, mean, axis=-1)


def draw(model: Any, path: Path) -> None:
    """Write a recurrent model with any of its heads.

    Inputs are input_ids and attention_mask, int64 [texts, time], and character_ids [texts, time, characters]
    where the model reads them. Of pairs all first texts come before all second ones. The output is "logits":
    [texts, labels], [pairs, labels], [choices, 1], of a tagger [texts, time, tags], and of a reader
    [pairs, 2, time]: start and end in the context, its special token first.
    """
    graph = RecurrentDrawing()
    ids = graph.input("input_ids", "texts", "time")
    mask = graph.input("attention_mask", "texts", "time")
    if isinstance(model, RecurrentForTokenClassification):
        states, _, _ = graph.network(model.recurrent, ids, mask)
        graph.save(path, graph.linear(states, model.classifier), "texts", "time", "tags")
    elif isinstance(model, RecurrentForQuestionAnswering):
        graph.save(path, _pointed(graph, model, ids, mask), "pairs", 2, "time")
    else:
        assert isinstance(model, RecurrentForSequenceClassification | RecurrentForMultipleChoice)
        vectors = graph.pooled(model.recurrent, ids, mask)
        if isinstance(model, RecurrentForMultipleChoice) or model.config.pairs:
            logits = graph.pair_head(model.classifier, graph.compared(vectors))
        else:
            logits = graph.linear(vectors, model.classifier)
        graph.save(path, logits, "answers", "outputs")


def _pointed(graph: RecurrentDrawing, model: RecurrentForQuestionAnswering, ids: str, mask: str) -> str:
    """Draw attention flow and the layers above it; see the reader for the equations."""
    states, _, lengths = graph.network(model.recurrent, ids, mask)
    (question, context), (_, of_context) = graph.halves(states), graph.halves(lengths)
    true_question, true_context = graph.halves(graph.true(lengths, ids))
    flow: Any = model.attention
    turned = graph.op("Transpose", question, perm=[0, 2, 1])
    both = graph.op("MatMul", graph.op("Mul", context, graph.constant(numbers(flow.of_both.weight))), turned)
    to_question = graph.op("Transpose", graph.linear(question, flow.of_question), perm=[0, 2, 1])
    scores = graph.op("Add", graph.op("Add", both, graph.linear(context, flow.of_context)), to_question)
    least = graph.constant(_LEAST, np.float32)
    scores = graph.op("Where", graph.op("Unsqueeze", true_question, graph.whole(1)), scores, least)
    found = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), question)
    most = graph.op("ReduceMax", scores, graph.whole(2), keepdims=0)
    matter = graph.op("Softmax", graph.op("Where", true_context, most, least), axis=-1)
    asked = graph.op("MatMul", graph.op("Unsqueeze", matter, graph.whole(1)), context)
    flowed = graph.op(
        "Concat", context, found, graph.op("Mul", context, found), graph.op("Mul", context, asked), axis=-1
    )
    modeled = flowed
    for layer in model.modeling:
        modeled, _ = graph.layer(layer, modeled, of_context)
    ending, _ = graph.layer(model.ending, modeled, of_context)
    sides = (
        graph.linear(graph.op("Concat", flowed, above, axis=-1), head)
        for above, head in ((modeled, model.start), (ending, model.end))
    )
    return graph.op("Transpose", graph.op("Concat", *sides, axis=-1), perm=[0, 2, 1])
