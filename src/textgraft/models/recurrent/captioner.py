"""Captioners: a vector in, a text out.

The vector may come from anywhere: an image encoder, a sentence encoder, the pixels of a small picture, a row
of measurements. It enters a recurrent decoder in one of two ways (compared by Tanti et al. 2018, "Where to
put the image in an image caption generator"):

    state   it makes the decoder's first state ("init-inject")
    token   it is read like a word before the first word ("pre-inject", as in Vinyals et al. 2015)

To Transformers a captioner is an encoder–decoder whose source is one vector: AutoModelForSeq2SeqLM loads it.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import Cache, PreTrainedConfig
from transformers import initialization as init
from transformers.modeling_outputs import Seq2SeqLMOutput
from transformers.utils import can_return_tuple

from textgraft.errors import OptionError, unknown
from textgraft.models.asked import has_only_logits
from textgraft.models.recurrent.decoder import INJECTIONS, RecurrentDecoder
from textgraft.models.recurrent.encoder import CELLS
from textgraft.models.recurrent.seq2seq import EncodedSources, RecurrentGenerator


class CaptionerConfig(PreTrainedConfig):
    """Describes a captioner.

    Args:
        vector_size: Width of the vectors.
        vocab_size: Entries of the captions' vocabulary.
        cell: "rnn", "lstm" or "gru".
        embedding_size: Width of a word vector.
        hidden_size: Width of a state.
        num_layers: Recurrent layers.
        injection: "state" or "token"; see :mod:`textgraft.models.recurrent.captioner`.
        dropout: Fraction of the vector, of the states between layers and of what predicts a word that is set
            to zero in training.
        embedding_dropout: The same for the word vectors.
        label_smoothing: Fraction of the probability that the training loss spreads over all words.
        pad_token_id: Its vector is zero at first, and never read.
        bos_token_id: Begins a text.
        eos_token_id: Ends a caption.
        decoder_start_token_id: What the decoder reads before the first word.
        tie_word_embeddings: Whether words are predicted by the vectors they are read with.

    Raises:
        OptionError: The cell or the injection is unknown.
    """

    model_type = "captioner"
    attribute_map: ClassVar[dict[str, str]] = {"num_hidden_layers": "num_layers"}
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["past_key_values"]

    vector_size: int = 384
    vocab_size: int = 2_000
    cell: str = "lstm"
    embedding_size: int = 128
    hidden_size: int = 256
    num_layers: int = 1
    injection: str = "state"
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
        if self.injection not in INJECTIONS:
            raise unknown("injection", self.injection, INJECTIONS)


class VectorEncoder(nn.Module):
    """Brings every dimension of the vectors to mean 0 and deviation 1 over the training rows.

    Args:
        vector_size: Width of the vectors.
        dropout: Fraction of the dimensions set to zero in training.
    """

    main_input_name = "vectors"
    mean: Tensor
    deviation: Tensor

    def __init__(self, vector_size: int, dropout: float) -> None:
        super().__init__()
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.zeros(vector_size))
        self.register_buffer("deviation", torch.ones(vector_size))
        self.dropout = nn.Dropout(dropout)

    def initialize(self) -> None:
        """Leave vectors as they are, until :meth:`fit` knows better."""
        init.zeros_(self.mean)
        init.ones_(self.deviation)

    @torch.no_grad()
    def fit(self, vectors: Tensor) -> None:
        """Measure mean and deviation on training vectors [rows, vector_size]; call it before training."""
        self.mean.copy_(vectors.mean(dim=0))
        deviation = vectors.std(dim=0, correction=0)
        # A dimension that never varies tells nothing.
        self.deviation.copy_(torch.where(deviation > 0, deviation, 1.0))

    @can_return_tuple
    def forward(
        self,
        vectors: Tensor,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> EncodedSources:
        """Standardise a batch of vectors [batch, vector_size]; generate() passes the rest to all encoders."""
        del output_attentions, output_hidden_states
        standard = self.dropout((vectors.to(self.mean.dtype) - self.mean) / self.deviation)
        return EncodedSources(last_hidden_state=standard.unsqueeze(1), pooler_output=standard)


class CaptionerForSeq2SeqLM(RecurrentGenerator):
    """Read a vector, write a text.

    Args:
        config: Its description.
    """

    config_class = CaptionerConfig
    main_input_name = "vectors"

    def __init__(self, config: CaptionerConfig) -> None:
        super().__init__(config)
        self._tied_weights_keys = {"lm_head.weight": "decoder_embedding.weight"}
        self.encoder = VectorEncoder(config.vector_size, config.dropout)
        self.decoder_embedding = nn.Embedding(config.vocab_size, config.embedding_size, config.pad_token_id)
        self.embedding_dropout = nn.Dropout(config.embedding_dropout)
        self.decoder = RecurrentDecoder(
            cell=config.cell,
            embedding_size=config.embedding_size,
            hidden_size=config.hidden_size,
            num_layers=config.num_layers,
            dropout=config.dropout,
            vector_size=config.vector_size,
            injection=config.injection,
        )
        self.lm_head = nn.Linear(config.embedding_size, config.vocab_size)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, VectorEncoder):
            module.initialize()

    def get_input_embeddings(self) -> nn.Module:
        """Return the embedding matrix of the captions."""
        return self.decoder_embedding

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Exchange the embedding matrix of the captions."""
        self.decoder_embedding = value

    @can_return_tuple
    def forward(
        self,
        vectors: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        encoder_outputs: EncodedSources | None = None,
        past_key_values: Cache | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> Seq2SeqLMOutput:
        """Score the words of right-padded captions.

        Args:
            vectors: [batch, vector_size].
            decoder_input_ids: As in :meth:`textgraft.models.recurrent.seq2seq.RecurrentForSeq2SeqLM.forward`.
            encoder_outputs: As there, in place of ``vectors``.
            past_key_values: As there.
            labels: As there.
            use_cache: As there.
            decoder_inputs_embeds: As there.
            output_attentions: Refused if true: there are none.
            output_hidden_states: Likewise.

        Returns:
            logits [batch, target time, vocab_size]; past_key_values; loss, the mean over all labels.

        Raises:
            OptionError: There are neither vectors nor words, or something is asked for that there is not.
        """
        has_only_logits(self, output_attentions=output_attentions, output_hidden_states=output_hidden_states)
        if encoder_outputs is None:
            if vectors is None:
                raise OptionError("a batch holds no vectors", fix="Give them: [batch, vector_size].")
            encoder_outputs = self.encoder(vectors)
        return self._predict(
            encoder_outputs,
            decoder_input_ids,
            past_key_values,
            labels,
            use_cache,
            decoder_inputs_embeds=decoder_inputs_embeds,
        )
