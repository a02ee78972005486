"""Scores of entities: precision, recall and F1, as conlleval and seqeval compute them.

An entity is right if its type, first and last word are; the averages are over entities (micro). Every score
is a ratio of sums over rows, so a thousand resamples of a test set are one product of counts with weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from textgraft.data.tag_schemes import Entity, entities, strict_entities

METRICS = ("f1", "precision", "recall", "accuracy")

Tags = Sequence[Sequence[str]]
"""One list of tags a row."""


def weighted_span_metrics(
    gold: Tags, answers: Tags, weights: NDArray[np.float32], *, strict: bool = False
) -> dict[str, NDArray[np.float64]]:
    """Score tags under many weightings of the rows.

    Args:
        gold: True tags of each row.
        answers: As there.
        weights: How often each row counts, [rows, resamples].
        strict: As there.

    Returns:
        For each of :data:`METRICS` its value under each weighting, [resamples].
    """
    read = _reader(strict)
    counts = np.zeros((5, len(gold)))
    for row, (true, guessed) in enumerate(zip(gold, answers, strict=True)):
        expected, found = set(read(true)), set(read(guessed))
        right = sum(map(str.__eq__, true, guessed))
        counts[:, row] = len(expected & found), len(found), len(expected), right, len(true)
    hits, found_sum, expected_sum, right_words, words = counts @ weights.astype(np.float64)
    return {
        "f1": _ratio(2 * hits, found_sum + expected_sum),
        "precision": _ratio(hits, found_sum),
        "recall": _ratio(hits, expected_sum),
        "accuracy": _ratio(right_words, words),
    }


def _reader(strict: bool) -> Callable[[Sequence[str]], list[Entity]]:
    return strict_entities if strict else entities


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
