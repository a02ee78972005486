"""Baselines that write a text which is known before the first word, as it is looked up.

To Transformers they are encoder–decoders, so that they are saved, loaded, decoded and scored as all others:
the encoder looks up the text, the decoder is certain of the word that comes next in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from transformers import Cache, GenerationMixin, PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput
from transformers.utils import can_return_tuple

from textgraft.errors import OptionError
from textgraft.models.asked import has_only_logits
from textgraft.models.baselines.wordless import WithoutWordVectors
from textgraft.models.recurrent.teacher_forcing import read_words, target_loss

CERTAIN = 20.0
"""Logit of the word that comes next; that of all others is 0."""


class Place(Cache):
    """How far a text is written; the same for all texts of a batch.

    Args:
        length: Words read so far.
    """

    def __init__(self, length: int = 0) -> None:
        super().__init__(layers=[])
        self.length = length

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return the words read so far."""
        del layer_idx
        return self.length

    def get_max_length(self, layer_idx: int | None = None) -> int:
        """Return -1: there is no limit."""
        del layer_idx
        return -1

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Do nothing: no text has a place of its own."""

    def batch_select_indices(self, indices: Tensor) -> None:
        """Do nothing, likewise."""


class LookupConfig(PreTrainedConfig):
    """What all of them need to know.

    Args:
        vocab_size: Entries of the vocabulary.
        pad_token_id: Fills batches up.
        bos_token_id: Begins a text.
        eos_token_id: Ends a text.
        decoder_start_token_id: What is read before the first word.
        num_hidden_layers: What generate() makes a cache for, which then is not used.
    """

    keys_to_ignore_at_inference: ClassVar[list[str]] = ["past_key_values"]

    vocab_size: int = 8_000
    pad_token_id: int = 0
    bos_token_id: int = 1
    eos_token_id: int = 2
    decoder_start_token_id: int = 1
    num_hidden_layers: int = 1
    is_encoder_decoder: bool = True
    tie_word_embeddings: bool = False


class WritesLookedUp:
    """Writes what its encoder gives: before PreTrainedModel, among the bases of a model.

    The encoder's last_hidden_state holds the ids of the texts as floats, [batch, time, 1 or more]; each row
    ends in at least one eos_token_id.
    """

    _is_stateful = True
    config: Any
    main_input_name: str

    @property
    def num_words(self) -> int:
        """Entries of the vocabulary of what is written."""
        return int(self.config.vocab_size)

    def _certainties(self, found: Tensor) -> Tensor:
        """Return the logits of words: that of all others is 0.

        Args:
            found: Of the encoder, [batch, time, …].

        Returns:
            [batch, time].
        """
        raise NotImplementedError

    def found_texts(self, sources: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the texts of a batch without writing them word by word.

        Args:
            sources: What the encoder takes.

        Returns:
            The ids of the words [batch, time], in each row eos_token_id after the last one at least once; and
            the log-probability of each, in nats.
        """
        reader: Any = cast("PreTrainedModel", self).get_encoder()
        found = reader(**sources).last_hidden_state
        # All other words have logit 0: 1 - p of them together, and p / (1 - p) = e^sure / (num_words - 1).
        odds = self._certainties(found).float() - math.log(max(1, self.num_words - 1))
        return found[..., 0].long(), nn.functional.logsigmoid(odds)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        vectors: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        encoder_outputs: BaseModelOutput | None = None,
        past_key_values: Cache | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> Seq2SeqLMOutput:
        """Say which word comes next; what has been written so far makes no difference.

        Args:
            input_ids: Sources, [batch, source time].
            attention_mask: 1 at their true tokens.
            vectors: In place of both, [batch, width].
            decoder_input_ids: The words since ``past_key_values``, [batch, target time].
            encoder_outputs: In place of the sources.
            past_key_values: A :class:`Place` to go on from.
            labels: The true words, -100 at padding, [batch, target time].
            use_cache: Whether to go on from ``past_key_values``.
            output_attentions: Refused if true: there are none.
            output_hidden_states: Likewise.

        Returns:
            logits [batch, target time, vocab_size], and loss if labels were given.

        Raises:
            OptionError: There is no source or no word, or something is asked for that there is not.
        """
        own = cast("PreTrainedModel", self)
        has_only_logits(own, output_attentions=output_attentions, output_hidden_states=output_hidden_states)
        if encoder_outputs is None:
            given = {"input_ids": input_ids, "attention_mask": attention_mask, "vectors": vectors}
            if given[self.main_input_name] is None:
                raise OptionError(f"a batch holds no {self.main_input_name}", fix="Give the sources.")
            reader: Any = own.get_encoder()
            encoder_outputs = reader(**{name: part for name, part in given.items() if part is not None})
        decoder_input_ids = read_words(own, decoder_input_ids, labels)
        begun = past_key_values.length if use_cache is not False and isinstance(past_key_values, Place) else 0
        assert encoder_outputs.last_hidden_state is not None, "it holds the ids"
        found = encoder_outputs.last_hidden_state
        time = torch.arange(begun, begun + decoder_input_ids.shape[1], device=found.device)
        found = found[:, time.clamp(max=found.shape[1] - 1)]
        words, sure = found[..., 0].long(), self._certainties(found)
        logits = torch.zeros(*words.shape, self.num_words, device=found.device, dtype=sure.dtype)
        logits = logits.scatter(2, words.unsqueeze(-1), sure.unsqueeze(-1))
        return Seq2SeqLMOutput(
            loss=None if labels is None else target_loss(logits, labels),
            logits=logits,
            # As with every cache of its own kind, generate() only hands it on.
            past_key_values=None if use_cache is False else Place(int(time[-1]) + 1),  # type: ignore[arg-type]
        )


class LookupBaseline(WithoutWordVectors, WritesLookedUp, PreTrainedModel, GenerationMixin):
    """Writes what its ``encoder`` gives, and is certain of it. A subclass makes the encoder."""

    config_class = LookupConfig
    base_model_prefix = "lookup"
    encoder: Any
    """Makes the texts of a batch, as :func:`looked_up` does."""

    def __init__(self, config: LookupConfig) -> None:
        super().__init__(config)
        self.certainty = nn.Parameter(torch.tensor(CERTAIN))

    def _init_weights(self, module: nn.Module) -> None:
        if module is self:
            init.constant_(self.certainty, CERTAIN)

    def get_encoder(self, *args: Any, **kwargs: Any) -> Any:
        """Return what looks texts up."""
        del args, kwargs
        return self.encoder

    def _certainties(self, found: Tensor) -> Tensor:
        return self.certainty.expand(found.shape[:2])


def looked_up(ids: Tensor) -> BaseModelOutput:
    """Return texts [batch, time] in the form that :class:`LookupBaseline` takes from its encoder."""
    return BaseModelOutput(last_hidden_state=ids.unsqueeze(-1).float())
