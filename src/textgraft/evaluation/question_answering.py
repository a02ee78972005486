"""Scores of extracted answers by the rules of SQuAD 1.1 (Rajpurkar et al. 2016) and 2.0 (the same, 2018).

Answers are compared without case, punctuation, articles and extra white space. Exact match asks whether an
answer equals one of the gold answers, F1 how many words it shares with the nearest of them. Each question has
its own two scores, so that any weighting of questions is one product.

In a set with unanswerable questions the rules of 2.0 hold: to an unanswerable question only the empty answer
is right, gold answers of which comparison leaves nothing do not count, and two empty answers agree. By the
rules of 1.1 an empty answer shares no word with any.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from textgraft.evaluation.calibration import shrunk_temperature

METRICS = ("f1", "exact_match")

_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)
_DOUBT = 1e-7
"""A single candidate is certain at any temperature; being wrong must not cost infinitely much."""
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")


def normalize_answer(text: str) -> str:
    """Return an answer as it is compared: lower case, no ASCII punctuation, no articles, single spaces."""
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_WITHOUT_PUNCTUATION)).split())


def answer_scores(gold: Sequence[Sequence[str]], answers: Sequence[str]) -> NDArray[np.float64]:
    """Score the answer to each question.

    Args:
        gold: All right answers to each question; none for an unanswerable one.
        answers: The answer given to each; the empty string for none.

    Returns:
        F1 and exact match of each question, 0 to 1, [2, questions].
    """
    has_unanswerable = any(not texts for texts in gold)
    scores = np.zeros((2, len(gold)))
    for question, (texts, answer) in enumerate(zip(gold, answers, strict=True)):
        given = normalize_answer(answer)
        right = [normalize_answer(text) for text in texts]
        if has_unanswerable:
            right = [text for text in right if text] or [""]
        scores[0, question] = max(_f1(text, given, empty_agree=has_unanswerable) for text in right)
        scores[1, question] = given in right
    return scores


def _f1(gold: str, given: str, *, empty_agree: bool) -> float:
    """Return the harmonic mean of precision and recall of words; repeated ones count as in both."""
    gold_words, given_words = gold.split(), given.split()
    if empty_agree and not (gold_words and given_words):
        return float(gold_words == given_words)
    common = (Counter(gold_words) & Counter(given_words)).total()
    if not common:
        return 0.0
    precision, recall = common / len(given_words), common / len(gold_words)
    return 2 * precision * recall / (precision + recall)


def weighted_metrics(
    gold: Sequence[Sequence[str]], answers: Sequence[str], weights: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """Average the scores of the questions under many weightings.

    Args:
        gold: As in :func:`answer_scores`.
        answers: As there.
        weights: How often each question counts, [questions, resamples].

    Returns:
        For each of :data:`METRICS` its value under each weighting, [resamples]; 0 where nothing counts.
    """
    total = weights.sum(axis=0, dtype=np.float64)
    means = answer_scores(gold, answers) @ weights / np.maximum(total, 1e-12)
    return dict(zip(METRICS, means, strict=True))


def fit_confidence(logits: NDArray[np.float64], is_right: NDArray[np.bool_]) -> float:
    """Find the temperature at which the best candidate's probability says how often it is right.

    Temperature scaling fitted to the two outcomes right and wrong, as the right answer need not be among the
    candidates, and shrunk towards 1 as in :mod:`textgraft.evaluation.calibration`.

    Args:
        logits: Of each candidate, minus infinity where a question has fewer, [questions, candidates].
        is_right: Whether the best candidate is, [questions].

    Returns:
        The temperature; 1.0 for no questions.
    """

    def best(temperature: float) -> NDArray[np.float64]:
        probabilities: NDArray[np.float64] = softmax(logits / temperature, axis=1)
        return probabilities.max(axis=1, initial=0).clip(_DOUBT, 1 - _DOUBT)

    own = best(1.0)

    def losses(temperature: float) -> tuple[float, float]:
        right = best(temperature)
        yes, no = np.log(right), np.log1p(-right)
        return -float(np.where(is_right, yes, no).sum()), -float((own * yes + (1 - own) * no).sum())

    return shrunk_temperature(losses, len(logits))
