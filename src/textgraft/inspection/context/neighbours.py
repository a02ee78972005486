"""The nearest words of one word in several sentences: once for its static vector, and in each context.

In a context a word's neighbours are the words that, put in its place, have the most similar vectors there. So
nothing is needed but the encoder: no collection of sentences from which neighbours would have to be drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from textgraft.inference.token_vectors import TokenVectors, token_vectors
from textgraft.inspection.context.vectors import WordReader, place_of, shared_word
from textgraft.inspection.page import Page, Result, Section, Table

CANDIDATES = 1_000
"""Words that are tried in the word's place: those whose static vectors are nearest to it."""
OF_OTHERS = 30
"""Likewise for each other word of the sentences: what they are about."""
SHOWN = 10
FEWEST_LETTERS = 3


class Neighbour(msgspec.Struct, frozen=True):
    """A word and how near it is."""

    word: str
    cosine: float


class InSentence(msgspec.Struct, frozen=True):
    """One of the sentences."""

    sentence: str
    nearest: list[Neighbour]
    """Nearest first."""
    nearer_here: list[Neighbour]
    """Words that are nearer here than in the other sentences, with how much their cosine is above its mean
    there."""


class Neighbours(Result, frozen=True, kw_only=True):
    """A word in several sentences."""

    encoder: str
    word: str
    candidates: int
    static: list[Neighbour]
    """The same in every sentence."""
    contexts: list[InSentence]
    cosines: list[list[float]]
    """Between the word's vectors in the sentences, [sentences, sentences]; between static vectors it is 1."""

    def page(self) -> Page:
        """Show the lists side by side."""
        columns = ["", "static", *(f"sentence {at + 1}" for at in range(len(self.contexts)))]
        lists = [self.static, *(one.nearest for one in self.contexts)]
        rows = [
            [str(at + 1), *(f"{one[at].word} {one[at].cosine:.2f}" if at < len(one) else "" for one in lists)]
            for at in range(SHOWN)
        ]
        sections = [
            Section(
                "Nearest words",
                f"Of {self.candidates:,} words that were put in its place: those whose vectors there are "
                "nearest, with their cosines. The static vector knows nothing of the sentence.",
                table=Table(columns, rows, len(columns)),
            )
        ]
        findings = [f"Sentence {at + 1}: {one.sentence}" for at, one in enumerate(self.contexts)]
        if len(self.contexts) > 1:
            nearer = [
                [f"{word.word} {word.cosine:+.2f}" for word in one.nearer_here] for one in self.contexts
            ]
            sections.append(
                Section(
                    "What the context brings near",
                    "Words that are nearer in this sentence than in the others, and by how much.",
                    table=Table(
                        ["", *columns[2:]],
                        [[str(at + 1), *row] for at, row in enumerate(zip(*nearer, strict=True))],
                        len(columns),
                    ),
                )
            )
            lowest = min(value for row in self.cosines for value in row)
            headline = (
                f"“{self.word}” has vectors of cosine {lowest:.2f} in these sentences; static ones are equal"
            )
        else:
            headline = f"“{self.word}” in context"
        return Page(
            "context",
            self.word,
            f"{self.encoder} · {self.candidates:,} words tried",
            headline,
            findings,
            sections,
        )


def neighbours(encoder: str | Path, sentences: Sequence[str], *, word: str | None = None) -> Neighbours:
    """Return the nearest words of a word in each of several sentences, and those of its static vector.

    Args:
        encoder: "bundled", a folder or a Hub id.
        sentences: Each with the word.
        word: The word; the longest that all of them have if left out.

    Raises:
        OptionError: A sentence lacks the word, or is longer than the encoder reads.
        ModelError: There is no such encoder.
    """
    word = word or shared_word(sentences)
    places = [place_of(word, sentence) for sentence in sentences]
    reader = WordReader(encoder)
    vectors = token_vectors(reader.source, list(sentences))
    vocabulary = whole_words(vectors)
    static = _cosines(vectors, [word], vocabulary)[0]
    static[[at for at, one in enumerate(vocabulary) if one.lower() == word.lower()]] = -1
    others = sorted(
        {part.lower() for one in sentences for part in one.replace(".", " ").split()} - {word.lower()}
    )
    chosen = [*np.argsort(-static)[:CANDIDATES]]
    for similar in _cosines(vectors, others, vocabulary):
        chosen += [*np.argsort(-similar)[:OF_OTHERS]]
    tried = [vocabulary[at] for at in dict.fromkeys(chosen) if static[at] > -1]
    found = [
        _in_place(reader, sentence, place, tried) for sentence, place in zip(sentences, places, strict=True)
    ]
    own = np.stack([vector for vector, _ in found])
    cosines = np.stack([similar for _, similar in found])
    contexts = []
    for at, sentence in enumerate(sentences):
        rest = np.delete(cosines, at, axis=0)
        above = cosines[at] - (rest.mean(axis=0) if len(rest) else 0)
        contexts.append(
            InSentence(sentence, _top(tried, cosines[at]), _top(tried, above) if len(rest) else [])
        )
    return Neighbours(
        encoder=reader.source.name,
        word=word,
        candidates=len(tried),
        static=_top(vocabulary, static),
        contexts=contexts,
        cosines=[[round(float(value), 4) for value in row] for row in own @ own.T],
    )


def whole_words(vectors: TokenVectors) -> list[str]:
    """Return the words of an encoder's vocabulary that are one token, in its order."""
    tokens = sorted(vectors.tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    cleaned = (token.removeprefix("▁").removeprefix("Ġ") for token, _ in tokens)
    return list(
        dict.fromkeys(
            word for word in cleaned if word.isalpha() and word.islower() and len(word) >= FEWEST_LETTERS
        )
    )


def _cosines(vectors: TokenVectors, words: Sequence[str], vocabulary: Sequence[str]) -> NDArray[np.float32]:
    """Return the cosines of static vectors, [words, vocabulary]."""
    return _unit(vectors.means(words)) @ _unit(vectors.means(vocabulary)).T


def _unit(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = (matrix / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return scaled


def _in_place(
    reader: WordReader, sentence: str, place: tuple[int, int], tried: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the word's own vector, and its cosine to that of each word in its place."""
    begin, end = place
    texts = [sentence, *(sentence[:begin] + word + sentence[end:] for word in tried)]
    places = [place, *((begin, begin + len(word)) for word in tried)]
    vectors = reader.vectors(texts, places)
    return vectors[0], vectors[1:] @ vectors[0]


def _top(words: Sequence[str], values: NDArray[np.float32]) -> list[Neighbour]:
    return [
        Neighbour(words[at], round(float(values[at]), 4)) for at in np.argsort(-values, kind="stable")[:SHOWN]
    ]
