"""Linear models fitted in closed form or to convergence: logistic regression and ridge regression."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textgraft.models.baselines.softmax_regression import Clock, fit_softmax
from textgraft.models.losses import ProblemType

if TYPE_CHECKING:
    from scipy.sparse import csr_array

UNSEEN_LOGIT = -10.0
"""How far below the other labels' intercepts a label lies that no training row has."""


def fit_linear(
    features: NDArray[Any] | csr_array,
    targets: ArrayLike,
    outputs: int,
    c: float,
    problem_type: ProblemType | None,
    clock: Clock | None = None,
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Fit one layer with an L2 penalty on the weights.

    Args:
        features: Training rows, [rows, features].
        targets: What the loss takes of each row, see :func:`textgraft.models.losses.sequence_loss`.
        outputs: Labels there are, some of which may have no training row; 1 for a number.
        c: Inverse strength of the penalty, as in scikit-learn's LogisticRegression.
        problem_type: Multinomial logistic regression for "single_label_classification" or None, one logistic
            regression a label for "multi_label_classification", ridge regression for "regression".
        clock: Where it runs out, the weights are those of the last step; ridge regression needs none.

    Returns:
        Weight [outputs, features] and bias [outputs].
    """
    clock = clock or Clock()
    if problem_type == "regression":
        return _ridge(features, np.asarray(targets, dtype=np.float64), c)
    if problem_type == "multi_label_classification":
        given = np.asarray(targets).reshape(-1, outputs) > 0
        weight = np.zeros((outputs, features.shape[1]), dtype=np.float32)
        bias = np.zeros(outputs, dtype=np.float32)
        for label in range(outputs):
            # What a label leaves of its part of the time is the next one's.
            is_over = functools.partial(clock.is_over, (label + 1) / outputs)
            own = _logistic(features, given[:, label].astype(np.int64), 2, c, is_over)
            # A label's logit is that of "yes" over that of "no".
            weight[label], bias[label] = own[0][1] - own[0][0], own[1][1] - own[1][0]
        return weight, bias
    return _logistic(features, np.asarray(targets, dtype=np.int64), outputs, c, clock.is_over)


def _ridge(
    features: NDArray[Any] | csr_array, targets: NDArray[np.float64], c: float
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    from sklearn.linear_model import Ridge

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rows that repeat each other: the penalty decides between them
        # LogisticRegression minimises c * loss + ½ |w|², Ridge the squared error + alpha |w|².
        ridge = Ridge(alpha=1 / c).fit(features, targets)
    return np.atleast_2d(ridge.coef_), np.atleast_1d(ridge.intercept_)


def _logistic(
    features: NDArray[Any] | csr_array,
    targets: NDArray[np.int64],
    outputs: int,
    c: float,
    is_over: Callable[[], bool],
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    present, places = np.unique(targets, return_inverse=True)
    weight: NDArray[np.floating] = np.zeros((1, features.shape[1]))
    bias: NDArray[np.floating] = np.zeros(1)
    if len(present) > 1:
        weight, bias = fit_softmax(features, places, len(present), c, is_over)
    if len(present) == outputs:
        return weight, bias
    every = np.zeros((outputs, features.shape[1]), dtype=weight.dtype)
    every[present] = weight
    biases = np.full(outputs, bias.min() + UNSEEN_LOGIT, dtype=bias.dtype)
    biases[present] = bias
    return every, biases
