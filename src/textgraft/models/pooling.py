"""From hidden states to one vector a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from textgraft.errors import unknown
from textgraft.models.encoders import POOLINGS

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def pool(states: Tensor, attention_mask: Tensor, pooling: str) -> Tensor:
    """Reduce the hidden states of each text to one vector; padding has no part in it.

    Args:
        states: [batch, time, size].
        attention_mask: 1 at true tokens, 0 at padding, [batch, time].
        pooling: "mean" over the true tokens, "cls" for the first token, "max" over the true tokens.

    Returns:
        [batch, size], in fp32 whatever the precision of the states.

    Raises:
        OptionError: The pooling is unknown.
    """
    states = states.float()
    if pooling == "cls":
        # Of a left-padded text the first token stands where padding ends.
        is_first = (attention_mask != 0) & (attention_mask.cumsum(dim=1) == 1)
        return (states * is_first.unsqueeze(-1)).sum(dim=1)
    true = attention_mask.unsqueeze(-1)
    if pooling == "mean":
        return (states * true).sum(dim=1) / true.sum(dim=1).clamp(min=1)
    if pooling == "max":
        return states.masked_fill(true == 0, torch.finfo(torch.float32).min).amax(dim=1)
    raise unknown("pooling", pooling, POOLINGS)


class PooledEncoder(nn.Module):
    """An encoder, its pooling and its scaling as one module: token ids in, one vector a text out.

    Args:
        encoder: Any Transformers encoder that returns ``last_hidden_state``.
        pooling: "mean", "cls" or "max".
        normalize: Whether vectors are scaled to length one.

    Raises:
        OptionError: The pooling is unknown.
    """

    def __init__(self, encoder: PreTrainedModel, pooling: str = "mean", normalize: bool = True) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise unknown("pooling", pooling, POOLINGS)
        self.encoder = encoder
        self.pooling = pooling
        self.normalize = normalize

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Encode a right-padded batch.

        Args:
            input_ids: [batch, time].
            attention_mask: 1 at true tokens, [batch, time].

        Returns:
            Sentence encodings, fp32 [batch, size].
        """
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        pooled = pool(states, attention_mask, self.pooling)
        return nn.functional.normalize(pooled, dim=-1) if self.normalize else pooled
