"""The floor: always the most frequent label, whatever the text."""

from __future__ import annotations

from dataclasses import field

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils import can_return_tuple

from textgraft.models.asked import has_only_logits
from textgraft.models.baselines.wordless import WithoutWordVectors
from textgraft.models.padding import one_of

UNSEEN = 0.5
"""Rows credited to a label that no training row has: its share is small, and its logarithm finite."""


class MajorityConfig(PreTrainedConfig):
    """Describes a majority classifier.

    Args:
        label_counts: Training rows of each label, in label order.
        pad_token_id: Of the tokenizer, as Transformers' trainer notes it; the model needs none.
        bos_token_id: Likewise.
        eos_token_id: Likewise.
    """

    model_type = "majority"

    label_counts: list[int] = field(default_factory=lambda: [1, 1])
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | None = None


class MajorityForSequenceClassification(WithoutWordVectors, PreTrainedModel):
    """Gives every text the logarithm of the training labels' shares.

    Args:
        config: Holds the counts.
    """

    config_class = MajorityConfig

    def __init__(self, config: MajorityConfig) -> None:
        super().__init__(config)
        self.logits = nn.Parameter(torch.zeros(len(config.label_counts)))
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if module is self:
            counts = torch.tensor(self.config.label_counts, dtype=torch.float32).clamp(min=UNSEEN)
            init.copy_(self.logits, (counts / counts.sum()).log())

    def output_parameters(self) -> list[nn.Parameter]:
        """Return the logits."""
        return [self.logits]

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> SequenceClassifierOutput:
        """Classify a batch without reading it.

        Args:
            input_ids: [batch, time]; only the number of rows counts.
            attention_mask: Not used.
            labels: Label indices [batch]; with them the mean cross-entropy is returned as loss.
            inputs_embeds: In place of ids, [batch, time, size].
            output_attentions: Refused if true: there are none.
            output_hidden_states: Likewise.

        Returns:
            logits [batch, num_labels], and the loss if labels were given.

        Raises:
            OptionError: There is no batch, or something is asked for that there is not.
        """
        has_only_logits(self, output_attentions=output_attentions, output_hidden_states=output_hidden_states)
        # Not a view of the weights, which would ask for gradients even in inference mode.
        logits = self.logits.repeat(len(one_of(input_ids, inputs_embeds)), 1)
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)
