"""Can vectors tell whether a word means the same in two sentences? A score on sentences that people tagged.

The form is that of WiC (Pilehvar and Camacho-Collados 2019): pairs of sentences with the same word, which
means the same in both or not. Senses are not tagged by hand here but taken from tagged entities: a word has
the same sense where it has the same type ("Washington" the place in both), and another where the types differ
(the place, and the man). That is coarser than the senses of a dictionary, and an entity's type is often told
by the words around it: it is a score of the same form, not WiC itself.

Words have equally many pairs of either kind, so that which word it is tells nothing. A static vector is the
same in both sentences and cannot tell; beside it stands the mean static vector of the other words of the
sentences, to show how much the topic alone tells.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from textgraft.data.dataset import Dataset
from textgraft.data.tag_schemes import entities
from textgraft.errors import DataError
from textgraft.evaluation.intervals import Score, part_numbers, score_interval
from textgraft.inference.token_vectors import token_vectors
from textgraft.inspection.context.vectors import Place, WordReader
from textgraft.inspection.figures import lines
from textgraft.inspection.page import Page, Result, Section, Table
from textgraft.wording import interval, score

PAIRS_OF_WORD = 4
"""Of either kind, at most: no word decides the score."""
MOST_PAIRS = 1_000
FEWEST_WORDS = 8
FEWEST_LETTERS = 3
LONGEST = 300
"""Characters of a sentence: what an encoder reads for certain."""
FOLDS = 5
STATIC, TOPIC, CONTEXTUAL = "static", "static, other words", "contextual"


class Occurrence(NamedTuple):
    """A word in a sentence."""

    sentence: str
    place: Place
    sense: str


class Pair(NamedTuple):
    """Two sentences with the same word."""

    word: str
    first: Occurrence
    second: Occurrence

    @property
    def is_same(self) -> bool:
        """Whether it has the same sense in both."""
        return self.first.sense == self.second.sense


class Told(msgspec.Struct, frozen=True):
    """How well one kind of vector tells the two kinds of pairs apart."""

    vectors: str
    """One of "static", "static, other words" and "contextual"."""
    auroc: Score
    """Share of pairs of pairs, one of the same sense and one not, that the cosine orders rightly."""
    accuracy: Score
    """With a threshold that was chosen on other words."""


class Example(msgspec.Struct, frozen=True):
    """A pair, and how near the word is to itself."""

    word: str
    first: str
    second: str
    senses: str
    cosine: float


class WordInContext(Result, frozen=True, kw_only=True):
    """The score of an encoder."""

    encoder: str
    source: str
    words: int
    pairs: int
    same: int
    """Pairs of the same sense; half of all."""
    told: list[Told]
    examples: list[Example]
    cosines: dict[str, list[float]]
    """Of the contextual vectors: deciles for pairs of the same sense and of different ones."""

    def page(self) -> Page:
        """Show the scores, and how cosines differ."""
        by = {one.vectors: one for one in self.told}
        rows = [
            [one.vectors, *(f"{score(each.value)} ({interval(each)})" for each in (one.auroc, one.accuracy))]
            for one in self.told
        ]
        places = [10 * at for at in range(11)]
        figure = lines(
            {name: (places, values) for name, values in self.cosines.items()},
            "% of pairs below",
            "cosine of the word's two vectors",
        )
        best = by[CONTEXTUAL].auroc
        return Page(
            "context",
            f"Words in context: {self.source}",
            f"{self.encoder} · {self.pairs:,} pairs of sentences, {self.same:,} with the same sense · "
            f"{self.words:,} words",
            f"Contextual vectors tell senses apart with AUROC {score(best.value)} ({interval(best)})",
            [
                "A sense is the type of the entity that the word is part of, as people tagged it: coarser "
                "than the senses of a dictionary.",
                "A static vector is the same in both sentences, so that it is right half of the time; "
                "intervals are over words, since pairs of a word are alike.",
            ],
            [
                Section("Scores", "With 95% intervals.", table=Table(["vectors", "AUROC", "accuracy"], rows)),
                Section("Cosines", plot="cosines"),
                Section(
                    "Pairs",
                    "The farthest apart of the same sense, and the nearest of different ones: where it errs.",
                    table=Table(
                        ["word", "first sentence", "second sentence", "senses", "cosine"],
                        [
                            [one.word, one.first, one.second, one.senses, f"{one.cosine:.2f}"]
                            for one in self.examples
                        ],
                        4,
                    ),
                    folded=True,
                ),
            ],
            {"cosines": figure},
        )


def make_pairs(rows: Dataset, *, seed: int = 0) -> list[Pair]:
    """Return pairs of sentences with the same word, as many of the same sense as of different ones.

    Args:
        rows: Texts with the tags of their words, as ``TokenClassification.read`` gives them.
        seed: Fixes which pairs are drawn.

    Returns:
        At most :data:`MOST_PAIRS`, and of each word at most :data:`PAIRS_OF_WORD` of either kind.
    """
    found: dict[str, dict[str, list[Occurrence]]] = defaultdict(lambda: defaultdict(list))
    for text, words, tags in zip(rows.columns["text"], rows.columns["words"], rows.labels or (), strict=True):
        if len(text) > LONGEST:
            continue
        for kind, first, last in entities(tags):
            for begin, end in words[first:last]:
                word = text[begin:end].lower()
                known = found[word][kind]
                is_new = all(text != one.sentence for one in known)
                if word.isalpha() and len(word) >= FEWEST_LETTERS and is_new:
                    known.append(Occurrence(text, (begin, end), kind))
    generator = np.random.default_rng(seed)
    pairs: list[Pair] = []
    for word in generator.permutation(sorted(found)):
        pairs += _of_word(str(word), found[str(word)], generator)
        if len(pairs) >= MOST_PAIRS:
            break
    return pairs


def _of_word(word: str, senses: dict[str, list[Occurrence]], generator: np.random.Generator) -> list[Pair]:
    """Draw as many pairs of the same sense as of different ones; no sentence stands in two of a kind."""
    same, different = [], []
    shuffled = {
        sense: [ones[at] for at in generator.permutation(len(ones))] for sense, ones in sorted(senses.items())
    }
    for ones in shuffled.values():
        same += [Pair(word, *ones[at : at + 2]) for at in range(0, len(ones) - 1, 2)]
    names = list(shuffled)
    for at, sense in enumerate(names):
        for other in names[at + 1 :]:
            different += [
                Pair(word, *both)
                for both in zip(shuffled[sense], shuffled[other], strict=False)
                if both[0].sentence != both[1].sentence
            ]
    count = min(len(same), len(different), PAIRS_OF_WORD)
    return [pairs[at] for pairs in (same, different) for at in generator.permutation(len(pairs))[:count]]


def word_in_context(encoder: str | Path, rows: Dataset, *, seed: int = 0) -> WordInContext:
    """Score how well the vectors of an encoder tell the senses of words apart.

    Args:
        encoder: "bundled", a folder or a Hub id.
        rows: Texts with tags, as ``TokenClassification.read`` gives them.
        seed: Fixes which pairs are drawn.

    Raises:
        DataError: Fewer than eight words stand there with two senses often enough.
        ModelError: There is no such encoder.
    """
    pairs = make_pairs(rows, seed=seed)
    words = sorted({pair.word for pair in pairs})
    if len(words) < FEWEST_WORDS:
        raise DataError(
            f"{len(words)} words are tagged with different types, and twice with the same one",
            where=rows.source,
            fix=f"Give texts with {FEWEST_WORDS} such words or more.",
        )
    reader = WordReader(encoder)
    same = np.array([pair.is_same for pair in pairs])
    places = {word: at for at, word in enumerate(words)}
    of_word = np.array([places[pair.word] for pair in pairs])
    ends = [
        reader.vectors([one.sentence for one in side], [one.place for one in side])
        for side in zip(*((pair.first, pair.second) for pair in pairs), strict=True)
    ]
    cosines = {
        STATIC: np.ones(len(pairs)),
        TOPIC: _topics(reader, pairs),
        CONTEXTUAL: np.einsum("ps,ps->p", *ends).astype(np.float64),
    }
    contextual = cosines[CONTEXTUAL]
    deciles = np.linspace(0, 1, 11)
    return WordInContext(
        encoder=reader.source.name,
        source=rows.source,
        words=len(words),
        pairs=len(pairs),
        same=int(same.sum()),
        told=[
            Told(name, auroc(values, same, of_word), accuracy(values, same, of_word))
            for name, values in cosines.items()
        ],
        examples=_examples(pairs, contextual, same),
        cosines={
            "same sense": np.quantile(contextual[same], deciles).round(4).tolist(),
            "different senses": np.quantile(contextual[~same], deciles).round(4).tolist(),
        },
    )


def _topics(reader: WordReader, pairs: Sequence[Pair]) -> NDArray[np.float64]:
    """Return the cosine of the mean static vectors of the other words of a pair's sentences."""
    vectors = token_vectors(reader.source, [pair.first.sentence for pair in pairs])
    sides = []
    for side in zip(*((pair.first, pair.second) for pair in pairs), strict=True):
        rest = [one.sentence[: one.place[0]] + one.sentence[one.place[1] :] for one in side]
        means = vectors.means(rest)
        sides.append(means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9))
    return np.einsum("ps,ps->p", *sides).astype(np.float64)


def auroc(values: NDArray[np.float64], same: NDArray[np.bool_], words: NDArray[np.int64]) -> Score:
    """Return the area under the ROC curve with an interval over words.

    Args:
        values: Cosine of each pair, [pairs].
        same: Whether its senses are the same, [pairs].
        words: Number of its word from 0 on, [pairs].
    """
    parts = part_numbers(int(words.max()) + 1)[words]
    left_out = [_area(values[parts != part], same[parts != part]) for part in range(int(parts.max()) + 1)]
    return score_interval([_area(values, same)], np.array([left_out]), int(words.max()) + 1)


def _area(values: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    ranks, count = rankdata(values), int(same.sum())
    return float((ranks[same].sum() - count * (count + 1) / 2) / (count * (len(values) - count)))


def accuracy(values: NDArray[np.float64], same: NDArray[np.bool_], words: NDArray[np.int64]) -> Score:
    """Return the share of pairs told rightly by a threshold chosen on other words, with its interval.

    Args:
        values: As for :func:`auroc`.
        same: As there.
        words: As there.
    """
    count = int(words.max()) + 1
    fold = part_numbers(count)[words] % FOLDS
    right = np.zeros(len(values))
    for each in range(FOLDS):
        learned = fold != each
        order = np.sort(values[learned])
        # Of equally good thresholds the middle one; the best is right most often on the other words.
        candidates = (order[1:] + order[:-1]) / 2
        hits = ((values[learned][None] > candidates[:, None]) == same[learned]).mean(axis=1)
        best = np.flatnonzero(hits == hits.max())
        right[~learned] = (values[~learned] > candidates[best[len(best) // 2]]) == same[~learned]
    parts = part_numbers(count)[words]
    left_out = [right[parts != part].mean() for part in range(int(parts.max()) + 1)]
    return score_interval([float(right.mean())], np.array([left_out]), count)


def _examples(
    pairs: Sequence[Pair], cosines: NDArray[np.float64], same: NDArray[np.bool_], each: int = 5
) -> list[Example]:
    order = np.argsort(cosines, kind="stable")
    chosen = [at for at in order if same[at]][:each] + [at for at in order[::-1] if not same[at]][:each]
    return [
        Example(
            pairs[at].word,
            pairs[at].first.sentence,
            pairs[at].second.sentence,
            f"{pairs[at].first.sense}, {pairs[at].second.sense}",
            round(float(cosines[at]), 4),
        )
        for at in chosen
    ]
