"""Linear models fitted in closed form or to convergence: logistic regression and ridge regression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textgraft.models.losses import ProblemType

if TYPE_CHECKING:
    from scipy.sparse import csr_array

UNSEEN_LOGIT = -10.0
"""How far below the other labels' intercepts a label lies that no training row has."""
MAX_ITERATIONS = 1000


def fit_linear(
    features: NDArray[Any] | csr_array,
    targets: ArrayLike,
    outputs: int,
    c: float,
    problem_type: ProblemType | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit one layer by scikit-learn, with an L2 penalty on the weights.

    Args:
        features: Training rows, [rows, features].
        targets: What the loss takes of each row, see :func:`textgraft.models.losses.sequence_loss`.
        outputs: Labels there are, some of which may have no training row; 1 for a number.
        c: Inverse strength of the penalty, as in scikit-learn's LogisticRegression.
        problem_type: Multinomial logistic regression for "single_label_classification" or None, one logistic
            regression a label for "multi_label_classification", ridge regression for "regression".

    Returns:
        Weight [outputs, features] and bias [outputs].
    """
    if problem_type == "regression":
        return _ridge(features, np.asarray(targets, dtype=np.float64), c)
    if problem_type == "multi_label_classification":
        given = np.asarray(targets).reshape(-1, outputs) > 0
        pairs = [_logistic(features, given[:, label].astype(np.int64), 2, c) for label in range(outputs)]
        # A label's logit is that of "yes" over that of "no".
        return (
            np.stack([weight[1] - weight[0] for weight, _ in pairs]),
            np.array([bias[1] - bias[0] for _, bias in pairs]),
        )
    return _logistic(features, np.asarray(targets, dtype=np.int64), outputs, c)


def _ridge(
    features: NDArray[Any] | csr_array, targets: NDArray[np.float64], c: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from sklearn.linear_model import Ridge

    # LogisticRegression minimises c * loss + ½ |w|², Ridge the squared error + alpha |w|².
    ridge = Ridge(alpha=1 / c).fit(features, targets)
    return np.atleast_2d(ridge.coef_), np.atleast_1d(ridge.intercept_)


def _logistic(
    features: NDArray[Any] | csr_array, targets: NDArray[np.int64], outputs: int, c: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from sklearn.linear_model import LogisticRegression

    weight = np.zeros((outputs, features.shape[1]))
    present = np.unique(targets)
    intercept: NDArray[np.floating] = np.zeros(len(present))
    if len(present) > 1:
        regression = LogisticRegression(C=c, max_iter=MAX_ITERATIONS).fit(features, targets)
        rows, intercept = regression.coef_, regression.intercept_
        if len(present) == 2:
            # scikit-learn keeps one row for two labels: the logit of the second over the first.
            rows, intercept = np.concatenate([-rows, rows]) / 2, np.concatenate([-intercept, intercept]) / 2
        weight[present] = rows
    bias = np.full(outputs, intercept.min() + UNSEEN_LOGIT)
    bias[present] = intercept
    return weight, bias
