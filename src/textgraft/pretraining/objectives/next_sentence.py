"""BERT's examples: pairs of which the second may or may not go on with the first (Devlin et al. 2019, A.2).

A document is cut into chunks of sentences that fill a sequence; one in ten is meant to be shorter. A chunk is
parted at random, after one of its sentences. Half the time the rest is its second part; else another document
gives one, from a random sentence on. What is too long loses tokens of its longer part, at either end.

The authors drew this once, before training. Here it is drawn anew whenever a chunk comes up, so that no text
is lost to the pairs that do not go on. A chunk has two sentences at least: so that a pair goes on with
probability one half exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.errors import DataError, OptionError
from textgraft.files import content_hash
from textgraft.pretraining.corpus.tokens import Tokens
from textgraft.pretraining.objectives.examples import Arrays, Examples, Frame, attention_mask, padded

IS_NEXT, IS_RANDOM = 0, 1
"""As ``next_sentence_label`` of Transformers' BertForPreTraining."""

_SPECIAL_TOKENS = 3


class SentencePairs(Examples):
    """Chunks of documents, made into pairs when they are asked for.

    Args:
        tokens: Documents whose pieces are sentences.
        frame: The special tokens.
        length: Tokens of a sequence at most, special tokens included.
        short_fraction: Of the sequences, which are meant to be shorter, so that the model meets such, too;
            their lengths are drawn evenly.

    Raises:
        DataError: There is but one document, or none with two sentences.
        OptionError: ``length`` has no room for a pair.
    """

    def __init__(self, tokens: Tokens, frame: Frame, *, length: int, short_fraction: float = 0.1) -> None:
        self.tokens, self.frame = tokens, frame
        self.room = length - _SPECIAL_TOKENS
        if self.room < 2:
            raise OptionError(f"{length} tokens have no room for a pair", where="length", fix="Give 128.")
        if len(tokens) < 2:
            raise DataError(
                "pairs from different documents need two documents at least",
                fix="Separate documents by blank lines, or train without next-sentence prediction.",
            )
        self.chunks = _chunks(tokens, self.room, short_fraction)
        if not len(self.chunks):
            raise DataError(
                "no document has two sentences, so there is no next one",
                fix="Give whole documents, or train without next-sentence prediction.",
            )
        starts = tokens.piece_starts
        spans = starts[self.chunks[:, 2]] - starts[self.chunks[:, 1]]
        self.lengths = np.minimum(spans, self.room) + _SPECIAL_TOKENS
        self.identity = content_hash(["sentence pairs", tokens.identity, length, short_fraction])

    def batch(self, numbers: Sequence[int], generator: np.random.Generator) -> Arrays:
        """Draw a pair for each chunk: also ``token_type_ids`` and ``next_sentence_label``, 1 if random."""
        rows, types, labels = [], [], []
        for number in numbers:
            first, second, label = self.pair(number, generator)
            begin, end = [self.frame.first], [self.frame.separator]
            rows.append(np.concatenate([begin, first, end, second, end]))
            types.append(np.repeat((0, 1), (len(first) + 2, len(second) + 1)))
            labels.append(label)
        return {
            "input_ids": padded(rows, self.frame.padding),
            "attention_mask": attention_mask(rows),
            "token_type_ids": padded(types, 0),
            "next_sentence_label": np.array(labels),
        }

    def pair(
        self, number: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]], int]:
        """Draw the ids of both parts of a pair, and whether the second goes on or is random."""
        document, begin, end = self.chunks[number].tolist()
        cut = int(generator.integers(begin + 1, end))
        starts, ids = self.tokens.piece_starts, self.tokens.ids
        first, second = ids[starts[begin] : starts[cut]], ids[starts[cut] : starts[end]]
        label = IS_NEXT if generator.random() < 0.5 else IS_RANDOM
        if label == IS_RANDOM:
            second = self._elsewhere(document, len(second), generator)
        return *shortened(first, second, self.room, generator), label

    def _elsewhere(
        self, document: int, length: int, generator: np.random.Generator
    ) -> NDArray[np.integer[Any]]:
        """Draw sentences of another document, as many as reach ``length`` tokens or its end."""
        other = int(generator.integers(len(self.tokens) - 1))
        other += other >= document
        begin, end = self.tokens.document_starts[other : other + 2].tolist()
        begin = int(generator.integers(begin, end))
        starts = self.tokens.piece_starts[begin : end + 1]
        stop = min(int(np.searchsorted(starts, starts[0] + length)), len(starts) - 1)
        return self.tokens.ids[starts[0] : starts[stop]]


def shortened(
    first: NDArray[np.integer[Any]],
    second: NDArray[np.integer[Any]],
    room: int,
    generator: np.random.Generator,
) -> tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]]:
    """Take tokens from the longer part, of its front or its end as a coin says, until both have room.

    Equally long parts are cut in turn, the second before the first.
    """
    if len(first) + len(second) <= room:
        return first, second
    kept = min(len(first), max(room - len(second), (room + 1) // 2))
    return _cut(first, kept, generator), _cut(second, room - kept, generator)


def _cut(
    ids: NDArray[np.integer[Any]], kept: int, generator: np.random.Generator
) -> NDArray[np.integer[Any]]:
    front = int(generator.binomial(len(ids) - kept, 0.5))
    return ids[front : front + kept]


def _chunks(tokens: Tokens, room: int, short_fraction: float) -> NDArray[np.int64]:
    """Cut documents into chunks: document, first piece, and the piece behind the last, [chunks, 3]."""
    generator = np.random.default_rng(0)
    chunks: list[tuple[int, int, int]] = []
    for document, (begin, end) in enumerate(
        zip(tokens.document_starts[:-1].tolist(), tokens.document_starts[1:].tolist(), strict=True)
    ):
        starts = tokens.piece_starts[begin : end + 1]
        at, last = 0, end - begin
        while last - at >= 2:
            wanted = int(generator.integers(2, room + 1)) if generator.random() < short_fraction else room
            stop = max(at + 2, int(np.searchsorted(starts, starts[at] + wanted)))
            # A sentence that would be left alone goes with those before it.
            stop = last if stop >= last - 1 else stop
            chunks.append((document, begin + at, begin + stop))
            at = stop
    return np.array(chunks, dtype=np.int64).reshape(-1, 3)
