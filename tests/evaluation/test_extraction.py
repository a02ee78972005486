"""The oracle of extractive summaries, held against all choices there are and against Google's own scores."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer

from textgraft.evaluation.extraction import oracle, overlaps

SENTENCES = ["The Meeting moved.", "It is on Tuesday now.", "Bring your own cake!", "", "Cake is on Tuesday."]


def rouge(summary: str, answer: str) -> float:
    scores = RougeScorer(["rouge1", "rouge2"], use_stemmer=True).score(summary, answer)
    return sum(score.fmeasure for score in scores.values())


def test_a_sentence_alone_scores_as_googles_scorer_says():
    summary = "meetings moving to tuesday, with cakes on tuesday"
    expected = [rouge(summary, sentence) / 2 for sentence in SENTENCES]
    assert overlaps(SENTENCES, [summary]) == pytest.approx(expected)
    assert overlaps(SENTENCES, ["cake", summary])[2] == max(rouge("cake", SENTENCES[2]) / 2, expected[2])


def test_it_takes_what_adds_most_and_stops_where_nothing_adds():
    assert oracle(SENTENCES, ["the meeting moved, bring your own cake"]) == [0, 2]
    assert oracle(SENTENCES, ["the meeting moved, bring your own cake"], most=1) == [2]
    assert oracle(SENTENCES, ["nothing like these"]) == []
    assert oracle(SENTENCES, ["nothing like these", "it is on tuesday"]) == [1], "the best of several counts"


def test_it_is_close_to_the_best_of_all_choices():
    """Greedy search misses little: on documents drawn at random, by Google's own scores."""
    generator = np.random.default_rng(0)
    found, best, first = [], [], []
    for _ in range(15):
        words = [f"w{number}" for number in range(12)]
        document = [" ".join(generator.choice(words, 5)) for _ in range(5)]
        summary = " ".join(generator.choice(words, 6))
        choices = [own for most in (1, 2, 3) for own in combinations(range(5), most)]
        scores = {own: rouge(summary, " ".join(document[place] for place in own)) for own in choices}
        best.append(max(scores.values()))
        found.append(scores[tuple(oracle(document, [summary]))])
        first.append(scores[(0,)])
    assert np.mean(found) > 0.93 * np.mean(best)
    assert np.mean(first) < 0.6 * np.mean(best)
