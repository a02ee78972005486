"""A recurrent tagger: word vectors, characters, states in both directions, a tag for each word.

With ``crf`` the tags are predicted together; the BiLSTM-CRF with characters is the tagger of Lample et al.
2016 ("Neural architectures for named entity recognition") and Ma and Hovy 2016 ("End-to-end sequence labeling
via bi-directional LSTM-CNNs-CRF").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers import initialization as init
from transformers.modeling_outputs import TokenClassifierOutput
from transformers.utils import can_return_tuple

from textgraft.data.tag_schemes import allowed_transitions
from textgraft.errors import OptionError
from textgraft.models.asked import asked
from textgraft.models.padding import one_of, true_tokens
from textgraft.models.recurrent.crf import ConditionalRandomField
from textgraft.models.recurrent.encoder import RecurrentConfig, RecurrentModel, RecurrentPreTrainedModel
from textgraft.models.temperature import divided
from textgraft.tokenization.words import NO_LABEL


@dataclass
class TaggerOutput(TokenClassifierOutput):
    """What a tagger returns that may know better than its logits which tags are best."""

    tags: Tensor | None = None
    """The best sequence of tags of each text, int64 [batch, time]; :data:`NO_LABEL` where no word begins."""


class RecurrentForTokenClassification(RecurrentPreTrainedModel):
    """Embed, encode, predict a tag where a word begins.

    Args:
        config: Its description; id2label names the tags, by which a conditional random field knows which may
            follow which.
    """

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        assert config.num_labels is not None, "without id2label Transformers counts two labels"
        self.recurrent = RecurrentModel(config, add_pooling_layer=False)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.state_size, config.num_labels)
        self.crf: ConditionalRandomField | None = None
        if config.crf:
            self.crf = ConditionalRandomField(_allowed(config))
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, ConditionalRandomField):
            init.copy_(module.allowed, torch.from_numpy(_allowed(self.config)))
            init.zeros_(module.transitions)

    def divide_logits(self, temperature: float) -> Callable[[], None]:
        """Divide the logits from now on; returns what takes it back.

        Those of a field are log probabilities over whole sequences, which are linear in no layer.
        """
        if self.crf is None:
            return divided([*self.classifier.parameters()], temperature)
        before = self.config.marginal_temperature
        self.config.marginal_temperature = before * temperature
        return lambda: setattr(self.config, "marginal_temperature", before)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        word_mask: Tensor | None = None,
        character_ids: Tensor | None = None,
        labels: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> TaggerOutput:
        """Tag a batch.

        Args:
            input_ids: [batch, time].
            attention_mask: 1 at true tokens and 0 at padding, [batch, time]; without it every pad_token_id is
                padding.
            word_mask: 1 where a word begins, [batch, time]; without it at every true token but the first,
                which is [CLS].
            character_ids: As for :class:`~textgraft.models.recurrent.encoder.RecurrentModel`.
            labels: Tag where a word begins, :data:`NO_LABEL` elsewhere, [batch, time]; with them the mean
                negative log-likelihood of a word is returned as loss.
            inputs_embeds: Word vectors in place of ids, [batch, time, embedding_size].
            output_attentions: There are none to return.
            output_hidden_states: Whether to return the word vectors and the states of every layer.

        Returns:
            logits [batch, time, tags], and the loss if labels were given. With a conditional random field the
            logits are log probabilities of the tags over all sequences, divided by the configuration's
            ``marginal_temperature``, and ``tags`` the best sequence; in training neither is computed, and the
            logits are its emissions.

        Raises:
            OptionError: The model reads characters and got none, or its field meets a word without a label.
        """
        wanted = asked(
            self.config, output_attentions=output_attentions, output_hidden_states=output_hidden_states
        )
        mask = true_tokens(attention_mask, one_of(input_ids, inputs_embeds), self.config.pad_token_id)
        outputs = self.recurrent(input_ids, mask, character_ids, inputs_embeds, **wanted, return_dict=True)
        logits = self.classifier(self.dropout(outputs.last_hidden_state)).float()
        tags = loss = None
        if self.crf is None:
            if labels is not None:
                loss = nn.functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=NO_LABEL)
        else:
            if word_mask is None:
                word_mask = mask & (mask.cumsum(dim=1) > 1)
            emissions, words, place = self._words(logits, word_mask.bool())
            if labels is not None:
                gold = labels.gather(1, place)
                if (gold[words] == NO_LABEL).any():
                    raise OptionError(
                        "a conditional random field needs a label for every word",
                        where="word_mask",
                        fix="Make the tokenizer by train_word_tokenizer(…, whole_words=True): it asks for a "
                        "word_mask, which tells the first token of each word from the others.",
                    )
                loss = -self.crf.log_likelihood(emissions, words, gold).sum() / words.sum().clamp(min=1)
            if not self.training:
                marginals = self.crf.log_marginals(emissions, words)
                # Words are told by these; elsewhere nothing is, whatever stands beside in the batch.
                told = torch.where(words.unsqueeze(2), marginals.to(logits.dtype), emissions)
                logits = logits.scatter(1, place.unsqueeze(2).expand_as(told), told)
                logits = logits / self.config.marginal_temperature
                best = self.crf.best_tags(emissions, words).masked_fill(~words, NO_LABEL)
                tags = torch.full_like(mask, NO_LABEL, dtype=torch.long).scatter(1, place, best)
        return TaggerOutput(loss=loss, logits=logits, hidden_states=outputs.hidden_states, tags=tags)

    @staticmethod
    def _words(logits: Tensor, word_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Move what belongs to words together: a CRF's neighbours are words, whatever tokens lie between.

        Returns:
            Logits of the words [batch, words, tags], which of them are words [batch, words], and where they
            stood [batch, words].
        """
        longest = max(1, int(word_mask.sum(dim=1).max()))
        place = word_mask.int().argsort(dim=1, descending=True, stable=True)[:, :longest]
        return (
            logits.gather(1, place.unsqueeze(2).expand(-1, -1, logits.shape[2])),
            word_mask.gather(1, place),
            place,
        )


def _allowed(config: PreTrainedConfig) -> NDArray[np.bool_]:
    """Return which tag may follow which, by their names."""
    names: dict[Any, str] = config.id2label or {}
    return allowed_transitions([names[index] for index in range(len(names))])
