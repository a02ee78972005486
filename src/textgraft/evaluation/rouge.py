"""ROUGE (Lin 2004) by Google's ``rouge-score``: what a summary and its reference have in common.

F-scores of words (ROUGE-1), of pairs of words (ROUGE-2) and of the longest common subsequence (ROUGE-L).
Words are lower-cased and stemmed by Porter's rules; as in the original script only the letters a to z and
digits count, so that texts in other scripts score nothing.
"""

from __future__ import annotations

import functools
import importlib.metadata
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textgraft.errors import MissingExtraError

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer

METRICS = ("rouge_l", "rouge_1", "rouge_2")
TITLES = {"rouge_l": "ROUGE-L", "rouge_1": "ROUGE-1", "rouge_2": "ROUGE-2"}
"""How people call them."""
_KINDS = ("rougeL", "rouge1", "rouge2")
_REMEMBERED = 2**16
_WORD = re.compile(r"[a-z0-9]+")


@functools.lru_cache(maxsize=1)
def _scorer() -> RougeScorer:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise MissingExtraError("rouge-score", "generation", "ROUGE") from error
    return RougeScorer(list(_KINDS), use_stemmer=True)


def stemmed_words(text: str) -> list[str]:
    """Return the words of a text as ROUGE counts them.

    Raises:
        MissingExtraError: ``rouge-score`` is not installed.
    """
    _scorer()  # whether it is there is told even of a text without words
    return [_stemmed(word) for word in _WORD.findall(text.lower())]


@functools.lru_cache(maxsize=_REMEMBERED)
def _stemmed(word: str) -> str:
    """Return what ROUGE makes of a word in small letters: its stemmer takes a while for each."""
    from rouge_score.tokenizers import DefaultTokenizer

    return " ".join(DefaultTokenizer(use_stemmer=True).tokenize(word))


@functools.lru_cache(maxsize=_REMEMBERED)
def _scores(references: tuple[str, ...], answer: str) -> tuple[float, ...]:
    scores = _scorer().score_multi(references, answer)
    return tuple(scores[kind].fmeasure for kind in _KINDS)


def weighted_rouge(
    references: Sequence[Sequence[str]], answers: Sequence[str], weights: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """Return for each of :data:`METRICS` the mean over rows under each weighting, 0 to 1, [resamples].

    Args:
        references: One or several for each row; the best one counts.
        answers: One for each row; an empty one scores 0.
        weights: How often each row counts, [rows, resamples].

    Raises:
        MissingExtraError: ``rouge-score`` is not installed.
    """
    rows = [_scores(tuple(texts), answer) for texts, answer in zip(references, answers, strict=True)]
    sums = np.array(rows, dtype=np.float64).reshape(-1, len(METRICS)).T @ weights.astype(np.float64)
    means = sums / np.maximum(weights.sum(axis=0, dtype=np.float64), 1)
    return dict(zip(METRICS, means, strict=True))


def rouge_signature() -> str:
    """Return how the scores were computed."""
    return f"F-score|stemmed:porter|version:rouge-score {importlib.metadata.version('rouge-score')}"
