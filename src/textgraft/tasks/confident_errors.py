"""Rows that a model gets wrong and is sure of: often the target in the file is the error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from textgraft.tasks.base import Task

MOST_ERRORS = 20
EXCERPT = 600
"""Characters that are kept of a text."""


class ConfidentError(msgspec.Struct, frozen=True, kw_only=True):
    """A row that is wrong, and sure of it."""

    id: str
    text: str
    gold: str
    predicted: str
    confidence: float
    """Mean over the models that got it wrong."""
    wrong_seeds: int
    """How many of the models these are."""
    seeds: int
    """Models there are: of a comparison one a seed."""


def most_confident_errors(
    task: Task,
    gold: Sequence[Any],
    models: Sequence[tuple[Sequence[Any], Sequence[float]]],
    shown: Sequence[tuple[str, str]],
) -> list[ConfidentError]:
    """List the rows that models together get wrong with the most confidence.

    Args:
        task: What is right, and how it is written.
        gold: The target of each row.
        models: Of each model the answers and how sure it is of them.
        shown: Id and text of each row.

    Returns:
        At most :data:`MOST_ERRORS`, the gravest first; none where scores are no probabilities.
    """
    if not task.has_probabilities:
        return []
    confidence = np.array([sure for _, sure in models])
    wrong = np.array([[not right for right in map(task.is_right, gold, answers)] for answers, _ in models])
    sureness = (confidence * wrong).sum(axis=0)
    errors: list[ConfidentError] = []
    for row in np.argsort(-sureness, kind="stable")[:MOST_ERRORS].tolist():
        mistaken = wrong[:, row]
        if not mistaken.any():
            break
        given = Counter(task.show(models[at][0][row]) for at in np.flatnonzero(mistaken).tolist())
        name, text = shown[row]
        errors.append(
            ConfidentError(
                id=name,
                text=text[:EXCERPT],
                gold=task.show(gold[row]),
                predicted=given.most_common(1)[0][0],
                confidence=float(confidence[mistaken, row].mean()),
                wrong_seeds=int(mistaken.sum()),
                seeds=len(models),
            )
        )
    return errors
