"""The floor: always the most frequent label, whatever the text."""

from __future__ import annotations

from dataclasses import field

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils import can_return_tuple

UNSEEN = 0.5
"""Rows credited to a label that no training row has: its share is small, and its logarithm finite."""


class MajorityConfig(PreTrainedConfig):
    """Describes a majority classifier.

    Args:
        label_counts: Training rows of each label, in label order.
    """

    model_type = "majority"

    label_counts: list[int] = field(default_factory=lambda: [1, 1])


class MajorityForSequenceClassification(PreTrainedModel):
    """Gives every text the logarithm of the training labels' shares.

    Args:
        config: Holds the counts.
    """

    config_class = MajorityConfig

    def __init__(self, config: MajorityConfig) -> None:
        super().__init__(config)
        counts = torch.tensor(config.label_counts, dtype=torch.float32).clamp(min=UNSEEN)
        self.logits = nn.Parameter((counts / counts.sum()).log())
        self.post_init()

    def output_parameters(self) -> list[nn.Parameter]:
        """Return the logits."""
        return [self.logits]

    @can_return_tuple
    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, labels: Tensor | None = None
    ) -> SequenceClassifierOutput:
        """Classify a batch without reading it.

        Args:
            input_ids: [batch, time]; only the number of rows counts.
            attention_mask: Not used.
            labels: Label indices [batch]; with them the mean cross-entropy is returned as loss.

        Returns:
            logits [batch, num_labels], and the loss if labels were given.
        """
        logits = self.logits.expand(len(input_ids), -1)
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)
