"""What an encoder makes of the words of a text: which others each attends to, and which words are near it.

Attention between words is made of that between tokens as Clark, Khandelwal, Levy and Manning (2019, "What
Does BERT Look At?") have it: from a word that was cut into several tokens goes the mean of what goes from
them, to it the sum.

Near to a word by itself are those whose vectors in the encoder's table, which it begins with, point the same
way. In a text, the nearest of these are put in the word's place one by one, and compared by what the encoder
then makes of that place.

This is what a service's page shows within a fraction of a second. For a study see
:mod:`textgraft.inspection.attention`, with every head, and :mod:`textgraft.inspection.context`, which tries a
thousand words in several sentences, and knows static vectors that were distilled.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from textgraft.errors import ModelError, OptionError
from textgraft.models.asked import observable
from textgraft.models.encoders import EncoderSource, load_encoder, load_tokenizer

CANDIDATES = 32
"""Words that are tried in a word's place."""
_CHUNK = 10_000


class Word(msgspec.Struct, frozen=True):
    """A word of a text, or a special token around it."""

    text: str
    start: int
    """First character, counted from 0."""
    end: int
    """One past the last character; as ``start`` for a special token."""
    special: bool


class Neighbour(msgspec.Struct, frozen=True):
    """A word that is near another one."""

    text: str
    score: float
    """The cosine between them."""


class Neighbours(msgspec.Struct, frozen=True, kw_only=True):
    """The words near a word, the nearest first."""

    word: str
    alone: list[Neighbour]
    """By its own vector, whatever stands beside it."""
    here: list[Neighbour]
    """By what the encoder makes of it in its text."""


@dataclass(frozen=True)
class ReadText:
    """A text in the encoder's tokens."""

    ids: list[int]
    words: list[Word]
    spans: list[range]
    """The tokens of each word."""


class WordView:
    """An encoder in torch whose attention and states can be looked at. For one thread at a time.

    Args:
        source: The encoder.

    Raises:
        ModelError: It cannot be loaded.
    """

    def __init__(self, source: EncoderSource) -> None:
        self.source = source
        self._model = load_encoder(source)[0]
        self._tokenizer = load_tokenizer(source)

    def read(self, text: str) -> ReadText:
        """Tokenize a text, and find its words."""
        encoding = self._tokenizer.encode(text)
        words: list[Word] = []
        spans: list[range] = []
        before: int | None = None
        for place, (owner, special, (start, end)) in enumerate(
            zip(encoding.word_ids, encoding.special_tokens_mask, encoding.offsets, strict=True)
        ):
            if special:
                words.append(Word(encoding.tokens[place], start, start, True))
                spans.append(range(place, place + 1))
            elif owner is not None and owner == before:
                first = words[-1].start
                words[-1] = Word(text[first:end], first, end, False)
                spans[-1] = range(spans[-1].start, place + 1)
            else:
                words.append(Word(text[start:end], start, end, False))
                spans.append(range(place, place + 1))
            before = None if special else owner
        return ReadText(encoding.ids, words, spans)

    def attention(self, given: ReadText) -> NDArray[np.float32]:
        """Return how the words of a text attend to each other.

        Args:
            given: As :meth:`read` has it, within the encoder's positions.

        Returns:
            [layers, words, words]: the shares of a word's attention, which sum to 1, in its row; the mean
            over the heads of a layer.

        Raises:
            ModelError: The encoder has no attention.
        """
        with torch.inference_mode(), observable(self._model):
            outputs = self._model(**_batch([given.ids]), output_attentions=True)
        layers = outputs.get("attentions")
        if not layers or any(layer is None for layer in layers):
            raise ModelError("this encoder has no attention to look at", where=self.source.name)
        # [layers, tokens, tokens] of [layers, batch, heads, tokens, tokens].
        weights = torch.stack(list(layers)).float()[:, 0].mean(dim=1).numpy()
        member = np.zeros((len(given.spans), len(given.ids)), dtype=np.float32)
        for row, span in zip(member, given.spans, strict=True):
            row[span.start : span.stop] = 1
        found: NDArray[np.float32] = (member / member.sum(axis=1, keepdims=True)) @ weights @ member.T
        return found

    def nearest(self, given: ReadText, word: int, count: int = 8) -> Neighbours:
        """Return the words that are near a word of a text.

        Args:
            given: As :meth:`read` has it.
            word: Its place among the words, from 0.
            count: How many of each kind, at most :data:`CANDIDATES`.

        Raises:
            OptionError: There is no such word, or it is a special token.
            ModelError: The encoder has no table of words.
        """
        if not 0 <= word < len(given.words) or given.words[word].special:
            raise OptionError(
                f"the text has no word {word}",
                where="word",
                fix=f"Give the place of one of its {len(given.words)} words, special tokens left out.",
            )
        span, own = given.spans[word], given.words[word].text.casefold()
        ids, names = self._vocabulary
        table = self._table
        with torch.inference_mode():
            vector = table[given.ids[span.start : span.stop]].mean(dim=0)
            scores = functional.cosine_similarity(table[ids], vector, dim=-1).numpy()
        order = [place for place in np.argsort(-scores, kind="stable") if names[place].casefold() != own]
        order = order[:CANDIDATES]
        alone = [Neighbour(names[place], float(scores[place])) for place in order]
        here = self._in_place(given.ids, span, [ids[place] for place in order]) if order else []
        ranked = sorted(
            (Neighbour(names[place], score) for place, score in zip(order, here, strict=True)),
            key=lambda one: -one.score,
        )
        return Neighbours(word=given.words[word].text, alone=alone[:count], here=ranked[:count])

    def _in_place(self, ids: Sequence[int], span: range, candidates: Sequence[int]) -> list[float]:
        """Return the cosine of a word's states to those of each candidate in its place."""
        with torch.inference_mode():
            states = self._states([list(ids)])[0, span.start : span.stop].mean(dim=0)
            tried = [[*ids[: span.start], token, *ids[span.stop :]] for token in candidates]
            others = self._states(tried)[:, span.start]
            found: list[float] = functional.cosine_similarity(others, states, dim=-1).tolist()
        return found

    def _states(self, rows: list[list[int]]) -> Tensor:
        """Return the last hidden states of rows of one length, [rows, tokens, size]."""
        states: Tensor = self._model(**_batch(rows)).last_hidden_state
        return states.float()

    @functools.cached_property
    def _table(self) -> Tensor:
        """The vectors that the encoder begins with, [tokens, size]."""
        weight = getattr(self._model.get_input_embeddings(), "weight", None)
        if not isinstance(weight, Tensor):
            raise ModelError("this encoder has no table of word vectors", where=self.source.name)
        return weight.detach().float()

    @functools.cached_property
    def _vocabulary(self) -> tuple[list[int], list[str]]:
        """The tokens that are whole words: their ids, and as they are written."""
        tokenizer = self._tokenizer
        every = list(range(min(tokenizer.get_vocab_size(), len(self._table))))
        written = [text.strip() for text in tokenizer.decode_batch([[token] for token in every])]
        ids, names = [], []
        for start in range(0, len(every), _CHUNK):
            part = written[start : start + _CHUNK]
            encodings = tokenizer.encode_batch_fast([f" {text}" for text in part], add_special_tokens=False)
            for token, text, encoding in zip(every[start : start + _CHUNK], part, encodings, strict=True):
                if encoding.ids == [token] and any(letter.isalpha() for letter in text):
                    ids.append(token)
                    names.append(text)
        return ids, names


def _batch(rows: list[list[int]]) -> dict[str, Tensor]:
    ids = torch.tensor(rows)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
