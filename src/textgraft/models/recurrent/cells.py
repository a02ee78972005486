"""Recurrent cells as plain equations: one step each, nothing fused, nothing hidden.

This is the reference to read. Models run torch's fused layers (:mod:`textgraft.models.recurrent.encoder`),
which compute the same numbers; the tests hold the two together.

Notation: x is the input of this step, h the hidden state, c the cell state, σ the logistic function and ⊙ the
product element by element. Every gate has its own weights W (on x), U (on h) and biases b, d. torch keeps the
gates of a cell stacked in one matrix; :class:`Weights` holds them so, and :meth:`Weights.gates` takes the
stack apart.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Weights(NamedTuple):
    """The weights of one layer in one direction, its gates stacked along the first dimension."""

    w: Tensor
    """On the input, [gates * hidden, input]."""
    u: Tensor
    """On the hidden state, [gates * hidden, hidden]."""
    b: Tensor
    """Added to ``w @ x``, [gates * hidden]."""
    d: Tensor
    """Added to ``u @ h``, [gates * hidden]. Only the GRU's candidate makes it differ from ``b``."""

    @classmethod
    def of(cls, layer: nn.RNNBase) -> Weights:
        """Return the weights of a fused torch layer (first layer, forward direction), shared, not copied."""
        return cls(
            *(layer.get_parameter(f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        )

    def gates(self, x: Tensor, h: Tensor, count: int) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Return what each gate hears: W x + b of the input and U h + d of the past, [batch, hidden] each."""
        return (x @ self.w.T + self.b).chunk(count, dim=-1), (h @ self.u.T + self.d).chunk(count, dim=-1)


def rnn_step(x: Tensor, h: Tensor, weights: Weights) -> Tensor:
    """Take one step of the simple recurrent network (Elman 1990, "Finding Structure in Time").

        h' = tanh(W x + b + U h + d)

    Everything the network remembers is squeezed through the tanh at every step, so gradients fade
    exponentially with distance (Bengio et al. 1994). The gated cells below exist for that reason.

    Args:
        x: Input of this step, [batch, input].
        h: Hidden state so far, [batch, hidden].
        weights: Of one gate.

    Returns:
        The new hidden state, [batch, hidden].
    """
    ((from_input,), (from_past,)) = weights.gates(x, h, 1)
    return torch.tanh(from_input + from_past)


class LSTMState(NamedTuple):
    """What an LSTM carries from step to step, and the gates that led there; [batch, hidden] each."""

    h: Tensor
    """Hidden state: what the cell shows to the next layer and to its own gates."""
    c: Tensor
    """Cell state: what the cell remembers."""
    i: Tensor | None = None
    """Input gate: how much of the candidate is written."""
    f: Tensor | None = None
    """Forget gate: how much of the old cell state stays."""
    g: Tensor | None = None
    """Candidate: what would be written."""
    o: Tensor | None = None
    """Output gate: how much of the cell state is shown."""


def lstm_step(x: Tensor, state: LSTMState, weights: Weights) -> LSTMState:
    """Take one step of the LSTM (Hochreiter & Schmidhuber 1997; forget gate by Gers et al. 2000).

        i = σ(W_i x + b_i + U_i h + d_i)        input gate
        f = σ(W_f x + b_f + U_f h + d_f)        forget gate
        g = tanh(W_g x + b_g + U_g h + d_g)     candidate
        o = σ(W_o x + b_o + U_o h + d_o)        output gate
        c' = f ⊙ c + i ⊙ g                      cell state
        h' = o ⊙ tanh(c')                       hidden state

    The cell state is added to, not squeezed: where f stays near 1, gradients pass many steps unharmed.

    Args:
        x: Input of this step, [batch, input].
        state: Hidden and cell state so far, [batch, hidden] each.
        weights: Of four gates, in the order i, f, g, o.

    Returns:
        The new state, with the gates of this step.
    """
    from_input, from_past = weights.gates(x, state.h, 4)
    i, f, g, o = (a + b for a, b in zip(from_input, from_past, strict=True))
    i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
    c = f * state.c + i * g
    h = o * torch.tanh(c)
    return LSTMState(h, c, i, f, g, o)


class GRUState(NamedTuple):
    """What a GRU carries from step to step, and the gates that led there; [batch, hidden] each."""

    h: Tensor
    """Hidden state."""
    r: Tensor | None = None
    """Reset gate: how much of the past the candidate hears."""
    z: Tensor | None = None
    """Update gate: how much of the old hidden state stays."""
    n: Tensor | None = None
    """Candidate: what would take its place."""


def gru_step(x: Tensor, h: Tensor, weights: Weights) -> GRUState:
    """Take one step of the gated recurrent unit (Cho et al. 2014).

        r = σ(W_r x + b_r + U_r h + d_r)        reset gate
        z = σ(W_z x + b_z + U_z h + d_z)        update gate
        n = tanh(W_n x + b_n + r ⊙ (U_n h + d_n))   candidate
        h' = (1 - z) ⊙ n + z ⊙ h

    This is the variant of torch, of cuDNN and of the paper's first version (arXiv 1406.1078v1): the reset
    gate acts after the matrix product, so that one product serves all gates. The later versions of the paper
    have U_n (r ⊙ h).

    Args:
        x: Input of this step, [batch, input].
        h: Hidden state so far, [batch, hidden].
        weights: Of three gates, in the order r, z, n.

    Returns:
        The new hidden state, with the gates of this step.
    """
    (r_input, z_input, n_input), (r_past, z_past, n_past) = weights.gates(x, h, 3)
    r = torch.sigmoid(r_input + r_past)
    z = torch.sigmoid(z_input + z_past)
    n = torch.tanh(n_input + r * n_past)
    return GRUState((1 - z) * n + z * h, r, z, n)
