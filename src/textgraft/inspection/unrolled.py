"""Recurrent layers run step by step, so that every state and gate on the way can be looked at.

torch's fused layers give the hidden states and nothing else: no gate, no cell state but the last, and of a
loss's gradient only the part that reaches a state directly, not the part that comes back through all later
steps. Here the same weights go through the equations of :mod:`textgraft.models.recurrent.cells`.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from textgraft.models.recurrent.cells import LSTMState, Weights, gru_step, lstm_step, rnn_step
from textgraft.models.recurrent.encoder import RecurrentLayer

DIRECTIONS = ("rightward", "leftward")


class Step(NamedTuple):
    """What a recurrent layer was after a step; [batch, hidden] each."""

    h: Tensor
    """Hidden state."""
    c: Tensor | None
    """Cell state, of an LSTM."""
    gates: dict[str, Tensor]
    """By their names: "forget", "input" and "output" of an LSTM, "update" and "reset" of a GRU."""


class UnrolledLayer(nn.Module):
    """Takes the place of a fused layer of one direction, and remembers the steps of its last call.

    Args:
        layer: nn.RNN, nn.LSTM or nn.GRU of one layer, batches first; its weights are shared.
    """

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.layer = layer
        self.cell = layer.mode.partition("_")[0].lower()
        """"rnn", "lstm" or "gru"."""
        self.steps: list[Step] = []
        """In the order of reading."""

    def forward(self, inputs: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Read a batch [batch, time, input] from a state, as the fused layer does.

        Args:
            inputs: [batch, time, input].
            state: As the fused layer takes it: a tensor, of an LSTM a pair, or None for zeros.

        Returns:
            The hidden states [batch, time, hidden] and the state after the last step.
        """
        given = state if isinstance(state, tuple) else (state,)
        parts = [None if part is None else part[0] for part in given]
        zeros = inputs.new_zeros(inputs.shape[0], self.layer.hidden_size)
        h, *cell_state = [zeros if part is None else part for part in parts]
        weights, self.steps = Weights.of(self.layer), []
        at = Step(h, cell_state[0] if cell_state else zeros, {})
        for x in inputs.unbind(dim=1):
            at = self._step(x, at, weights)
            self.steps.append(at)
        states = torch.stack([step.h for step in self.steps], dim=1)
        return states, at.h[None] if at.c is None else (at.h[None], at.c[None])

    def _step(self, x: Tensor, before: Step, weights: Weights) -> Step:
        if self.cell == "lstm":
            assert before.c is not None, "an LSTM begins with a cell state"
            lstm = lstm_step(x, LSTMState(before.h, before.c), weights)
            assert lstm.f is not None, "a step tells its gates"
            assert lstm.i is not None, "a step tells its gates"
            assert lstm.o is not None, "a step tells its gates"
            return Step(lstm.h, lstm.c, {"forget": lstm.f, "input": lstm.i, "output": lstm.o})
        if self.cell == "gru":
            gru = gru_step(x, before.h, weights)
            assert gru.z is not None, "a step tells its gates"
            assert gru.r is not None, "a step tells its gates"
            return Step(gru.h, None, {"update": gru.z, "reset": gru.r})
        return Step(rnn_step(x, before.h, weights), None, {})


def unrolled(model: PreTrainedModel) -> tuple[PreTrainedModel, dict[tuple[int, str], UnrolledLayer]]:
    """Return a copy of a model, in double precision, whose recurrent layers are unrolled.

    Gradients that fade over a thousand steps leave the range of single precision.

    Returns:
        The copy in evaluation mode, and its unrolled layers by their depth, counted from 1, and direction.
    """
    copied = copy.deepcopy(model).double().eval()
    layers: dict[tuple[int, str], UnrolledLayer] = {}
    depth = 0
    for module in list(copied.modules()):
        if isinstance(module, RecurrentLayer):
            depth += 1
            for direction in DIRECTIONS:
                fused = getattr(module, direction)
                if fused is not None:
                    layers[depth, direction] = UnrolledLayer(fused)
                    setattr(module, direction, layers[depth, direction])
    return copied, layers
