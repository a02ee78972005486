"""What streams answer: classifiers the label so far, taggers their words, language models what comes next."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax
from transformers import PreTrainedTokenizerFast

from textgraft.data.tag_schemes import allowed_transitions, best_tags
from textgraft.data.words import cut_words
from textgraft.errors import OptionError
from textgraft.inference.streaming.streams import Piece, Place, Streams
from textgraft.models.recurrent.characters import character_ids
from textgraft.models.recurrent.onward import Carried
from textgraft.settings import real_number
from textgraft.tasks.base import Task
from textgraft.tasks.text.texts import Encoded
from textgraft.tokenization.words import Subwords

SHOWN = 5
"""Continuations that a record of what comes next holds."""


class LabelStreams(Streams[Any]):
    """Classifies texts as they go on, and may stop where it is sure.

    Args:
        model: A recurrent classifier that reads to the right alone.
        tokenizer: Its own.
        count: How many texts.
        task: Its task.
        temperature: Divides its logits.
        decide: What is done with predictions before they are answers, as to hold back unsure ones.
        until: From which score on an answer is final: it is looked at after every token, and of a text that
            is answered no more is read. None: none is.

    Raises:
        OptionError: The model cannot read so, or ``until`` is no score or not for its task.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: PreTrainedTokenizerFast,
        count: int,
        *,
        task: Task[Any],
        temperature: float,
        decide: Callable[[Sequence[Any]], list[Any]],
        until: float | None = None,
    ) -> None:
        super().__init__(model, tokenizer, count)
        self.task = task
        self.temperature = temperature
        self.decide = decide
        self.until = check_until(until, task)
        if self.until is not None:
            self.chunk = 1  # after which token it is sure must not depend on pieces

    def _heard(
        self,
        pieces: list[Piece],
        begin: int,
        lengths: list[int],
        states: torch.Tensor,
        before: Carried,
    ) -> None:
        if self.until is None:
            return
        scores = [prediction.score for prediction in self._predictions()]
        for place, score, length in zip(self._places, scores, lengths, strict=True):
            place.decided |= bool(length) and score >= self.until

    def _answers(self, pieces: list[Piece]) -> list[Any]:
        del pieces
        return self.decide(self._predictions())

    def _predictions(self) -> list[Any]:
        pooled = self.reader.pooled(self._carried)
        logits = self.reader.label_logits(pooled).float().numpy()
        kept = [Encoded(*row) for row in zip(logits, pooled.float().numpy(), strict=True)]
        return self.task.predictions([{} for _ in kept], kept, self.temperature)


def check_until(until: float | None, task: Task[Any]) -> float | None:
    """Return a score from which on an answer is final.

    Raises:
        OptionError: It is no score, or the answers of the task have none that says how likely they are right.
    """
    if until is None:
        return None
    if task.answer_fields != ("label",):
        raise OptionError(
            f"answers of {task.name} are not final from a score on",
            where="until",
            fix="It is for models that give a text one label.",
        )
    found = real_number(until, "until")
    if not 0 <= found <= 1:
        raise OptionError(f"{found:g} is no probability", where="until", fix="Give one up to 1, as 0.9.")
    return found


@dataclass(frozen=True, slots=True)
class TaggedWord:
    """A word that was read, and its tag."""

    word: str
    tag: str
    score: float
    """Probability of the tag, 0 to 1."""
    start: int
    """First character in the whole text, counted from 0."""
    end: int
    """One past the last character."""

    def to_dict(self) -> dict[str, Any]:
        """Return all of it."""
        return {
            "word": self.word,
            "tag": self.tag,
            "score": round(self.score, 6),
            "start": self.start,
            "end": self.end,
        }


class TagStreams(Streams[list[TaggedWord]]):
    """Tags words as they come: each by what stands before it. An answer holds the words that are new.

    Args:
        model: A recurrent tagger that reads to the right alone.
        tokenizer: Its own.
        count: How many texts.
        labels: Its tags, in the order of its outputs.
        temperature: Divides its logits.
        max_length: Tokens that it reads of a text at once; a word takes half of that at most.

    Raises:
        OptionError: The model cannot read so.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: PreTrainedTokenizerFast,
        count: int,
        *,
        labels: Sequence[str],
        temperature: float,
        max_length: int,
    ) -> None:
        super().__init__(model, tokenizer, count)
        self._takes_text = True  # words are cut before they are tokenized
        self.labels = tuple(labels)
        self._allowed = allowed_transitions(self.labels)
        self.temperature = temperature
        self.max_length = max_length
        self._logits: list[list[NDArray[np.float32]]] = []

    def _tags(self) -> int:
        return len(self.labels) - 1

    def _of_text(self, text: str, place: Place) -> Piece:
        words = [
            (text[start:end], place.characters + start, place.characters + end)
            for start, end in cut_words(text)
        ]
        place.characters += len(text)
        return self._of_words(words)

    def _of_tokens(self, tokens: Sequence[Any], place: Place) -> Piece:
        words = []
        for word in tokens:
            if not isinstance(word, str) or not word:
                raise OptionError(
                    f"{word!r} is no word", where="feed", fix="Give strings that are not empty, or one text."
                )
            start = place.characters + (1 if place.characters else 0)
            place.characters = start + len(word)
            words.append((word, start, place.characters))
        return self._of_words(words)

    def _of_words(self, words: list[tuple[str, int, int]]) -> Piece:
        if not words:
            return Piece()
        subwords = Subwords(self.tokenizer, self.max_length, [word for word, *_ in words])
        piece = Piece(words=words)
        for word, *_ in words:
            piece.starts.append(len(piece.ids))
            piece.ids += subwords[word]
        return piece

    def _characters(self, pieces: list[Piece], begin: int, longest: int) -> torch.Tensor | None:
        if not self.reader.config.reads_characters:
            return None
        rows = []
        for piece in pieces:
            row: list[list[int]] = [[] for _ in range(longest)]
            for (word, *_), start in zip(piece.words, piece.starts, strict=True):
                if begin <= start < begin + longest:
                    row[start - begin] = character_ids(word)
            rows.append(row)
        width = max(1, *(len(ids) for row in rows for ids in row))
        return torch.tensor([[ids + [0] * (width - len(ids)) for ids in row] for row in rows])

    def _begin(self, pieces: list[Piece]) -> None:
        self._logits = [[] for _ in pieces]

    def _heard(
        self,
        pieces: list[Piece],
        begin: int,
        lengths: list[int],
        states: torch.Tensor,
        before: Carried,
    ) -> None:
        del before
        logits = self.reader.token_logits(states).numpy()
        for row, (piece, length) in enumerate(zip(pieces, lengths, strict=True)):
            at = [start - begin for start in piece.starts if begin <= start < begin + length]
            self._logits[row] += list(logits[row, at])

    def _answers(self, pieces: list[Piece]) -> list[list[TaggedWord]]:
        rows = zip(pieces, self._logits, self._places, strict=True)
        return [self._tagged(piece.words, logits, place) for piece, logits, place in rows]

    def _tagged(
        self, words: list[tuple[str, int, int]], logits: list[NDArray[np.float32]], place: Place
    ) -> list[TaggedWord]:
        if not words:
            return []
        probabilities = softmax(np.stack(logits) / self.temperature, axis=1).astype(np.float32)
        best = best_tags(probabilities, self._allowed, before=1 + place.tag)
        place.tag = int(best[-1])
        return [
            TaggedWord(word, self.labels[tag], float(own[tag]), start, end)
            for (word, start, end), own, tag in zip(words, probabilities, best, strict=True)
        ]


@dataclass(frozen=True)
class Heard:
    """What a language model makes of the tokens that are new, and of what comes next."""

    tokens: int
    """How many are new."""
    log_probability: float
    """Of all of them together, each given all before it; natural logarithm."""
    probabilities: NDArray[np.float32] = field(repr=False)
    """Of each token to come next, [vocabulary]."""
    tokenizer: PreTrainedTokenizerFast = field(repr=False, compare=False)

    @property
    def perplexity(self) -> float:
        """Between how many tokens, all alike, it would have had to guess; NaN where none is new."""
        return math.exp(-self.log_probability / self.tokens) if self.tokens else math.nan

    def likeliest(self, count: int = SHOWN) -> list[tuple[str, float]]:
        """Return the tokens that most likely come next, with their probabilities."""
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        names = self.tokenizer.convert_ids_to_tokens(order.tolist())
        return [(name, float(value)) for name, value in zip(names, self.probabilities[order], strict=True)]

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers, and what most likely comes next."""
        return {
            "tokens": self.tokens,
            "log_probability": round(self.log_probability, 6),
            "next": {name: round(value, 6) for name, value in self.likeliest()},
        }


class NextStreams(Streams[Heard]):
    """Says how probable what is read was, and what comes next.

    Args:
        model: A recurrent language model; of a pair, the one that reads to the right.
        tokenizer: Its own.
        count: How many texts.

    Raises:
        OptionError: The model cannot read so.
    """

    chunk = 64
    """Fewer at once: each token has a probability for every word."""

    def __init__(self, model: Any, tokenizer: PreTrainedTokenizerFast, count: int) -> None:
        super().__init__(model, tokenizer, count)
        self._sums: list[float] = []

    def _begin(self, pieces: list[Piece]) -> None:
        self._sums = [0.0] * len(pieces)

    def _heard(
        self,
        pieces: list[Piece],
        begin: int,
        lengths: list[int],
        states: torch.Tensor,
        before: Carried,
    ) -> None:
        for row, (piece, length) in enumerate(zip(pieces, lengths, strict=True)):
            if not length:
                continue
            # Each token is told by the state before it.
            told_by = torch.cat([before.last[row : row + 1], states[row, : length - 1]])
            logits = self.reader.token_logits(told_by).float().numpy()
            ids = piece.ids[begin : begin + length]
            self._sums[row] += float(
                log_softmax(logits, axis=1)[np.arange(length), ids].sum(dtype=np.float64)
            )

    def _answers(self, pieces: list[Piece]) -> list[Heard]:
        logits = self.reader.token_logits(self._carried.last).float().numpy()
        return [
            Heard(len(piece.ids), told, probabilities, self.tokenizer)
            for piece, told, probabilities in zip(pieces, self._sums, softmax(logits, axis=1), strict=True)
        ]
