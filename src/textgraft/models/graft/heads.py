"""Grafts: a head for each kind of task, on an encoder that stays as it is."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional
from transformers.modeling_outputs import (
    MultipleChoiceModelOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)
from transformers.utils import can_return_tuple

from textgraft.models.graft.base import Graft, GraftConfig
from textgraft.models.losses import sequence_loss

__all__ = [
    "GraftConfig",
    "GraftForMultipleChoice",
    "GraftForQuestionAnswering",
    "GraftForSequenceClassification",
    "GraftForTokenClassification",
]


class GraftForSequenceClassification(Graft):
    """One row of outputs a text, or pair of texts, from its pooled hidden states.

    Args:
        config: Its description.
    """

    def __init__(self, config: GraftConfig) -> None:
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
    ) -> SequenceClassifierOutput:
        """Classify a batch, or give each text a number, as ``config.problem_type`` says.

        Args:
            input_ids: [batch, time].
            attention_mask: 1 at true tokens, [batch, time]; by default all are.
            token_type_ids: Tells the parts of a pair, [batch, time].
            labels: As for ``sequence_loss``.
            inputs_embeds: In place of ids, [batch, time, size].

        Returns:
            logits [batch, num_labels], and the loss if labels were given.
        """
        states = self.states(input_ids, attention_mask, token_type_ids, inputs_embeds)
        return self.from_states(states, attention_mask, labels)

    def from_states(
        self, states: Tensor, attention_mask: Tensor | None, labels: Tensor | None = None
    ) -> SequenceClassifierOutput:
        """Do what ``forward`` does above the last hidden states [batch, time, size]."""
        logits = self.head(self.pooled(states, attention_mask))
        loss = None if labels is None else sequence_loss(logits, labels, self.config.problem_type)
        return SequenceClassifierOutput(loss=loss, logits=logits)


class GraftForTokenClassification(Graft):
    """One label a token.

    Args:
        config: Its description.
    """

    def __init__(self, config: GraftConfig) -> None:
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
    ) -> TokenClassifierOutput:
        """Label every token of a batch.

        Args:
            input_ids: [batch, time].
            attention_mask: 1 at true tokens, [batch, time]; by default all are.
            token_type_ids: Tells the parts of a pair, [batch, time].
            labels: Label indices, [batch, time]; -100 where a token has none.
            inputs_embeds: In place of ids, [batch, time, size].

        Returns:
            logits [batch, time, num_labels], and the mean cross-entropy if labels were given.
        """
        states = self.states(input_ids, attention_mask, token_type_ids, inputs_embeds)
        return self.from_states(states, attention_mask, labels)

    def from_states(
        self, states: Tensor, attention_mask: Tensor | None, labels: Tensor | None = None
    ) -> TokenClassifierOutput:
        """Do what ``forward`` does above the last hidden states [batch, time, size]."""
        del attention_mask
        logits = self.head(states)
        loss = None
        if labels is not None:
            loss = functional.cross_entropy(logits.float().flatten(0, 1), labels.flatten())
        return TokenClassifierOutput(loss=loss, logits=logits)


class GraftForQuestionAnswering(Graft):
    """Where in a text the answer begins, and where it ends.

    Args:
        config: Its description.
    """

    def __init__(self, config: GraftConfig) -> None:
        super().__init__(config, 2)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
    ) -> QuestionAnsweringModelOutput:
        """Score every token of a batch as the first and as the last of the answer.

        Args:
            input_ids: Question and text, [batch, time].
            attention_mask: 1 at true tokens, [batch, time]; by default all are.
            token_type_ids: Tells the question from the text, [batch, time].
            start_positions: Position of the answer's first token, [batch]; of the first token of all where
                there is no answer.
            end_positions: Of its last token, [batch].
            inputs_embeds: In place of ids, [batch, time, size].

        Returns:
            start_logits and end_logits [batch, time], and the mean of both cross-entropies if positions were
            given.
        """
        states = self.states(input_ids, attention_mask, token_type_ids, inputs_embeds)
        return self.from_states(states, attention_mask, start_positions, end_positions)

    def from_states(
        self,
        states: Tensor,
        attention_mask: Tensor | None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
    ) -> QuestionAnsweringModelOutput:
        """Do what ``forward`` does above the last hidden states [batch, time, size]."""
        del attention_mask
        start, end = self.head(states).unbind(dim=-1)
        loss = None
        if start_positions is not None and end_positions is not None:
            loss = (
                functional.cross_entropy(start.float(), start_positions)
                + functional.cross_entropy(end.float(), end_positions)
            ) / 2
        return QuestionAnsweringModelOutput(loss=loss, start_logits=start, end_logits=end)


class GraftForMultipleChoice(Graft):
    """Which of several continuations, or answers, is the right one.

    Args:
        config: Its description.
    """

    def __init__(self, config: GraftConfig) -> None:
        super().__init__(config, 1)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
    ) -> MultipleChoiceModelOutput:
        """Score every choice of a batch.

        Args:
            input_ids: The prompt with each choice, [batch, choices, time].
            attention_mask: 1 at true tokens, [batch, choices, time]; by default all are.
            token_type_ids: Tells the prompt from the choice, [batch, choices, time].
            labels: Index of the right choice, [batch].
            inputs_embeds: In place of ids, [batch, choices, time, size].

        Returns:
            logits [batch, choices], and the mean cross-entropy if labels were given.
        """
        states = self.states(input_ids, attention_mask, token_type_ids, inputs_embeds)
        return self.from_states(states, attention_mask, labels)

    def from_states(
        self, states: Tensor, attention_mask: Tensor | None, labels: Tensor | None = None
    ) -> MultipleChoiceModelOutput:
        """Do what ``forward`` does above the last hidden states [batch, choices, time, size]."""
        logits = self.head(self.pooled(states, attention_mask)).squeeze(-1)
        loss = None if labels is None else functional.cross_entropy(logits.float(), labels)
        return MultipleChoiceModelOutput(loss=loss, logits=logits)
