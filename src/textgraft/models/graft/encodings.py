"""A graft before it has a head: it makes encodings, which training moves apart or together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor
from transformers.utils import ModelOutput

from textgraft.models.graft.base import Beside, GraftConfig
from textgraft.models.graft.heads import GraftForSequenceClassification


@dataclass
class EncodingOutput(ModelOutput):
    """What :class:`GraftForEncoding` returns."""

    encodings: Tensor
    """One row a text, [batch, size]."""
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


class GraftForEncoding(GraftForSequenceClassification):
    """Returns the pooled hidden states of texts, on which a head is fitted once the adapter is trained.

    Args:
        config: Of the graft with its head, whose layers wait untrained.
    """

    def __init__(self, config: GraftConfig) -> None:
        super().__init__(config)
        self.layers.requires_grad_(False)

    def _output(self, vectors: Tensor, labels: Any, beside: Beside) -> Any:
        del labels
        return EncodingOutput(encodings=vectors, **beside)

    config: GraftConfig

    def with_head(self, layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> GraftForSequenceClassification:
        """Return a graft with this one's adapter under a head.

        Args:
            layers: Weight [outputs, inputs] and bias [outputs] of each layer, the lowest first.
        """
        model = GraftForSequenceClassification.from_layers(self.config, layers)
        model.adapter.load_state_dict(self.adapter.state_dict())
        return model
