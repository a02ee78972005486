"""The best that can be done by taking sentences out of a document: the oracle of extractive summaries.

Sentences are added one by one, each time the one that raises the sum of the F-scores of ROUGE-1 and ROUGE-2
most, until none raises it (Nallapati et al. 2017, "SummaRuNNer"; Liu and Lapata 2019, "Text summarization
with pretrained encoders"). It looks at the true summary: a model learns to choose as the oracle does, and its
score is what whole sentences can reach, but for what a greedy search misses. Pairs of words across two
sentences do not count.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from textgraft.evaluation.rouge import stemmed_words

MOST_SENTENCES = 3
"""Of a summary, as in Liu and Lapata."""
_REMEMBERED = 2**16

Grams = tuple[Counter[str], Counter[tuple[str, str]]]
"""How often each word stands in a text, and each pair of neighbours."""


def oracle(sentences: Sequence[str], references: Sequence[str], most: int = MOST_SENTENCES) -> list[int]:
    """Choose sentences so that they have as much as can be in common with a reference.

    Args:
        sentences: Of a document.
        references: One or several summaries; of several, the one that can be met best counts.
        most: Sentences that are chosen at most.

    Returns:
        Their places, ascending; empty where no sentence has a word in common with a reference.

    Raises:
        MissingExtraError: ``rouge-score`` is not installed.
    """
    own = [_grams(sentence) for sentence in sentences]
    best: tuple[float, list[int]] = (0.0, [])
    for reference in references:
        found = _greedy(own, _grams(reference), most)
        best = max(best, found, key=lambda scored: scored[0])
    return sorted(best[1])


def overlaps(sentences: Sequence[str], references: Sequence[str]) -> list[float]:
    """Return for each sentence alone the mean of the F-scores of ROUGE-1 and ROUGE-2, 0 to 1.

    Args:
        sentences: Of a document.
        references: One or several summaries; the best one counts.
    """
    wanted = [_grams(reference) for reference in references]
    return [max(_score(own, one) for one in wanted) / 2 for own in map(_grams, sentences)]


def _greedy(own: Sequence[Grams], wanted: Grams, most: int) -> tuple[float, list[int]]:
    score = 0.0
    chosen: list[int] = []
    together: Grams = (Counter(), Counter())
    while len(chosen) < most:
        tried = {
            place: _score(_joined(together, grams), wanted)
            for place, grams in enumerate(own)
            if place not in chosen
        }
        place = max(tried, key=lambda one: tried[one], default=-1)
        if place < 0 or tried[place] <= score:
            break
        score = tried[place]
        chosen.append(place)
        together = _joined(together, own[place])
    return score, chosen


def _joined(one: Grams, other: Grams) -> Grams:
    return one[0] + other[0], one[1] + other[1]


def _score(found: Grams, wanted: Grams) -> float:
    """Return the sum of the F-scores of words and of pairs, 0 to 2."""
    return _f_score(found[0], wanted[0]) + _f_score(found[1], wanted[1])


def _f_score(found: Counter[Any], wanted: Counter[Any]) -> float:
    both = sum(min(count, wanted[gram]) for gram, count in found.items() if gram in wanted)
    return 2 * both / max(1, found.total() + wanted.total())


@functools.lru_cache(maxsize=_REMEMBERED)
def _grams(text: str) -> Grams:
    words = stemmed_words(text)
    return Counter(words), Counter(pairwise(words))
