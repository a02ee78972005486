"""Pooling that is never finished: what has to be kept of all states so far to pool them, however many.

Each way of pooling keeps a few numbers for each text and adds to them with every state. Sums are kept in
fp64: in fp32 a sum over millions of states would no longer grow. The softmax of attention is that of
Milakov and Gimelshein 2018 ("Online normalizer calculation for softmax"): the greatest score so far, the sum
of the exponentials below it, and the weighted sum of the states; both fade when a greater score comes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from textgraft.models.recurrent.attention import AttentionPooling

Kept = dict[str, Tensor]
"""What is kept of each text, by its name, [texts] or [texts, size]."""


class RunningPooling(ABC):
    """Adds states to what is kept of some texts, and pools what there is.

    Args:
        module: The pooling of the network, for whole texts.
        size: Width of a state.
    """

    def __init__(self, module: nn.Module, size: int) -> None:
        self.module = module
        self.size = size

    @abstractmethod
    def start(self, texts: int) -> Kept:
        """Return what is kept of texts of which nothing was read."""

    @abstractmethod
    def add(self, kept: Kept, states: Tensor) -> Kept:
        """Add states [texts, time, size], all of them true ones."""

    @abstractmethod
    def pooled(self, kept: Kept, last: Tensor) -> Tensor:
        """Pool what was added; ``last`` is the last state of each text, [texts, size]."""


class RunningLast(RunningPooling):
    """The last state, which the network keeps anyway."""

    def start(self, texts: int) -> Kept:
        """Return nothing."""
        del texts
        return {}

    def add(self, kept: Kept, states: Tensor) -> Kept:
        """Keep nothing."""
        del states
        return kept

    def pooled(self, kept: Kept, last: Tensor) -> Tensor:
        """Return the last state, [texts, size]."""
        del kept
        return last


class RunningConcat(RunningPooling):
    """The last state, the greatest and the mean of all."""

    def start(self, texts: int) -> Kept:
        """Return the smallest number there is, and sums of nothing."""
        return {
            "greatest": torch.full((texts, self.size), torch.finfo(torch.float32).min),
            "total": torch.zeros(texts, self.size, dtype=torch.float64),
            "count": torch.zeros(texts, dtype=torch.float64),
        }

    def add(self, kept: Kept, states: Tensor) -> Kept:
        """Add to maximum and sum."""
        return {
            "greatest": torch.maximum(kept["greatest"], states.amax(dim=1)),
            "total": kept["total"] + states.double().sum(dim=1),
            "count": kept["count"] + states.shape[1],
        }

    def pooled(self, kept: Kept, last: Tensor) -> Tensor:
        """Return last, greatest and mean side by side, [texts, 3 * size]."""
        mean = kept["total"] / kept["count"].unsqueeze(1)
        return torch.cat([last, kept["greatest"], mean.to(last.dtype)], dim=-1)


class RunningAttention(RunningPooling):
    """A weighted mean of all states, with weights learned from the states."""

    def start(self, texts: int) -> Kept:
        """Return the smallest score there is, and sums of nothing."""
        return {
            "greatest_score": torch.full((texts,), torch.finfo(torch.float64).min, dtype=torch.float64),
            "weights": torch.zeros(texts, dtype=torch.float64),
            "weighted": torch.zeros(texts, self.size, dtype=torch.float64),
        }

    def add(self, kept: Kept, states: Tensor) -> Kept:
        """Score the states, and add them by their scores."""
        assert isinstance(self.module, AttentionPooling)
        scores = self.module.context(torch.tanh(self.module.projection(states))).squeeze(-1).double()
        greatest = torch.maximum(kept["greatest_score"], scores.amax(dim=1))
        faded = (kept["greatest_score"] - greatest).exp()
        weights = (scores - greatest.unsqueeze(1)).exp()
        return {
            "greatest_score": greatest,
            "weights": kept["weights"] * faded + weights.sum(dim=1),
            "weighted": kept["weighted"] * faded.unsqueeze(1)
            + torch.einsum("bt,bth->bh", weights, states.double()),
        }

    def pooled(self, kept: Kept, last: Tensor) -> Tensor:
        """Return the weighted mean, [texts, size]."""
        return (kept["weighted"] / kept["weights"].unsqueeze(1)).to(last.dtype)


RUNNING: dict[str, type[RunningPooling]] = {
    "last": RunningLast,
    "concat": RunningConcat,
    "attention": RunningAttention,
}
"""By the name of the pooling in the network's configuration."""
