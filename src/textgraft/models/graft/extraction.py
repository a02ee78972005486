"""A graft that summarizes by taking sentences out of a document (BertSumExt).

Liu and Lapata 2019, "Text summarization with pretrained encoders": every sentence has a vector, a few
Transformer layers let the vectors of a document look at one another, and each sentence gets the probability
of being in the summary. Here the vector is the frozen encoder's encoding of the sentence by itself: encodings
can be kept, so that training takes seconds, and a document may have any number of sentences, as each is a
window of its own. What sentences have to do with each other is left to the layers between them.

To Transformers it is an encoder–decoder whose text is known before the first word, as those of
:mod:`textgraft.models.baselines.lookup`: it is saved, loaded, decoded and served as all that write.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationMixin
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import can_return_tuple

from textgraft.errors import OptionError
from textgraft.models.baselines.lookup import CERTAIN, WritesLookedUp
from textgraft.models.graft.base import Graft, GraftConfig
from textgraft.models.padding import ascending, ordered, true_tokens
from textgraft.tokenization.marked_sentences import split_at

MOST_TOKENS = 768
"""Padded tokens of the sentences that the encoder reads at once. Sentences differ in length far more than
texts of a batch do: in few large batches more than half of what is read is padding."""
_LEAST, _MOST = 1e-6, 1 - 1e-6
"""Bounds of a sentence's probability."""


class ExtractionConfig(GraftConfig):
    """Describes a graft that extracts sentences.

    Args:
        window: Tokens that are read of a sentence at most, special ones included.
        sentences: How many are taken, at most.
        between_size: Width of the layers between the sentences.
        between_layers: How many of them.
        between_heads: Attention heads of each.
        between_feed_forward_size: Width inside the feed-forward part of each.
        between_dropout: Fraction of what each part of a layer adds set to zero in training.
        pad_token_id: Of the encoder.
        bos_token_id: Begins a sentence, as [CLS].
        eos_token_id: Ends one, and what is written.
        decoder_start_token_id: The same as bos_token_id.
        num_hidden_layers: What generate() makes a cache for, which then is not used.

    Raises:
        OptionError: The width cannot be shared out among the heads.
    """

    model_type = "graft-extraction"

    window: int = 256
    sentences: int = 1
    between_size: int = 256
    between_layers: int = 2
    between_heads: int = 4
    between_feed_forward_size: int = 512
    between_dropout: float = 0.1
    pad_token_id: int | None = 0
    bos_token_id: int | None = 101
    eos_token_id: int | None = 102
    decoder_start_token_id: int = 101
    num_hidden_layers: int = 1
    is_encoder_decoder: bool = True
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.between_size % (2 * self.between_heads):
            raise OptionError(
                f"{self.between_heads} attention heads cannot share a width of {self.between_size}",
                where="between_size",
                fix=f"Take a multiple of {2 * self.between_heads}.",
            )


class SentenceScorer(nn.Module):
    """Maps the encodings of a document's sentences to the logit of each of being in the summary.

    Args:
        config: Of the graft; ``encoding_size`` is known.
    """

    def __init__(self, config: ExtractionConfig) -> None:
        super().__init__()
        size = config.between_size
        self.narrow = nn.Linear(config.encoding_size, size)
        layer = nn.TransformerEncoderLayer(
            size,
            config.between_heads,
            config.between_feed_forward_size,
            config.between_dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.layers = nn.TransformerEncoder(
            layer, config.between_layers, norm=nn.LayerNorm(size), enable_nested_tensor=False
        )
        self.score = nn.Linear(size, 1)

    def forward(self, encodings: Tensor, is_sentence: Tensor) -> Tensor:
        """Return logits [documents, sentences].

        Args:
            encodings: [documents, sentences, encoding_size].
            is_sentence: Where there is one, booleans [documents, sentences].
        """
        width = encodings.shape[-1] ** 0.5
        # Of length one, encodings would start the layers far below the vectors of places.
        states = self.narrow(nn.functional.normalize(encodings, dim=-1) * width)
        states = states + places(states.shape[1], states.shape[2], states.device).to(states.dtype)
        states = self.layers(states, src_key_padding_mask=~is_sentence)
        return self.score(states).squeeze(-1)


@functools.lru_cache(maxsize=8)
def places(count: int, size: int, device: torch.device) -> Tensor:
    """Return sinusoidal vectors of places, [count, size] (Vaswani et al. 2017, section 3.5)."""
    rates = torch.exp(torch.arange(0, size, 2) * (-torch.log(torch.tensor(10_000.0)) / size))
    angles = torch.arange(count).unsqueeze(1) * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1).to(device)


class GraftForExtraction(WritesLookedUp, Graft, GenerationMixin):
    """Writes the sentences of a document that its summary is likeliest to have, in the document's order.

    None is taken that shares three words in a row with one taken before (trigram blocking, Paulus et al.
    2018). A source is read sentence by sentence: every decoder_start_token_id begins one. In what is
    written the same token stands between two sentences.

    Args:
        config: Its description.
    """

    config_class = ExtractionConfig  # type: ignore[assignment]  # it is made of more
    config: ExtractionConfig
    main_input_name = "input_ids"
    reads_windows = False
    """Its tokenizer cuts sentences that are too long."""

    def __init__(self, config: ExtractionConfig) -> None:
        super().__init__(config, 1)
        del self.layers
        self.scorer = SentenceScorer(config)
        self.post_init()

    def get_encoder(self, *args: Any, **kwargs: Any) -> nn.Module:
        """Return what extracts the sentences of a batch."""
        del args, kwargs
        return _Extractor(self)

    @functools.cached_property
    def num_words(self) -> int:
        """Entries of the encoder's vocabulary."""
        return self.config.vocab_size or self.encoder.get_input_embeddings().num_embeddings  # type: ignore[return-value]

    def encodings(self, sentences: Sequence[Sequence[int]]) -> Tensor:
        """Encode sentences, [sentences, encoding_size].

        Args:
            sentences: Ids of each, special ones included; what lies beyond ``window`` is not read.
        """
        most = self.config.window
        cut = [list(ids) if len(ids) <= most else [*ids[: most - 1], ids[-1]] for ids in sentences]
        order = sorted(range(len(cut)), key=lambda place: -len(cut[place]))
        vectors = torch.empty(len(cut), self.config.encoding_size, device=self.device)
        start = 0
        while start < len(order):
            width = max(1, len(cut[order[start]]))
            members = order[start : start + max(1, MOST_TOKENS // width)]
            start += len(members)
            ids = torch.full((len(members), width), self.config.pad_token_id or 0)
            mask = torch.zeros_like(ids)
            for row, member in enumerate(members):
                ids[row, : len(cut[member])] = torch.tensor(cut[member])
                mask[row, : len(cut[member])] = 1
            ids, mask = ids.to(self.device), mask.to(self.device)
            states, _ = self.encoded(
                ids, mask, None, None, output_attentions=False, output_hidden_states=False
            )
            vectors[members] = self.pooled(states, mask).float()
        return vectors

    def sentence_logits(self, documents: Sequence[Sequence[Sequence[int]]]) -> list[Tensor]:
        """Return for each document the logits of its sentences.

        Args:
            documents: The ids of the sentences of each.
        """
        vectors = self.encodings([ids for own in documents for ids in own])
        counts = [len(own) for own in documents]
        encodings, is_sentence = padded_documents(vectors.split(counts))
        logits = self.scorer(encodings.to(self.dtype), is_sentence).float()
        return [row[:count] for row, count in zip(logits, counts, strict=True)]

    def extract(self, documents: Sequence[Sequence[Sequence[int]]]) -> list[list[tuple[int, float]]]:
        """Choose sentences of documents.

        Args:
            documents: The ids of the sentences of each.

        Returns:
            The places of those chosen and how probable each was, in the document's order.
        """
        return [
            choose(own, logits.sigmoid().tolist(), self.config.sentences)
            for own, logits in zip(documents, self.sentence_logits(documents), strict=True)
        ]

    def _certainties(self, found: Tensor) -> Tensor:
        return found[..., 1]

    def logit_of(self, probability: float) -> float:
        """Return the logit that gives a word this probability where that of all others is 0."""
        odds = min(_MOST, max(_LEAST, probability))
        # Even a sentence that was an unlikely choice is written.
        return max(1.0, math.log(odds / (1 - odds)) + math.log(max(1, self.num_words - 1)))


class _Extractor(nn.Module):
    """Finds the summaries of a batch, in the form that a decoder of looked-up texts takes."""

    main_input_name = "input_ids"

    def __init__(self, model: GraftForExtraction) -> None:
        super().__init__()
        self._model = [model]  # a list hides it from nn.Module's registry of submodules

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> BaseModelOutput:
        """Read a batch [batch, time]; generate() passes the rest to all encoders.

        Returns:
            The ids and logits of what is to be written, [batch, time, 2].
        """
        del output_attentions, output_hidden_states
        model = self._model[0]
        start, end = model.config.decoder_start_token_id, model.config.eos_token_id or 0
        true = true_tokens(attention_mask, input_ids, model.config.pad_token_id)
        order = ascending(~true)
        rows, lengths = ordered(input_ids, order).tolist(), true.sum(dim=1).tolist()
        documents = [split_at(row[:length], start) for row, length in zip(rows, lengths, strict=True)]
        texts = []
        for own, chosen in zip(documents, model.extract(documents), strict=True):
            text: list[tuple[int, float]] = []
            for place, probability in chosen:
                sure = model.logit_of(probability)
                if text:
                    text.append((start, CERTAIN))
                text += [(token, sure) for token in own[place] if token not in (start, end)]
            texts.append([*text, (end, CERTAIN)])
        width = max(map(len, texts))
        padded = [[*text, *([(end, CERTAIN)] * (width - len(text)))] for text in texts]
        return BaseModelOutput(
            last_hidden_state=torch.tensor(padded, dtype=torch.float32, device=input_ids.device)
        )


def choose(
    sentences: Sequence[Sequence[int]], probabilities: Sequence[float], most: int
) -> list[tuple[int, float]]:
    """Choose the most probable sentences, none that repeats three tokens in a row of one before it.

    Args:
        sentences: Ids of each, special ones included.
        probabilities: Of each.
        most: How many at most.

    Returns:
        Their places, ascending, and probabilities.
    """
    chosen: list[tuple[int, float]] = []
    met: set[tuple[int, ...]] = set()
    for place in sorted(range(len(sentences)), key=lambda one: -probabilities[one]):
        ids = sentences[place][1:-1]
        own = set(zip(ids, ids[1:], ids[2:], strict=False))
        if not chosen or not own & met:
            chosen.append((place, probabilities[place]))
            met |= own
        if len(chosen) == most:
            break
    return sorted(chosen)


def padded_documents(documents: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Put documents side by side.

    Args:
        documents: The encodings of each, [sentences, size].

    Returns:
        Encodings [documents, most sentences, size], and where there are any, booleans.
    """
    encodings = nn.utils.rnn.pad_sequence(list(documents), batch_first=True)
    counts = torch.tensor([len(own) for own in documents], device=encodings.device)
    return encodings, torch.arange(encodings.shape[1], device=encodings.device) < counts[:, None]
