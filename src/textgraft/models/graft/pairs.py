"""A shallow head that compares two texts by their encodings, grafted onto a frozen encoder.

The encoder reads each text on its own, as a recurrent siamese network does. Encodings of single texts are
what sentence encoders are made for, and each text is encoded once however many pairs it stands in; an encoder
that reads both texts at once, but frozen, was never taught to compare them.
"""

from __future__ import annotations

from torch import Tensor
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils import can_return_tuple

from textgraft.models.graft.base import Graft, GraftConfig
from textgraft.models.losses import sequence_loss
from textgraft.models.padding import one_of
from textgraft.models.pairs import pair_features, split_pairs


class PairGraftConfig(GraftConfig):
    """Describes a graft on pairs of texts, with the arguments of a :class:`GraftConfig`."""

    model_type = "pair-graft"


class PairGraftForSequenceClassification(Graft):
    """One row of outputs a pair of texts, from the encodings of both.

    Its tokenizer is a :func:`~textgraft.models.pairs.siamese_tokenizer`.

    Args:
        config: Its description.
    """

    config_class = PairGraftConfig
    widths = 4

    def __init__(self, config: PairGraftConfig) -> None:
        assert config.num_labels is not None, "without id2label Transformers counts two labels"
        super().__init__(config, config.num_labels)

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
    ) -> SequenceClassifierOutput:
        """Compare the two texts of each row of a batch.

        Args:
            input_ids: Both texts in full, one after the other, [batch, time].
            attention_mask: 1 at true tokens, [batch, time]; by default at all but the padding.
            token_type_ids: 0 at the first text's tokens and 1 at the second's, [batch, time].
            labels: As for ``sequence_loss``.
            inputs_embeds: In place of ids, [batch, time, size].
            output_attentions: As in :meth:`Graft.forward`.
            output_hidden_states: As there.

        Returns:
            logits [batch, num_labels], and the mean loss if labels were given. Hidden states and attentions
            are those of all first texts, then of all second texts.

        Raises:
            OptionError: token_type_ids are missing.
        """
        pad = self.encoder.config.pad_token_id or 0
        inputs = one_of(input_ids, inputs_embeds)
        texts, mask = split_pairs(inputs, attention_mask, token_type_ids, pad)
        states, beside = self.encoded(
            texts if inputs_embeds is None else None,
            mask,
            None,
            None if inputs_embeds is None else texts,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        vectors = self.pooled(states, mask)
        logits = self.head(pair_features(*vectors.chunk(2)))
        loss = None if labels is None else sequence_loss(logits, labels, self.config.problem_type)
        return SequenceClassifierOutput(loss=loss, logits=logits, **beside)
