"""An encoder–decoder around pre-trained encoders that may copy the words of its source (pointer-generator).

See et al. 2017, "Get to the point: summarization with pointer-generator networks": at every step a gate says
how much of the next word's probability comes from the vocabulary, and how much from the words of the source,
each as much as it is attended to. Here the attention is that of the decoder's highest layer, on average over
its heads. It is new in a warm-started decoder (Rothe et al. 2020), and so learns from both uses.

Both sides have the same tokens, so that a word unknown to neither is copied piece by piece.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import Cache, EncoderDecoderConfig, EncoderDecoderModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput
from transformers.utils import can_return_tuple

from textgraft.models.graft.encoder_layers import encoder_layers
from textgraft.models.recurrent.teacher_forcing import read_words, target_loss

WRITING = 2.0
"""The gate's bias at first: nearly nine tenths of the probability come from the vocabulary."""
_LEAST = 1e-9


class CopyingConfig(EncoderDecoderConfig):
    """Describes an encoder–decoder that copies; see Transformers' EncoderDecoderConfig."""

    model_type = "copying-encoder-decoder"


@dataclass
class EncodedSource(BaseModelOutput):
    """What the encoder makes of a source, and its words."""

    source_ids: Tensor | None = None
    """[batch, source time]."""


class _Reader(nn.Module):
    """The encoder of a model that copies: it hands on what it read."""

    main_input_name = "input_ids"

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self._encoder = [encoder]  # a list hides it from nn.Module's registry of submodules

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **others: Any
    ) -> EncodedSource:
        """Encode sources [batch, time]."""
        others["return_dict"] = True
        outputs = self._encoder[0](input_ids=input_ids, attention_mask=attention_mask, **others)
        return EncodedSource(
            last_hidden_state=outputs.last_hidden_state,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            source_ids=input_ids,
        )


class CopyingEncoderDecoder(EncoderDecoderModel):
    """An EncoderDecoderModel with a gate between writing and copying.

    Args:
        config: Its description; both sides have the same vocabulary.
        encoder: Reads; None makes a random one.
        decoder: Writes, likewise; its layers are BERT's.
    """

    config_class = CopyingConfig

    def __init__(
        self,
        config: PreTrainedConfig | None = None,
        encoder: PreTrainedModel | None = None,
        decoder: PreTrainedModel | None = None,
    ) -> None:
        super().__init__(config, encoder, decoder)
        width = self.decoder.config.hidden_size
        self.gate = nn.Linear(width + width + self.encoder.config.hidden_size, 1)
        nn.init.zeros_(self.gate.weight)
        nn.init.constant_(self.gate.bias, WRITING)
        highest: Any = encoder_layers(cast("PreTrainedModel", self.decoder.base_model))[-1]
        # What is copied is a distribution: no part of it is dropped.
        highest.crossattention.self.dropout.p = 0.0

    def get_encoder(self, *args: Any, **kwargs: Any) -> nn.Module:
        """Return what reads sources, and hands on their words."""
        del args, kwargs
        return _Reader(self.encoder)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        encoder_outputs: EncodedSource | None = None,
        past_key_values: Cache | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        inputs_embeds: Tensor | None = None,
        **others: Any,
    ) -> Seq2SeqLMOutput:
        """Say which word comes next.

        Args:
            input_ids: Sources, [batch, source time].
            attention_mask: 1 at their true tokens.
            decoder_input_ids: The words since ``past_key_values``, [batch, target time].
            encoder_outputs: Of :meth:`get_encoder`, in place of the sources.
            past_key_values: What to go on from.
            labels: The true words, -100 at padding, [batch, target time].
            use_cache: Whether to return what to go on from.
            output_attentions: Whether to return attention.
            output_hidden_states: Whether to return the states of all layers.
            inputs_embeds: Told to the encoder beside the words, if that is one that takes both.
            others: Of EncoderDecoderModel.

        Returns:
            As ``logits`` [batch, target time, vocabulary] log probabilities, and loss if labels were given.
        """
        if encoder_outputs is None:
            reads = {
                "output_attentions": output_attentions,
                "output_hidden_states": output_hidden_states,
                "inputs_embeds": inputs_embeds,
            }
            encoder_outputs = self.get_encoder()(input_ids, attention_mask, **reads)
        if self.decoder.config._attn_implementation != "eager":
            self.decoder.set_attn_implementation("eager")  # fused kernels do not tell where they looked
        outputs = super().forward(
            attention_mask=attention_mask,
            decoder_input_ids=read_words(self, decoder_input_ids, labels),
            encoder_outputs=encoder_outputs,
            past_key_values=past_key_values,
            use_cache=use_cache,
            output_attentions=True,
            output_hidden_states=True,
            **others,
        )
        source_ids, states = encoder_outputs.source_ids, encoder_outputs.last_hidden_state
        assert source_ids is not None, "the reader hands them on"
        assert states is not None, "it read something"
        # [batch, target time, source time]
        attended = outputs.cross_attentions[-1].float().mean(dim=1)
        read, *_, written = outputs.decoder_hidden_states
        context = attended.to(states.dtype) @ states
        gate = self.gate(torch.cat([context, written, read], dim=-1)).float()
        outputs.logits = with_copies(outputs.logits, gate, attended, source_ids)
        if labels is not None:
            outputs.loss = target_loss(outputs.logits, labels)
        if not output_attentions:
            outputs.cross_attentions = outputs.decoder_attentions = None
        if not output_hidden_states:
            outputs.decoder_hidden_states = None
        return outputs


def with_copies(logits: Tensor, gate: Tensor, attended: Tensor, source_ids: Tensor) -> Tensor:
    """Mix the distribution over the vocabulary with that over the words of the source.

    Only the words of the source are computed apart: the others are as likely as the vocabulary finds them,
    times what the gate leaves.

    Args:
        logits: Of the vocabulary, [batch, target time, vocabulary].
        gate: Logit of writing rather than copying, [batch, target time, 1].
        attended: How much each word is attended to, adding up to 1, [batch, target time, source time].
        source_ids: The words, [batch, source time].

    Returns:
        Log probabilities, [batch, target time, vocabulary].
    """
    written = logits.float().log_softmax(dim=-1) + nn.functional.logsigmoid(gate)
    same = source_ids.unsqueeze(2) == source_ids.unsqueeze(1)
    # A word that stands in a source several times is attended to as often, and its sum counted once.
    total = attended @ same.to(attended.dtype)
    is_first = ~same.tril(diagonal=-1).any(dim=2)
    ids = source_ids.unsqueeze(1).expand_as(attended)
    before = written.gather(2, ids)
    copied = total.clamp(min=_LEAST).log() + nn.functional.logsigmoid(-gate)
    gain = torch.logaddexp(before, copied) - before
    return written.scatter_add(2, ids, gain * is_first.unsqueeze(1))
