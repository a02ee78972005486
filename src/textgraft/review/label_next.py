"""Which unlabelled rows to label first: those a model is unsure of, and no two of a kind.

Ash et al. (2020), "Deep batch active learning by diverse, uncertain gradient lower bounds" (BADGE), ICLR: a
row stands for the gradient that its likeliest label would give the last layer, which is long where the model
is unsure; rows are then drawn as k-means++ draws centres, by their squared distance to those drawn before.
The last layer's input is here the encoding of a frozen encoder, whatever the model is made of.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.data.dataset import Dataset
from textgraft.review.items import Item


def choose_rows(probabilities: NDArray[np.floating], vectors: Any, count: int, *, seed: int = 0) -> list[int]:
    """Return the rows to label, in the order in which they were drawn.

    Args:
        probabilities: Of each label for each row, [rows, labels].
        vectors: What the rows say, an array or a sparse array, [rows, dimension].
        count: How many rows; fewer are returned where the others are equal to those drawn.
        seed: Fixes the draws.
    """
    rows = len(probabilities)
    gradients = probabilities.astype(np.float64)
    gradients[np.arange(rows), gradients.argmax(axis=1)] -= 1
    # The gradient of a row is the outer product of the two: its products are products of theirs.
    lengths = (gradients**2).sum(axis=1) * np.asarray((vectors * vectors).sum(axis=1)).ravel()
    rng = np.random.default_rng(seed)
    drawn: list[int] = []
    distances = lengths.copy()
    for _ in range(min(count, rows)):
        if not drawn:
            new = int(lengths.argmax())
        else:
            total = float(distances.sum())
            if total <= 1e-12 * float(lengths.sum()):
                break
            new = int(rng.choice(rows, p=distances / total))
        drawn.append(new)
        products = (gradients @ gradients[new]) * _products(vectors, new)
        distances = np.minimum(distances, np.maximum(lengths + lengths[new] - 2 * products, 0))
        distances[drawn] = 0
    return drawn


def _products(vectors: Any, row: int) -> NDArray[np.float64]:
    """Return the product of each row with one of them, [rows]."""
    found = vectors @ vectors[[row]].T
    return np.asarray(found.todense() if hasattr(found, "todense") else found, dtype=np.float64).ravel()


def different(dataset: Dataset, known: Sequence[str] = ()) -> list[int]:
    """Return the rows of different texts that are not known, the first of each."""
    seen = set(known)
    rows = []
    for row, text in enumerate(dataset.texts):
        if text not in seen:
            seen.add(text)
            rows.append(row)
    return rows


def rows_to_label(dataset: Dataset, predictions: Sequence[Any]) -> list[dict[str, Any]]:
    """Return rows as they are written to a file to be labelled, with an empty label."""
    return [
        {
            "id": name,
            **{column: values[row] for column, values in dataset.columns.items()},
            "label": "",
            "predicted": prediction.label,
            "confidence": round(prediction.score, 4),
        }
        for row, (name, prediction) in enumerate(zip(dataset.ids, predictions, strict=True))
    ]


def items_to_label(dataset: Dataset, predictions: Sequence[Any], task: str, model: str) -> list[Item]:
    """Return rows as review items, in their order."""
    return [
        Item(
            task=task,
            columns={column: values[row] for column, values in dataset.columns.items()},
            prediction=prediction.label,
            score=round(prediction.score, 6),
            scores=prediction.scores(),
            model=model,
            reason="chosen to be labelled next",
            row=dataset.ids[row],
            source=dataset.source,
            time=time.time(),
            priority=2.0 - row / len(predictions),
        )
        for row, prediction in enumerate(predictions)
    ]
