"""Grafts: a head for each kind of task, on an encoder that stays as it is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.modeling_outputs import (
    MaskedLMOutput,
    MultipleChoiceModelOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)
from transformers.utils import can_return_tuple

from textgraft.models.encoders import encoder_width, load_encoder, resolve_encoder
from textgraft.models.graft.base import Beside, Graft, GraftConfig
from textgraft.models.losses import sequence_loss
from textgraft.models.padding import one_of
from textgraft.models.windows import Windows, windows_of
from textgraft.tokenization.word_shapes import PLACES, SHAPES

__all__ = [
    "GraftConfig",
    "GraftForMaskedLM",
    "GraftForMultipleChoice",
    "GraftForQuestionAnswering",
    "GraftForSequenceClassification",
    "GraftForTokenClassification",
]

_UNTOLD = 0.1
"""Part of the texts whose words' shapes a head does without in training."""


class GraftForSequenceClassification(Graft):
    """One row of outputs a text, or pair of texts, from its pooled hidden states.

    It classifies, or gives each text a number, as ``config.problem_type`` says.

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
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> SequenceClassifierOutput:
        """Read a batch as :meth:`Graft.forward` does; of texts that take several windows, window by window.

        Hidden states and attentions are then those of the windows, text by text.
        """
        if not self.takes_windows(input_ids):
            return super().forward(
                input_ids,
                attention_mask,
                token_type_ids,
                labels,
                inputs_embeds,
                output_attentions,
                output_hidden_states,
                return_dict=True,
            )
        windows = self.windows(one_of(input_ids, inputs_embeds), attention_mask)
        states, beside = self.encoded(
            windows.ids,
            windows.mask,
            None,
            None,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        return self.from_windows(states, windows, labels, **beside)

    def takes_windows(self, input_ids: Tensor | None) -> bool:
        """Return whether a batch of ids [..., time] is longer than a window, and the config says so."""
        return bool(self.config.window) and input_ids is not None and input_ids.shape[-1] > self.config.window

    def windows(self, input_ids: Tensor, attention_mask: Tensor | None) -> Windows:
        """Cut the texts of a batch into windows."""
        before, after = self.config.window_frame
        pad = self.encoder.config.pad_token_id or 0
        return windows_of(input_ids, attention_mask, self.config.window, (before, after), pad)

    def from_windows(
        self, states: Tensor, windows: Windows, labels: Any = None, **beside: Any
    ) -> SequenceClassifierOutput:
        """Do what :meth:`from_states` does of the states of windows [windows, time, size]."""
        vectors = windows.averaged(self.pooled(states, windows.mask))
        if self.config.normalize:
            vectors = functional.normalize(vectors, dim=-1)
        return self._output(vectors, labels, beside)

    def _output(self, vectors: Tensor, labels: Any, beside: Beside) -> SequenceClassifierOutput:
        logits = self.head(vectors)
        loss = None if labels is None else sequence_loss(logits, labels, self.config.problem_type)
        return SequenceClassifierOutput(loss=loss, logits=logits, **beside)

    def from_states(
        self, states: Tensor, attention_mask: Tensor | None, labels: Any = None, **beside: Any
    ) -> SequenceClassifierOutput:
        """Return logits [batch, num_labels] of states [batch, time, size].

        With labels as ``sequence_loss`` takes them, the loss as well.
        """
        return self._output(self.pooled(states, attention_mask), labels, beside)


class GraftForTokenClassification(Graft):
    """One label a token.

    Args:
        config: Its description.
    """

    def __init__(self, config: GraftConfig) -> None:
        assert config.num_labels is not None, "without id2label Transformers counts two labels"
        super().__init__(config, config.num_labels)
        if config.word_shapes:
            self.shapes = nn.Embedding(PLACES * SHAPES, config.word_shapes)

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
        word_shapes: Tensor | None = None,
    ) -> TokenClassifierOutput:
        """Read a batch as :meth:`Graft.forward` does.

        Args:
            input_ids: [batch, time].
            attention_mask: As there.
            token_type_ids: As there.
            labels: Label indices [batch, time], -100 where a token has none.
            inputs_embeds: As there.
            output_attentions: As there.
            output_hidden_states: As there.
            word_shapes: How the words are written that begin at each token, [batch, time], see
                ``textgraft.tokenization.word_shapes``; not looked at where the config does not ask for it.
                Where it does and they are missing, they count as unknown.
        """
        states, beside = self.encoded(
            input_ids,
            attention_mask,
            token_type_ids,
            inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        return self.from_states(states, attention_mask, labels, word_shapes, **beside)

    def from_states(
        self,
        states: Tensor,
        attention_mask: Tensor | None,
        labels: Any = None,
        word_shapes: Tensor | None = None,
        **beside: Any,
    ) -> TokenClassifierOutput:
        """Return logits [batch, time, num_labels] of states [batch, time, size].

        With labels, label indices [batch, time] and -100 where a token has none, the mean cross-entropy too.
        """
        del attention_mask
        if self.config.word_shapes:
            states = torch.cat([states, self._told(states, word_shapes)], dim=-1)
        logits = self.head(states)
        loss = None
        if labels is not None:
            loss = functional.cross_entropy(logits.float().flatten(0, 1), labels.flatten())
        return TokenClassifierOutput(loss=loss, logits=logits, **beside)

    def _told(self, states: Tensor, word_shapes: Tensor | None) -> Tensor:
        """Return what the head is told of the words' writing, [batch, time, 3 · config.word_shapes]."""
        if word_shapes is None:
            word_shapes = states.new_zeros(states.shape[:-1], dtype=torch.long)
        if self.training:
            # So that it can do without: in texts all in small letters, and where a caller does not tell.
            kept = torch.rand(len(states), 1, device=states.device) >= _UNTOLD
            word_shapes = word_shapes * kept
        places = torch.arange(PLACES, device=states.device)
        own = word_shapes.unsqueeze(-1) // SHAPES**places % SHAPES + SHAPES * places
        return self.shapes(own).flatten(-2).to(states.dtype)


class GraftForQuestionAnswering(Graft):
    """Where in a text the answer begins, and where it ends.

    Args:
        config: Its description.
    """

    def __init__(self, config: GraftConfig) -> None:
        super().__init__(config, 2)

    @can_return_tuple
    def forward(  # positions in place of labels, as Transformers has it
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> QuestionAnsweringModelOutput:
        """Score every token of a batch as the first and as the last of the answer.

        Args:
            input_ids: Question and text, [batch, time].
            attention_mask: As in :meth:`Graft.forward`.
            token_type_ids: Tells the question from the text, [batch, time].
            start_positions: Position of the answer's first token, [batch]; of the first token of all where
                there is no answer.
            end_positions: Of its last token, [batch].
            inputs_embeds: As there.
            output_attentions: As there.
            output_hidden_states: As there.

        Returns:
            start_logits and end_logits [batch, time], and the mean of both cross-entropies if positions were
            given.
        """
        is_told = start_positions is not None and end_positions is not None
        return super().forward(
            input_ids,
            attention_mask,
            token_type_ids,
            (start_positions, end_positions) if is_told else None,
            inputs_embeds,
            output_attentions,
            output_hidden_states,
            return_dict=True,
        )

    def from_states(
        self, states: Tensor, attention_mask: Tensor | None, labels: Any = None, **beside: Any
    ) -> QuestionAnsweringModelOutput:
        """Return start_logits and end_logits [batch, time] of states [batch, time, size].

        With labels, the pair of start and end positions, the loss as well.
        """
        del attention_mask
        start, end = self.head(states).unbind(dim=-1)
        loss = None
        if labels is not None:
            of_start, of_end = (
                functional.cross_entropy(logits.float(), place)
                for logits, place in zip((start, end), labels, strict=True)
            )
            loss = (of_start + of_end) / 2
        return QuestionAnsweringModelOutput(loss=loss, start_logits=start, end_logits=end, **beside)


class GraftForMultipleChoice(Graft):
    """Which of several continuations, or answers, is the right one.

    Args:
        config: Its description.
    """

    def __init__(self, config: GraftConfig) -> None:
        super().__init__(config, 1)

    def from_states(
        self, states: Tensor, attention_mask: Tensor | None, labels: Any = None, **beside: Any
    ) -> MultipleChoiceModelOutput:
        """Return logits [batch, choices] of states [batch, choices, time, size].

        With labels, the index of the right choice [batch], the mean cross-entropy as well.
        """
        logits = self.head(self.pooled(states, attention_mask)).squeeze(-1)
        loss = None if labels is None else functional.cross_entropy(logits.float(), labels)
        return MultipleChoiceModelOutput(loss=loss, logits=logits, **beside)


class WordPrediction(nn.Module):
    """BERT's head for masked words without its matrix of words (Devlin et al. 2019): that is the encoder's.

    Args:
        size: Dimensions of a hidden state, and of a word vector.
        words: Entries of the vocabulary.
    """

    def __init__(self, size: int, words: int) -> None:
        super().__init__()
        self.transform = nn.Linear(size, size)
        self.norm = nn.LayerNorm(size)
        self.bias = nn.Parameter(torch.zeros(words))

    def forward(self, states: Tensor, table: Tensor) -> Tensor:
        """Score the words for states [..., size] by their vectors [words, size]; returns [..., words]."""
        states = self.norm(functional.gelu(self.transform(states.to(self.transform.weight.dtype))))
        return functional.linear(states, table.to(states), self.bias)


class GraftForMaskedLM(Graft):
    """Which word a masked one stands for: its scores are those of the encoder's own word vectors.

    What is stored is the adapter, a square matrix and a bias for each word; the vectors, by far the most of
    such a head, are the encoder's and tied (Press and Wolf 2017).

    Args:
        config: Its description; ``hidden_sizes`` has no part in it.
    """

    def __init__(self, config: GraftConfig) -> None:
        width = config.encoding_size or encoder_width(resolve_encoder(config.encoder, config.revision))
        super().__init__(config, width)
        del self.layers  # the head of the others
        words = config.vocab_size
        assert words is not None, "an encoder of bytes has no words to be masked"
        self.prediction = WordPrediction(width, words)
        self._table: list[Tensor] = []

    @property
    def table(self) -> Tensor:
        """The encoder's word vectors, [words, size]; they are loaded where an engine runs the encoder."""
        if not self._table:
            held = next((part for part in self._encoder if isinstance(part, PreTrainedModel)), None)
            encoder = held or load_encoder(self.source)[0]
            words: Any = encoder.get_input_embeddings()
            # A list hides it from nn.Module's registry of parameters.
            self._table.append(words.weight)
        return self._table[0]

    def head(self, encodings: Tensor) -> Tensor:
        """Score all words for hidden states [..., size]; returns [..., words]."""
        return self.prediction(encodings, table=self.table.detach())

    def from_states(
        self, states: Tensor, attention_mask: Tensor | None, labels: Any = None, **beside: Any
    ) -> MaskedLMOutput:
        """Return logits [batch, time, words] of states [batch, time, size].

        With labels, ids of words [batch, time] and -100 where none is masked, the mean cross-entropy too.
        """
        del attention_mask
        logits = self.head(states)
        loss = None
        if labels is not None:
            loss = functional.cross_entropy(logits.float().flatten(0, -2), labels.flatten())
        return MaskedLMOutput(loss=loss, logits=logits, **beside)
