"""Attention pooling: many states become one vector, and the weights say which tokens it was made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AttentionPooling(nn.Module):
    """A weighted mean of states, with weights learned from the states (Yang et al. 2016, section 2.2).

        u_t = tanh(W h_t + b)
        a_t = exp(u_t · q) / Σ exp(u_s · q)     over the true tokens s of the text
        v   = Σ a_t h_t

    The context vector q is learned; it stands for the question "which token tells the label?".

    Args:
        state_size: Width of the states.
        attention_size: Width of the space in which states are compared with the context vector.
    """

    def __init__(self, state_size: int, attention_size: int) -> None:
        super().__init__()
        self.projection = nn.Linear(state_size, attention_size)
        self.context = nn.Linear(attention_size, 1, bias=False)

    def forward(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Pool a batch.

        Args:
            states: [batch, time, state_size].
            mask: True at true tokens, [batch, time]; each row has at least one.

        Returns:
            The pooled states [batch, state_size], and the weights [batch, time], which are 0 at padding and
            sum to 1.
        """
        scores = self.context(torch.tanh(self.projection(states))).squeeze(-1).float()
        weights = scores.masked_fill(~mask, -torch.inf).softmax(dim=-1)
        return torch.einsum("bt,bth->bh", weights.to(states.dtype), states), weights
