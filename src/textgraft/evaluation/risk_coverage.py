"""What is gained by leaving the least sure answers to a person: the risk–coverage curve and its area.

Rows are answered in the order of the model's confidence. At each coverage (the fraction that is answered) the
risk is the mean loss of what is answered so far (El-Yaniv and Wiener 2010, "On the foundations of noise-free
selective classification", JMLR 11). The area under the curve, AURC (Geifman, Uziel and El-Yaniv 2019,
"Bias-reduced uncertainty estimation for deep neural classifiers", ICLR), is the mean risk over all
coverages: it lies between that of the best order, which leaves all losses to the end, and the mean loss,
which is that of an order that knows nothing. Rows of equal confidence are answered together.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from textgraft.evaluation.intervals import Score, Weights, left_out_scores, score_interval

POINTS = 200
"""Of a curve at most."""


class RiskCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """How the mean loss grows with the rows that are answered."""

    coverage: list[float]
    """Fractions of the rows that are answered, ascending, the last 1."""
    risk: list[float]
    """Mean loss of these, 0 to 1."""
    area: Score
    """Under the curve, with its 95% interval over rows; less is better."""
    best: float
    """The area if all losses came last."""
    random: float
    """The area if confidence said nothing: the mean loss."""


def risk_coverage(confidence: ArrayLike, loss: ArrayLike) -> RiskCoverage | None:
    """Draw the curve of a model.

    Args:
        confidence: By which rows are put in order, [rows].
        loss: What each answer costs, 0 (right) to 1 (wrong), [rows].

    Returns:
        The curve; None where all rows have the same confidence, so that there is no order.
    """
    sure, cost = np.asarray(confidence, dtype=np.float64), np.asarray(loss, dtype=np.float64)
    if len(sure) < 2 or (sure == sure[0]).all():
        return None
    order, ends = _groups(sure)
    whole = np.ones((len(sure), 1), dtype=np.float32)
    covered, risk = _curve(cost[order], whole[order], ends)
    left_out = left_out_scores(
        lambda answers, weights: {"area": _areas(answers[order], weights[order], ends)}, [cost], len(cost)
    )
    area = float(_areas(cost[order], whole[order], ends)[0])
    ideal_order, ideal_ends = _groups(-cost)
    shown = np.unique(np.linspace(0, len(ends) - 1, POINTS).round().astype(int))
    return RiskCoverage(
        coverage=(covered[shown, 0] / len(sure)).tolist(),
        risk=risk[shown, 0].tolist(),
        area=score_interval([area], left_out["area"], len(cost)),
        best=float(_areas(cost[ideal_order], whole, ideal_ends)[0]),
        random=float(cost.mean()),
    )


def _groups(confidence: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the order of the rows, surest first, and the last place of each run of equal ones in it."""
    order = np.argsort(-confidence, kind="stable")
    sorted_ = confidence[order]
    return order, np.append(np.flatnonzero(np.diff(sorted_)), len(sorted_) - 1)


def _curve(
    cost: NDArray[np.float64], weights: Weights, ends: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weight that is covered and the risk after each group, [groups, resamples]."""
    covered = weights.cumsum(axis=0, dtype=np.float64)[ends]
    lost = (weights * cost[:, None]).cumsum(axis=0)[ends]
    return covered, np.divide(lost, covered, out=np.zeros_like(lost), where=covered > 0)


def _areas(cost: NDArray[np.float64], weights: Weights, ends: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the area under the curve for each weighting, [resamples]."""
    covered, risk = _curve(cost, weights, ends)
    steps = np.diff(covered, axis=0, prepend=0.0)
    areas: NDArray[np.float64] = (steps * risk).sum(axis=0) / np.maximum(covered[-1], 1e-12)
    return areas
