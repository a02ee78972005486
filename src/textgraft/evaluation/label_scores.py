"""Precision, recall and F1 of each label by itself, with intervals, for answers that are labels of any form.

What a label scores is a ratio of counts over rows; the intervals are those of
:mod:`textgraft.evaluation.intervals`, over the rows, each for itself.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from textgraft.evaluation.intervals import Score, part_numbers, score_interval
from textgraft.evaluation.metrics import indicators

Sets = Sequence[Sequence[int]]
"""Positions of labels, a list of them for each row; what a row has several times stands there as often."""


@dataclass(frozen=True)
class LabelCounts:
    """What each row has, was given, and has right, of each label."""

    labels: tuple[str, ...]
    gold: Sets
    predicted: Sets
    right: Sets

    @classmethod
    def of_sets(cls, labels: Sequence[str], gold: Sets, predicted: Sets) -> LabelCounts:
        """Count labels that a row has once or not at all."""
        right = [sorted(set(true) & set(given)) for true, given in zip(gold, predicted, strict=True)]
        return cls(tuple(labels), gold, predicted, right)


class LabelScore(msgspec.Struct, frozen=True, kw_only=True):
    """How well one label is found."""

    label: str
    rows: int
    """How often it is right to give it."""
    given: int
    """How often it was given."""
    precision: Score
    recall: Score
    f1: Score


def set_f1(gold: Sequence[Iterable[Hashable]], given: Sequence[Iterable[Hashable]]) -> NDArray[np.float64]:
    """Return the F1 of each row's set against the true one, [rows]; 1 where both are empty."""
    scores = np.ones(len(gold))
    for row, (true, found) in enumerate(zip(map(set, gold), map(set, given), strict=True)):
        if true or found:
            scores[row] = 2 * len(true & found) / (len(true) + len(found))
    return scores


def score_labels(counts: LabelCounts) -> list[LabelScore]:
    """Score every label that occurs, in the order of the labels."""
    rows = len(counts.gold)
    parts = part_numbers(rows)
    number = int(parts.max(initial=0)) + 1
    one_hot = sparse.csr_array((np.ones(rows), (np.arange(rows), parts)), shape=(rows, number))
    right, gold, given = (
        (indicators(sets, len(counts.labels)) @ one_hot).toarray()
        for sets in (counts.right, counts.gold, counts.predicted)
    )
    return [
        _score(name, right[place], gold[place], given[place])
        for place, name in enumerate(counts.labels)
        if gold[place].any() or given[place].any()
    ]


def _score(
    label: str, right: NDArray[np.float64], gold: NDArray[np.float64], given: NDArray[np.float64]
) -> LabelScore:
    """Score one label by its counts in each part of the rows, [parts]."""
    return LabelScore(
        label=label,
        rows=int(gold.sum()),
        given=int(given.sum()),
        precision=_ratio(right, given),
        recall=_ratio(right, gold),
        f1=_ratio(2 * right, gold + given, gold.sum()),
    )


def ratio_score(over: ArrayLike, under: ArrayLike) -> Score:
    """Return a ratio of sums over rows with its 95% interval, as of right answers to those given.

    Args:
        over: Of each row what counts, [rows].
        under: What it is counted of, [rows].
    """
    counted, whole = np.asarray(over, dtype=np.float64), np.asarray(under, dtype=np.float64)
    parts = part_numbers(len(whole))
    counted_sums = np.bincount(parts, weights=counted).astype(np.float64)
    return _ratio(counted_sums, np.bincount(parts, weights=whole).astype(np.float64))


def _ratio(over: NDArray[np.float64], under: NDArray[np.float64], evidence: float | None = None) -> Score:
    whole = float(under.sum())
    rest = under.sum() - under
    left_out = np.divide(over.sum() - over, rest, out=np.zeros_like(rest), where=rest > 0)
    found = whole if evidence is None else float(evidence)
    # A single row without which nothing is left has no spread to tell an interval by.
    is_enough = found > 1 and np.count_nonzero(under) > 1
    value = float(over.sum()) / whole if whole else 0.0
    return score_interval([value], left_out[None], found if is_enough else 0.0)
