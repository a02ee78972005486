"""The beginning of the source, word by word: the baseline of summaries. All of it: that of translations.

News tell the most important first, so that their first words are a summary hard to beat (Nenkova 2005,
"Automatic text summarization of newswire"); between related languages names, numbers and punctuation agree.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import can_return_tuple

from textgraft.models.baselines.lookup import LookupBaseline, LookupConfig, looked_up
from textgraft.models.padding import ascending, ordered, true_tokens

_WHITE = ("Ġ", "Ċ", "č", "ĉ")
"""How a tokenizer of bytes writes space, line feed, carriage return and tabulator."""


class LeadConfig(LookupConfig):
    """Describes a lead baseline.

    Args:
        words: How many words of the source are copied; 0: all.
    """

    model_type = "lead"

    words: int = 0


class _Beginning(nn.Module):
    """Gives the first words of sources."""

    main_input_name = "input_ids"

    def __init__(self, config: LeadConfig) -> None:
        super().__init__()
        self.begins_word: Tensor
        self.words, self.end = config.words, config.eos_token_id
        self.register_buffer("begins_word", torch.zeros(config.vocab_size, dtype=torch.bool))

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> BaseModelOutput:
        """Cut a batch [batch, time] after so many words; generate() passes the rest to all."""
        del output_attentions, output_hidden_states
        true = true_tokens(attention_mask, input_ids)
        order = ascending(~true)
        input_ids, true = ordered(input_ids, order), ordered(true, order)
        kept = true & (input_ids != self.end)
        if self.words:
            kept = kept & (self.begins_word[input_ids].cumsum(dim=1) <= self.words)
        # A source ends in the end token, so that there is room for it.
        return looked_up(input_ids.masked_fill(~kept, self.end))


class LeadForSeq2SeqLM(LookupBaseline):
    """Writes the beginning of its source.

    Args:
        config: Its description.
    """

    config_class = LeadConfig

    def __init__(self, config: LeadConfig) -> None:
        super().__init__(config)
        self.encoder = _Beginning(config)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, _Beginning):
            init.zeros_(module.begins_word)

    @classmethod
    def reading(cls, tokenizer: PreTrainedTokenizerFast, words: int = 0) -> LeadForSeq2SeqLM:
        """Build the baseline for sources cut by a tokenizer of bytes.

        Args:
            tokenizer: Of both sides.
            words: As in :class:`LeadConfig`.
        """
        model = cls(LeadConfig(vocab_size=len(tokenizer), words=words))
        tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        model.encoder.begins_word.copy_(torch.tensor([token.startswith(_WHITE) for token in tokens]))
        return model
