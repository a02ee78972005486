"""Attention of a decoder to the states of a source: which of them matter for the word that comes next.

Both kinds turn scores into weights by a softmax over the true tokens of the source, and the weighted mean of
the states is what the decoder gets to see, its context. They differ in how a decoder state s is compared with
a source state h:

    additive         score(s, h) = v · tanh(W s + U h)      (Bahdanau et al. 2015)
    multiplicative   score(s, h) = s · W h                  (Luong et al. 2015, "general")

What depends on the source alone, U h or W h, is computed once for each source: its keys.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Memory(NamedTuple):
    """What a decoder can look at: the states of its sources, and what they are compared by."""

    keys: Tensor
    """[batch, source time, key_size]."""
    values: Tensor
    """The states, [batch, source time, value_size]."""
    mask: Tensor
    """True at true tokens, [batch, source time]; each row has at least one."""

    def rows(self, index: Tensor) -> Memory:
        """Return the memory of some rows of the batch."""
        return Memory(*(tensor.index_select(0, index) for tensor in self))


class CrossAttention(nn.Module):
    """What the two kinds share: keys, weights and contexts."""

    def remember(self, states: Tensor, mask: Tensor) -> Memory:
        """Make the memory of a batch of sources from states [batch, time, value_size] and their mask."""
        return Memory(self.keys(states), states, mask)

    def forward(self, queries: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Look at the sources.

        Args:
            queries: Decoder states, [batch, target time, query_size]; in beam search several rows a source,
                those of one source side by side.
            memory: From :meth:`remember`, a row a source.

        Returns:
            Contexts [batch, target time, value_size], and the weights [batch, target time, source time],
            which are 0 at padding and sum to 1.
        """
        batch, time, _ = queries.shape
        by_source = queries.reshape(len(memory.keys), -1, queries.shape[-1])
        scores = self.scores(by_source, memory.keys).float()
        weights = scores.masked_fill(~memory.mask.unsqueeze(1), -torch.inf).softmax(dim=-1)
        contexts = torch.bmm(weights.to(memory.values.dtype), memory.values)
        return contexts.view(batch, time, -1), weights.view(batch, time, -1)

    @abstractmethod
    def keys(self, states: Tensor) -> Tensor:
        """Return what source states [batch, time, value_size] are compared by."""

    @abstractmethod
    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Compare every query with every key: [batch, target time, source time]."""


class AdditiveAttention(CrossAttention):
    """A small network compares states (Bahdanau et al. 2015, appendix A.1.2).

    Args:
        query_size: Width of the decoder's states.
        value_size: Width of the source states.
    """

    def __init__(self, query_size: int, value_size: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_size, query_size, bias=False)
        self.key = nn.Linear(value_size, query_size)
        self.score = nn.Linear(query_size, 1, bias=False)

    def keys(self, states: Tensor) -> Tensor:
        """Return U h + b."""
        return self.key(states)

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Return v · tanh(W s + U h + b)."""
        sums = self.query(queries).unsqueeze(2) + keys.unsqueeze(1)
        return self.score(torch.tanh(sums)).squeeze(-1)


class MultiplicativeAttention(CrossAttention):
    """A bilinear form compares states (Luong et al. 2015, section 3.1, "general").

    Args:
        query_size: Width of the decoder's states.
        value_size: Width of the source states.
    """

    def __init__(self, query_size: int, value_size: int) -> None:
        super().__init__()
        self.key = nn.Linear(value_size, query_size, bias=False)

    def keys(self, states: Tensor) -> Tensor:
        """Return W h."""
        return self.key(states)

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Return s · W h."""
        return torch.bmm(queries, keys.transpose(1, 2))
