"""How strong a linear layer's penalty is to be, by cross-validation over the training rows.

Out-of-fold answers to the training rows are several times as many as the dev rows. On five sets, 60 to 800
rows, macro F1 is 0.687 in the mean; 0.685 with the dev rows' choice of two strengths, and 0.695 with the best
in hindsight (``benchmarks/penalty.py``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.models.baselines.linear import fit_linear
from textgraft.models.baselines.softmax_regression import MOST_WEIGHTS_IN_FLOAT64, Clock
from textgraft.models.losses import ProblemType

STRENGTHS = (10.0, 30.0, 3.0, 100.0, 1.0)
"""Inverse strengths that are tried; of equal ones the first is taken."""
FOLDS = 3
MOST_ROWS = 1_000
"""Rows are enough: more cost time and seldom choose another strength."""


def choose_strength(
    features: NDArray[np.float32],
    targets: NDArray[Any],
    outputs: int,
    problem_type: ProblemType | None,
    *,
    seed: int,
    clock: Clock,
) -> float:
    """Return the inverse strength with the best out-of-fold answers.

    The best is the highest macro F1, of numbers the lowest squared error. Where folds would be too small, or
    all fits together too large, it is the first strength.

    Args:
        features: Training rows, [rows, features].
        targets: What the loss takes of each row.
        outputs: Labels there are; 1 for a number.
        problem_type: As :func:`~textgraft.models.baselines.linear.fit_linear` takes it.
        seed: Draws the rows, if there are many, and the folds.
        clock: Ends fits when the time is over.
    """
    rows = np.random.default_rng(seed).permutation(len(features))[:MOST_ROWS]
    if len(rows) < 2 * FOLDS or features.shape[1] * outputs > MOST_WEIGHTS_IN_FLOAT64:
        return STRENGTHS[0]
    answers = {c: np.zeros((len(rows), outputs)) for c in STRENGTHS}
    for fold in range(FOLDS):
        held_out = np.arange(len(rows)) % FOLDS == fold
        train, test = rows[~held_out], rows[held_out]
        for c in STRENGTHS:
            weight, bias = fit_linear(features[train], targets[train], outputs, c, problem_type, clock)
            answers[c][held_out] = features[test] @ weight.T + bias
    scores = [_score(answers[c], targets[rows], problem_type) for c in STRENGTHS]
    return STRENGTHS[int(np.argmax(scores))]


def _score(answers: NDArray[np.float64], targets: NDArray[Any], problem_type: ProblemType | None) -> float:
    from sklearn.metrics import f1_score

    if problem_type == "regression":
        return -float(np.mean((answers[:, 0] - targets.reshape(-1)) ** 2))
    if problem_type == "multi_label_classification":
        return float(f1_score(targets > 0, answers > 0, average="macro", zero_division=0.0))
    return float(f1_score(targets, answers.argmax(axis=1), average="macro", zero_division=0.0))
