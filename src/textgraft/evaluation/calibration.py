"""Probabilities that mean what they say: temperature scaling, and how far from calibrated a model is.

Temperature scaling and the expected calibration error are those of Guo et al. 2017, "On calibration of
modern neural networks" (ICML); the bins hold equal numbers of rows, as Nguyen and O'Connor 2015 ("Posterior
calibration and exploratory analysis for natural language processing models", EMNLP) argue, because most
confidences lie near 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_expit, log_softmax

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
"""A model without a single dev error would be sharpened for ever; one without skill, flattened for ever."""


def log_loss(logits: ArrayLike, gold: ArrayLike) -> float:
    """Mean of -log probability of the true label, in nats; logits [rows, labels], gold [rows]."""
    log_probabilities = log_softmax(np.asarray(logits, dtype=np.float64), axis=1)
    index = np.asarray(gold, dtype=np.int64)
    return float(-log_probabilities[np.arange(len(index)), index].mean())


def binary_log_loss(logits: ArrayLike, gold: ArrayLike) -> float:
    """Mean of -log probability that each label is rightly given or not, in nats; both [rows, labels]."""
    scores, given = np.asarray(logits, dtype=np.float64), np.asarray(gold, dtype=np.float64)
    return float(-log_expit(np.where(given > 0, scores, -scores)).mean())


def fit_temperature(
    logits: ArrayLike, gold: ArrayLike, loss: Callable[[ArrayLike, ArrayLike], float] = log_loss
) -> float:
    """Find the temperature T for which the probabilities of logits / T fit the gold labels best.

    Dividing by one number changes no prediction, only its probability. The log-likelihood is concave in 1 /
    T, so the search over log T has one optimum.

    Args:
        logits: Outputs of the model on rows it was not trained on, [rows, labels].
        gold: What is true of each row, in the form that ``loss`` takes.
        loss: :func:`log_loss` where a row has one label, :func:`binary_log_loss` where it has any number.

    Returns:
        T, between :data:`MIN_TEMPERATURE` and :data:`MAX_TEMPERATURE`; 1.0 for no rows.
    """
    scores = np.asarray(logits, dtype=np.float64)
    if len(scores) == 0:
        return 1.0
    best = minimize_scalar(
        lambda log_temperature: loss(scores / np.exp(log_temperature), gold),
        bounds=(np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE)),
        method="bounded",
        options={"xatol": 1e-5},
    )
    return float(np.exp(best.x))


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """Mean distance between confidence and accuracy over bins of equally many rows.

    Args:
        confidence: Probability given to the predicted label, [rows].
        correct: Whether the prediction was right, [rows].
        bins: Number of bins; fewer rows than bins make one bin a row.

    Returns:
        0 (calibrated) to 1; 0 for no rows.
    """
    given: NDArray[np.float64] = np.asarray(confidence, dtype=np.float64)
    right: NDArray[np.float64] = np.asarray(correct, dtype=np.float64)
    if len(given) == 0:
        return 0.0
    parts = np.array_split(np.argsort(given, kind="stable"), min(bins, len(given)))
    return float(sum(abs(given[part].sum() - right[part].sum()) for part in parts) / len(given))


def brier_score(probabilities: ArrayLike, gold: ArrayLike) -> float:
    """Mean squared distance of the probabilities [rows, labels] from the one-hot gold labels [rows]: 0 to 2.

    This is Brier's original score (1950, "Verification of forecasts expressed in terms of probability"),
    which sums over labels.
    """
    given = np.asarray(probabilities, dtype=np.float64)
    index = np.asarray(gold, dtype=np.int64)
    one_hot = np.zeros_like(given)
    one_hot[np.arange(len(index)), index] = 1
    return float(((given - one_hot) ** 2).sum(axis=1).mean())
