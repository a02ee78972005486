"""Recurrent encoder–decoders as a Transformers architecture: one sequence in, another one out.

The encoder (:class:`textgraft.models.recurrent.encoder.RecurrentModel`) reads the source, in both directions
if wanted. What it knew at the end, one vector of fixed width, makes the decoder's first state; with attention
the decoder also looks at the states of every source token. Padding changes no output.

Words are predicted by the vectors they are read with (Press and Wolf 2017). With one vocabulary for both
sides the encoder reads with the same vectors, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import Cache, GenerationMixin, PreTrainedConfig
from transformers.modeling_outputs import BaseModelOutputWithPooling, Seq2SeqLMOutput
from transformers.utils import can_return_tuple

from textgraft.errors import unknown
from textgraft.models.asked import asked
from textgraft.models.padding import one_of, true_tokens
from textgraft.models.recurrent.decoder import (
    ATTENTIONS,
    DecoderState,
    RecurrentDecoder,
    SourceAttention,
)
from textgraft.models.recurrent.encoder import (
    CELLS,
    RecurrentConfig,
    RecurrentModel,
    RecurrentPreTrainedModel,
)
from textgraft.models.recurrent.teacher_forcing import read_words, shift_right, target_loss


class RecurrentSeq2SeqConfig(PreTrainedConfig):
    """Describes a recurrent encoder–decoder.

    Args:
        vocab_size: Entries of the source's vocabulary.
        decoder_vocab_size: Entries of the target's; None: both sides share one vocabulary and its vectors.
        cell: "rnn", "lstm" or "gru", on both sides.
        embedding_size: Width of a word vector.
        hidden_size: Width of a decoder state, and of a state of one direction of the encoder.
        num_layers: Recurrent layers of each side.
        bidirectional: Whether the encoder reads each source from its end as well.
        attention: "none" (the decoder has one vector of fixed width), "bahdanau" or "luong"; see
            :mod:`textgraft.models.recurrent.decoder`.
        input_feeding: Whether Luong's attentional vector is read together with the next word, as published;
            training then goes step by step, several times slower.
        dropout: Fraction of the states between layers and of what predicts a word set to zero in training.
        embedding_dropout: The same for the word vectors of both sides.
        label_smoothing: Fraction of the probability that the training loss spreads over all words.
        pad_token_id: Its vector is zero at first, and never read.
        bos_token_id: Begins a text.
        eos_token_id: Ends a target.
        decoder_start_token_id: What the decoder reads before the first word.
        tie_word_embeddings: Whether words are predicted by the vectors they are read with.

    Raises:
        OptionError: The cell or the attention is unknown.
    """

    model_type = "recurrent-seq2seq"
    attribute_map: ClassVar[dict[str, str]] = {"num_hidden_layers": "num_layers"}
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["past_key_values"]

    vocab_size: int = 8_000
    decoder_vocab_size: int | None = None
    cell: str = "lstm"
    embedding_size: int = 256
    hidden_size: int = 256
    num_layers: int = 1
    bidirectional: bool = True
    attention: str = "luong"
    input_feeding: bool = False
    dropout: float = 0.3
    embedding_dropout: float = 0.3
    label_smoothing: float = 0.0
    pad_token_id: int = 0
    bos_token_id: int = 1
    eos_token_id: int = 2
    decoder_start_token_id: int = 1
    is_encoder_decoder: bool = True
    tie_word_embeddings: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.cell not in CELLS:
            raise unknown("cell", self.cell, CELLS)
        if self.attention not in ("none", *ATTENTIONS):
            raise unknown("attention", self.attention, ("none", *ATTENTIONS))

    @property
    def target_vocab_size(self) -> int:
        """Entries of the target's vocabulary."""
        return self.decoder_vocab_size or self.vocab_size

    @property
    def encoder_config(self) -> RecurrentConfig:
        """What the encoder is built from."""
        return RecurrentConfig(
            vocab_size=self.vocab_size,
            cell=self.cell,
            embedding_size=self.embedding_size,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            bidirectional=self.bidirectional,
            pooling="last",
            dropout=self.dropout,
            embedding_dropout=self.embedding_dropout,
            pad_token_id=self.pad_token_id,
        )


@dataclass
class EncodedSources(BaseModelOutputWithPooling):
    """Sources as an encoder hands them to a decoder.

    last_hidden_state holds the states [batch, time, size], pooler_output the vectors [batch, size] that the
    decoder starts from.
    """

    mask: Tensor | None = None
    """True at the states that may be attended to, [batch, time]; each row has at least one."""


class SequenceEncoder(RecurrentModel):
    """A :class:`RecurrentModel` that hands on which of its states are true."""

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> EncodedSources:
        """Read a batch; see :meth:`RecurrentModel.forward`."""
        inputs = one_of(input_ids, inputs_embeds)
        mask = true_tokens(attention_mask, inputs, self.config.pad_token_id)
        outputs = super().forward(
            input_ids,
            mask,
            inputs_embeds=inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=True,
        )
        # A source without any token is read as one padding token, which then is what can be looked at.
        is_first = torch.arange(mask.shape[1], device=mask.device) == 0
        return EncodedSources(**outputs, mask=mask | (is_first & ~mask.any(dim=1, keepdim=True)))


class RecurrentGenerator(RecurrentPreTrainedModel, GenerationMixin):
    """What all models have in common whose decoder is recurrent.

    A subclass makes the parts named below, and encodes its kind of source.
    """

    _is_stateful = True
    decoder: RecurrentDecoder
    decoder_embedding: nn.Module
    lm_head: nn.Linear
    embedding_dropout: nn.Dropout

    def get_output_embeddings(self) -> nn.Module:
        """Return the layer that scores words."""
        return self.lm_head

    def set_output_embeddings(self, new_embeddings: nn.Linear) -> None:
        """Exchange the layer that scores words."""
        self.lm_head = new_embeddings

    def prepare_decoder_input_ids_from_labels(self, labels: Tensor) -> Tensor:
        """Return what the decoder reads while it predicts ``labels``, [batch, time]."""
        return shift_right(
            labels,
            start_token_id=self.config.decoder_start_token_id,
            pad_token_id=self.config.pad_token_id,
        )

    def _predict(
        self,
        sources: EncodedSources,
        decoder_input_ids: Tensor | None,
        past_key_values: Cache | None,
        labels: Tensor | None,
        use_cache: bool | None,
        *,
        decoder_inputs_embeds: Tensor | None = None,
        output_attentions: bool = False,
    ) -> Seq2SeqLMOutput:
        """Read the words so far and score the next one after each; the arguments are those of ``forward``."""
        if decoder_inputs_embeds is None:
            decoder_input_ids = read_words(self, decoder_input_ids, labels)
            decoder_inputs_embeds = self.decoder_embedding(decoder_input_ids)
        # generate() begins with an empty cache of its own kind.
        state = past_key_values if isinstance(past_key_values, DecoderState) else None
        if state is None or use_cache is False:
            assert sources.pooler_output is not None, "an encoder gives the vector to start from"
            assert sources.last_hidden_state is not None, "an encoder gives its states"
            seen = None if sources.mask is None else (sources.last_hidden_state, sources.mask)
            state = self.decoder.start(sources.pooler_output, seen)
        readouts, weights, state = self.decoder(self.embedding_dropout(decoder_inputs_embeds), state)
        logits = self.lm_head(readouts)
        loss = None
        if labels is not None:
            loss = target_loss(logits, labels, self.config.label_smoothing if self.training else 0.0)
        return Seq2SeqLMOutput(
            loss=loss,
            logits=logits,
            past_key_values=None if use_cache is False else state,
            # One layer, one head: as Transformers has them, [batch, heads, target time, source time].
            cross_attentions=(weights.unsqueeze(1),) if output_attentions and weights is not None else None,
            encoder_last_hidden_state=sources.last_hidden_state,
            encoder_hidden_states=sources.hidden_states,
        )


class RecurrentForSeq2SeqLM(RecurrentGenerator):
    """Read a source, write a target.

    Args:
        config: Its description.
    """

    config_class = RecurrentSeq2SeqConfig

    def __init__(self, config: RecurrentSeq2SeqConfig) -> None:
        super().__init__(config)
        self._tied_weights_keys = {"lm_head.weight": "decoder_embedding.weight"}
        if config.decoder_vocab_size is None:
            shared = "encoder.embedding.weight"
            self._tied_weights_keys = {"lm_head.weight": shared, "decoder_embedding.weight": shared}
        self.encoder = SequenceEncoder(config.encoder_config)
        self.decoder_embedding = nn.Embedding(
            config.target_vocab_size, config.embedding_size, config.pad_token_id
        )
        self.embedding_dropout = nn.Dropout(config.embedding_dropout)
        state_size = config.encoder_config.state_size
        self.decoder = RecurrentDecoder(
            cell=config.cell,
            embedding_size=config.embedding_size,
            hidden_size=config.hidden_size,
            num_layers=config.num_layers,
            dropout=config.dropout,
            vector_size=state_size,
            attention=(
                None
                if config.attention == "none"
                else SourceAttention(config.attention, state_size, config.input_feeding)
            ),
        )
        self.lm_head = nn.Linear(config.embedding_size, config.target_vocab_size)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Return the embedding matrix of the source."""
        return self.encoder.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Exchange the embedding matrix of the source."""
        self.encoder.set_input_embeddings(value)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        encoder_outputs: EncodedSources | None = None,
        past_key_values: Cache | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> Seq2SeqLMOutput:
        """Score the words of right-padded targets.

        Args:
            input_ids: Sources, [batch, source time].
            attention_mask: 1 at true tokens and 0 at padding, [batch, source time]; without it every
                pad_token_id is padding.
            decoder_input_ids: The words so far, or those since ``past_key_values``, [batch, target time];
                by default the labels, moved by one.
            encoder_outputs: What ``get_encoder()`` returned for the sources, in place of ``input_ids``.
            past_key_values: A :class:`DecoderState` to go on from.
            labels: The true words, -100 at padding, [batch, target time].
            use_cache: Whether to go on from ``past_key_values`` and to return the new state. By default both
                are done.
            inputs_embeds: Word vectors of the sources in place of ids, [batch, source time, embedding_size].
            decoder_inputs_embeds: The same for ``decoder_input_ids``.
            output_attentions: Whether to return the weights of the attention. What is left out, the
                configuration says.
            output_hidden_states: Whether to return the encoder's word vectors and the states of every layer.

        Returns:
            logits [batch, target time, target_vocab_size]; past_key_values, the state after the last word;
            loss, the mean over all labels; cross_attentions, one [batch, 1, target time, source time].
        """
        wanted = asked(
            self.config, output_attentions=output_attentions, output_hidden_states=output_hidden_states
        )
        if encoder_outputs is None:
            encoder_outputs = self.encoder(
                input_ids,
                attention_mask,
                inputs_embeds,
                output_attentions=False,
                output_hidden_states=wanted["output_hidden_states"],
                return_dict=True,
            )
        return self._predict(
            encoder_outputs,
            decoder_input_ids,
            past_key_values,
            labels,
            use_cache,
            decoder_inputs_embeds=decoder_inputs_embeds,
            output_attentions=wanted["output_attentions"],
        )
