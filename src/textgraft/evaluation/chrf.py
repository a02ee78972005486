"""chrF, the F-score of character n-grams (Popović 2015), as sacreBLEU computes it, under any weighting.

Unlike BLEU it gives credit for parts of words, and it needs no tokenizer, so that it suits short texts and
languages with many word forms.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TITLES = {"chrf": "chrF"}
"""How people call it."""
ORDER = 6
"""Longest character n-grams counted; white space does not count."""
BETA = 2.0
"""Recall weighs so many times as much as precision."""
_REMEMBERED = 2**16


@functools.lru_cache(maxsize=_REMEMBERED)
def _ngrams(text: str) -> list[Counter[str]]:
    characters = "".join(text.split())
    return [
        Counter(characters[start : start + order] for start in range(len(characters) - order + 1))
        for order in range(1, ORDER + 1)
    ]


@functools.lru_cache(maxsize=_REMEMBERED)
def _counts(references: tuple[str, ...], answer: str) -> tuple[int, ...]:
    """Return n-grams of the answer, of the best reference, and of both, for each order: [3 * ORDER]."""
    best, best_score = (0,) * (3 * ORDER), -1.0
    given = _ngrams(answer)
    for reference in references:
        counts: list[int] = []
        for ours, theirs in zip(given, _ngrams(reference), strict=True):
            # Of an order that the reference has no n-gram of, the answer's do not count against it.
            counts += (ours.total() if theirs else 0, theirs.total(), (ours & theirs).total())
        score = float(_f_score(np.array(counts, dtype=np.float64)[:, None])[0])
        if score > best_score:
            best, best_score = tuple(counts), score
    return best


def _f_score(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the F-score of counts [3 * ORDER, resamples], averaged over the orders that both sides have."""
    answers, references, both = sums[0::3], sums[1::3], sums[2::3]
    counted = (answers > 0) & (references > 0)
    orders = np.maximum(counted.sum(axis=0), 1)
    precision = np.where(counted, both / np.maximum(answers, 1), 0).sum(axis=0) / orders
    recall = np.where(counted, both / np.maximum(references, 1), 0).sum(axis=0) / orders
    divisor = BETA**2 * precision + recall
    return np.divide(
        (1 + BETA**2) * precision * recall, divisor, out=np.zeros_like(divisor), where=divisor > 0
    )


def weighted_chrf(
    references: Sequence[Sequence[str]], answers: Sequence[str], weights: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return chrF under each weighting, 0 to 1, [resamples]; sacreBLEU prints the same number times 100.

    Args:
        references: One or several for each row; the one counts that the answer fits best.
        answers: One for each row; it may be empty.
        weights: How often each row counts, [rows, resamples].
    """
    rows = [_counts(tuple(texts), answer) for texts, answer in zip(references, answers, strict=True)]
    return _f_score(np.array(rows, dtype=np.float64).reshape(-1, 3 * ORDER).T @ weights.astype(np.float64))


def chrf_signature(references: int) -> str:
    """Return the score's signature as sacreBLEU writes it.

    Args:
        references: Of each row; 0 where their number varies.
    """
    import sacrebleu

    how = f"case:mixed|eff:yes|nc:{ORDER}|nw:0|space:no"
    return f"nrefs:{references or 'var'}|{how}|version:{sacrebleu.__version__}"
