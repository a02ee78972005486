"""Which labels are doubted by a model that has not seen them: confident learning.

Northcutt, Jiang and Chuang (2021), "Confident learning: estimating uncertainty in dataset labels", Journal of
Artificial Intelligence Research 70. A row is doubted where the model is as sure of another label as it is on
average of that label where it is given: a threshold for each label, so that labels that are hard, or that the
model is timid about, are not doubted wholesale.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Probabilities = NDArray[np.floating]
"""Of each label for each row, from a model that was not trained on the row, [rows, labels]."""


def confident_labels(probabilities: Probabilities, given: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the label that a model is confident of for each row, [rows]; -1 where it is of none.

    Args:
        probabilities: See :data:`Probabilities`.
        given: The label of each row, [rows].
    """
    labels = probabilities.shape[1]
    counts = np.bincount(given, minlength=labels)
    own = np.bincount(given, weights=probabilities[np.arange(len(given)), given], minlength=labels)
    # A label that no row has is never confidently another's.
    thresholds = np.where(counts > 0, own / np.maximum(counts, 1), np.inf)
    above = np.where(probabilities >= thresholds - 1e-9, probabilities, -1.0)
    best = above.argmax(axis=1)
    return np.where(above.max(axis=1) >= 0, best, -1)


def doubts(probabilities: Probabilities, given: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell for each row whether its label is doubted: the model is confident of another one, [rows]."""
    confident = confident_labels(probabilities, given)
    return (confident >= 0) & (confident != given) & (probabilities.argmax(axis=1) != given)


def margins(probabilities: Probabilities, given: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return by how much the label of each row is more probable than the best other one, -1 to 1, [rows]."""
    rows = np.arange(len(given))
    own = probabilities[rows, given].astype(np.float64)
    others = probabilities.astype(np.float64)
    others[rows, given] = -1.0
    margin: NDArray[np.float64] = own - others.max(axis=1)
    return margin
