"""Scores of entities: precision, recall and F1, as conlleval and seqeval compute them.

An entity is right if its type, first and last word are; the averages are over entities (micro). Every score
is a ratio of sums over rows, so a thousand resamples of a test set are one product of counts with weights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from textgraft.data.tag_schemes import Entity, entities, strict_entities

METRICS = ("f1", "precision", "recall", "accuracy")

Tags = Sequence[Sequence[str]]
"""One list of tags a row."""


def span_metrics(gold: Tags, answers: Tags, *, strict: bool = False) -> dict[str, float]:
    """Score tags.

    Args:
        gold: True tags of each row.
        answers: Predicted tags of each row, as many as there are true ones.
        strict: Count only entities that are whole under BIO (seqeval's strict mode with IOB2); otherwise
            entities are read as conlleval does.

    Returns:
        ``f1``, ``precision`` and ``recall`` of entities, ``accuracy`` of tags, each from 0 to 1; 0 where
        there is nothing to divide by.
    """
    weights = np.ones((len(gold), 1), dtype=np.float32)
    values = weighted_span_metrics(gold, answers, weights, strict=strict)
    return {name: float(value[0]) for name, value in values.items()}


def weighted_span_metrics(
    gold: Tags, answers: Tags, weights: NDArray[np.float32], *, strict: bool = False
) -> dict[str, NDArray[np.float64]]:
    """Score tags under many weightings of the rows.

    Args:
        gold: As for :func:`span_metrics`.
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


def span_report(gold: Tags, answers: Tags, *, strict: bool = False) -> dict[str, dict[str, float]]:
    """Return ``precision``, ``recall``, ``f1`` and ``support`` (true entities) of each type, by name."""
    read = _reader(strict)
    hits: Counter[str] = Counter()
    found_sum: Counter[str] = Counter()
    expected_sum: Counter[str] = Counter()
    for true, guessed in zip(gold, answers, strict=True):
        expected, found = set(read(true)), set(read(guessed))
        for counter, spans in ((hits, expected & found), (found_sum, found), (expected_sum, expected)):
            counter.update(kind for kind, _, _ in spans)
    return {
        kind: {
            "precision": hits[kind] / max(1, found_sum[kind]),
            "recall": hits[kind] / max(1, expected_sum[kind]),
            "f1": 2 * hits[kind] / (found_sum[kind] + expected_sum[kind]),
            "support": expected_sum[kind],
        }
        for kind in sorted(found_sum | expected_sum)
    }


def _reader(strict: bool) -> Callable[[Sequence[str]], list[Entity]]:
    return strict_entities if strict else entities


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
