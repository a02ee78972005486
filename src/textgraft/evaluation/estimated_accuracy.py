"""How accurate a model is on rows without labels: average thresholded confidence.

Garg et al. (2022), "Leveraging unlabeled data to predict out-of-distribution performance", ICLR. On labelled
rows a threshold is found such that as many scores reach it as answers are right; the share of the new rows
that reach it is the estimate. Where the new rows are like the old ones, the interval covers the accuracy in
95 of 100 repetitions, as a test holds it to. Where they are not, the estimate is a guess that was good on
average of the paper's shifts, and its interval speaks of the number of rows alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from textgraft.evaluation.intervals import Score, wilson

_REACH = 1.96
"""Standard errors to either side of a 95% interval."""


def estimate_accuracy(confidence: ArrayLike, right: ArrayLike, new_confidence: ArrayLike) -> Score:
    """Return the estimated accuracy on new rows with its 95% interval.

    Args:
        confidence: Scores of the answers for labelled rows that the model was not trained on, [rows].
        right: Whether each of these answers is right, [rows].
        new_confidence: Scores of the answers for the new rows, [new rows].
    """
    known = np.asarray(confidence, dtype=np.float64)
    hits = np.asarray(right, dtype=np.float64)
    new = np.asarray(new_confidence, dtype=np.float64)
    order = np.sort(known)[::-1]
    count = round(float(hits.sum()))
    threshold = np.inf if count == 0 else order[count - 1]
    # Where scores are tied at the threshold, more reach it than answers are right: a part of them counts.
    above, tied = float((known > threshold).sum()), float((known == threshold).sum())
    part = (count - above) / tied if tied else 0.0

    def reaching(scores: np.ndarray) -> np.ndarray:
        return (scores > threshold) + part * (scores == threshold)

    value = float(reaching(new).mean())
    variance = float((hits - reaching(known)).var()) / len(known) + value * (1 - value) / len(new)
    spread = value * (1 - value)
    effective = spread / variance if variance > 0 and spread > 0 else min(len(known), len(new))
    low, high = wilson(value, effective, _REACH)
    return Score(value, min(low, value), max(high, value))
