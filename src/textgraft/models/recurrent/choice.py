"""Multiple choice with a recurrent network: prompt and choice are read apart, and compared as pairs are."""

from __future__ import annotations

from torch import Tensor, nn
from transformers.modeling_outputs import MultipleChoiceModelOutput
from transformers.utils import can_return_tuple

from textgraft.models.asked import asked
from textgraft.models.losses import sequence_loss
from textgraft.models.padding import one_of
from textgraft.models.pairs import pair_features, pair_head, split_pairs
from textgraft.models.recurrent.encoder import RecurrentConfig, RecurrentModel, RecurrentPreTrainedModel


class RecurrentForMultipleChoice(RecurrentPreTrainedModel):
    """Embed, encode, attend, and score each choice against its prompt.

    Args:
        config: Its description.
    """

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        self.recurrent = RecurrentModel(config)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = pair_head(config.pooled_size, config.hidden_size, 1, config.dropout)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> MultipleChoiceModelOutput:
        """Score the choices of a batch.

        Args:
            input_ids: Prompt and choice, [batch, choices, time].
            attention_mask: 1 at true tokens, [batch, choices, time]; by default at all but pad_token_id.
            token_type_ids: 0 at the prompt's tokens and 1 at the choice's, [batch, choices, time].
            labels: Number of the right choice, [batch]; with them the mean cross-entropy is returned as loss.
            inputs_embeds: Word vectors in place of ids, [batch, choices, time, embedding_size].
            output_attentions: As in :meth:`RecurrentForSequenceClassification.forward`.
            output_hidden_states: As there.

        Returns:
            logits [batch, choices], and the loss if labels were given. States and attentions are those of all
            prompts, then of all choices.

        Raises:
            OptionError: token_type_ids are missing.
        """
        wanted = asked(
            self.config, output_attentions=output_attentions, output_hidden_states=output_hidden_states
        )
        inputs = one_of(input_ids, inputs_embeds)
        texts, mask = split_pairs(
            inputs.flatten(0, 1),
            None if attention_mask is None else attention_mask.flatten(0, 1),
            None if token_type_ids is None else token_type_ids.flatten(0, 1),
            self.config.pad_token_id,
        )
        outputs = self.recurrent(
            **{"input_ids" if inputs_embeds is None else "inputs_embeds": texts},
            attention_mask=mask,
            **wanted,
            return_dict=True,
        )
        scores = self.classifier(self.dropout(pair_features(*outputs.pooler_output.chunk(2))))
        logits = scores.view(inputs.shape[:2])
        loss = None if labels is None else sequence_loss(logits, labels, "single_label_classification")
        return MultipleChoiceModelOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )
