"""Which labels are taken for which, where answers are one label, a set of labels, or entities in a text."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from textgraft.data.tag_schemes import entities

MOST_CONFUSIONS = 15
NOTHING = "nothing"
"""In place of a label that is not there: what was missed, or what was given where nothing is."""


class Confusion(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one label taken for another."""

    gold: str
    predicted: str
    rows: int
    share: float
    """Of the rows of the true label."""


def top_confusions(matrix: NDArray[np.int64], labels: Sequence[str]) -> list[Confusion]:
    """List the labels most often taken for another, most rows first.

    Args:
        matrix: Rows by true label (first axis) and predicted label, [labels, labels].
        labels: Their names.
    """
    wrong = matrix - np.diag(matrix.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSIONS]
    pairs = [divmod(int(place), len(labels)) for place in order]
    return [
        Confusion(
            gold=labels[gold],
            predicted=labels[guess],
            rows=int(wrong[gold, guess]),
            share=float(wrong[gold, guess] / matrix[gold].sum()),
        )
        for gold, guess in pairs
        if wrong[gold, guess]
    ]


def set_confusions(
    gold: Sequence[Sequence[int]], predicted: Sequence[Sequence[int]], num_labels: int
) -> NDArray[np.int64]:
    """Count, for rows with sets of labels, what was given in place of what was missed.

    A label that was missed counts against each label that was wrongly given to the same row, and against
    nothing where none was; a label that was given where none was missed counts against nothing as well.

    Returns:
        By true and given label, the last place for nothing, [labels + 1, labels + 1].
    """
    matrix = np.zeros((num_labels + 1, num_labels + 1), dtype=np.int64)
    for true, given in zip(gold, predicted, strict=True):
        right = set(true) & set(given)
        for label in right:
            matrix[label, label] += 1
        missed, added = [one for one in true if one not in right], [one for one in given if one not in right]
        if not missed and not added:
            continue
        for label in missed or [num_labels]:
            for other in added or [num_labels]:
                matrix[label, other] += 1
    return matrix


def entity_confusions(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], types: Sequence[str]
) -> NDArray[np.int64]:
    """Count entities by their type and the type that the same words were given; other words are nothing.

    Returns:
        By true and given type, the last place for nothing, [types + 1, types + 1].
    """
    place = {kind: number for number, kind in enumerate(types)}
    matrix = np.zeros((len(types) + 1, len(types) + 1), dtype=np.int64)
    for true, given in zip(gold, predicted, strict=True):
        there = {(start, end): place[kind] for kind, start, end in entities(true)}
        found = {(start, end): place[kind] for kind, start, end in entities(given)}
        for words in {*there, *found}:
            matrix[there.get(words, len(types)), found.get(words, len(types))] += 1
    return matrix
