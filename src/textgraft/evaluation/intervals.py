"""The 95% interval of a score: how far it could have come out otherwise on other test rows and seeds.

A test set is left out a part at a time (the jackknife: Tukey 1958; Efron and Stein 1981, "The jackknife
estimate of variance", Annals of Statistics 9). From the scores of what remains follow the variance of any
metric over test rows, and its bias: macro F1 falls short where labels have few rows, by as much as 0.04 at
four rows a label, and an interval about the score itself then covers half of the time. A resample of the
rows has that bias twice, so that percentiles of a bootstrap do no better.

- Scores between 0 and 1 get Wilson's interval (1927, "Probable inference, the law of succession, and
  statistical inference"), whose number of rows is the one that would give an accuracy the same variance (the
  effective sample size of Korn and Graubard 1998). It stays within its bounds, and twenty right answers of
  twenty leave room for 18% errors.
- Correlations are taken to Fisher's z, coefficients of determination and errors to logarithms, where their
  distribution is nearly normal.

With several seeds their variance is added (:mod:`textgraft.evaluation.seeds`); with one, the interval speaks
of the test rows alone. Where a score rests on too little, there is none. In the tests' simulations the
intervals cover 93 to 97% for 50, 300 and 1,500 rows with 2, 6, 24 and 77 labels.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from textgraft.evaluation.seeds import PRIOR_DEVIATION, Variance, seed_variance, total_freedom

PARTS = 200
"""Parts that a larger test set is left out by."""
LEVEL = 0.95
_MAX_WEIGHTS = 2**24
"""Weights held at once (64 MiB as float32): larger test sets are scored in several turns."""

Weights = NDArray[np.float32]
Metrics = Mapping[str, NDArray[np.float64]]


class Estimate(msgspec.Struct, frozen=True):
    """A value with its 95% interval."""

    value: float
    low: float
    high: float


class Score(msgspec.Struct, frozen=True):
    """A measured value with its 95% interval, where one can be given."""

    value: float
    low: float | None
    """None: too few test rows for an interval."""
    high: float | None


class Scale(enum.Enum):
    """What values a metric can take."""

    SHARE = "0 to 1"
    SIGNED_SHARE = "-1 to 1, as an agreement beyond chance"
    CORRELATION = "-1 to 1"
    AT_MOST_ONE = "1 and less, without bound"
    NEGATIVE = "0 and less, without bound"
    POSITIVE = "0 and more, without bound"


def left_out_scores(
    score: Callable[[Any, Weights], Metrics], models: Sequence[Any], rows: int, *, seed: int = 0
) -> dict[str, NDArray[np.float64]]:
    """Score several models on the test rows without each of their parts.

    Because the parts are shared, differences between the models are paired row by row.

    Args:
        score: Takes a model's answers for all rows and weights [rows, parts]; returns its metrics under each
            weighting, [parts].
        models: The answers of each model.
        rows: Number of rows.
        seed: Fixes which rows stand in a part together.

    Returns:
        For each metric its value for each model without each part, [models, parts]: a part for each row, but
        at most :data:`PARTS`.
    """
    parts = min(rows, PARTS)
    part_of = part_numbers(rows, seed)
    scores: dict[str, NDArray[np.float64]] = {}
    step = max(1, _MAX_WEIGHTS // max(1, rows))
    for start in range(0, parts, step):
        block = range(start, min(start + step, parts))
        weights = (part_of[:, None] != np.array(block)).astype(np.float32)
        for model, answers in enumerate(models):
            for name, values in score(answers, weights).items():
                scores.setdefault(name, np.empty((len(models), parts)))[model, start : block.stop] = values
    return scores


def part_numbers(rows: int, seed: int = 0) -> NDArray[np.int64]:
    """Return which part each row is in, of at most :data:`PARTS` of about the same size, [rows]."""
    return np.random.default_rng(seed).permutation(rows) % max(1, min(rows, PARTS))


def score_interval(
    values: Sequence[float] | NDArray[np.float64],
    left_out: NDArray[np.float64],
    evidence: float,
    scale: Scale = Scale.SHARE,
) -> Score:
    """Return the mean of a metric over seeds with its 95% interval.

    Args:
        values: The metric on all test rows, for each seed, [seeds].
        left_out: The same without each part of the rows, [seeds, parts].
        evidence: Rows that a perfect score would rest on; 0 where there is too little for an interval.
        scale: What values the metric can take.
    """
    by_seed = np.asarray(values, dtype=np.float64)
    value, parts = float(by_seed.mean()), left_out.shape[1]
    if parts < 2 or evidence <= 0:
        return Score(value, None, None)
    if scale in (Scale.SHARE, Scale.SIGNED_SHARE):
        low, high = _share_ends(
            by_seed, left_out.mean(axis=0), evidence, 0.0 if scale is Scale.SHARE else -1.0
        )
    else:
        ends = _transformed_ends(by_seed, left_out.mean(axis=0), scale)
        if ends is None:
            return Score(value, None, None)
        low, high = ends
    # The middle is mended for the bias of the score; the score that is printed belongs into its interval.
    return Score(value, min(low, value), max(high, value))


def _share_ends(
    by_seed: NDArray[np.float64], left_out: NDArray[np.float64], rows: float, lowest: float
) -> tuple[float, float]:
    """Return the ends for a metric between ``lowest`` and 1, by Wilson's interval on 0 to 1."""
    width = 1 - lowest
    share, shares = (by_seed - lowest) / width, (left_out - lowest) / width
    value = float(share.mean())
    of_rows, bias = jackknife(value, shares)
    of_seeds = _over_seeds(share, 1 / width)
    variance = of_rows.variance + of_seeds.variance
    spread = value * (1 - value)
    effective = spread / variance if variance > 0 and spread > 0 else rows
    reach = float(stdtrit(total_freedom(of_rows, of_seeds), (1 + LEVEL) / 2))
    low, high = wilson(min(1.0, max(0.0, value - bias)), effective, reach)
    return lowest + width * low, lowest + width * high


def wilson(share: float, rows: float, reach: float) -> tuple[float, float]:
    """Return the ends of Wilson's interval for a share of some rows, ``reach`` standard errors wide."""
    square = reach**2 / rows
    middle = (share + square / 2) / (1 + square)
    half = (square * share * (1 - share) + square**2 / 4) ** 0.5 / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


_TO_LINE: dict[Scale, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    Scale.CORRELATION: np.arctanh,
    Scale.AT_MOST_ONE: lambda values: -np.log1p(-values),
    Scale.NEGATIVE: lambda values: -np.log(-values),
    Scale.POSITIVE: np.log,
}
_FROM_LINE: dict[Scale, Callable[[float], float]] = {
    Scale.CORRELATION: lambda value: float(np.tanh(value)),
    Scale.AT_MOST_ONE: lambda value: float(-np.expm1(-value)),
    Scale.NEGATIVE: lambda value: float(-np.exp(-value)),
    Scale.POSITIVE: lambda value: float(np.exp(value)),
}


def _transformed_ends(
    by_seed: NDArray[np.float64], left_out: NDArray[np.float64], scale: Scale
) -> tuple[float, float] | None:
    """Return the ends where the metric, transformed, is nearly normal; None at the end of its scale."""
    to_line, from_line = _TO_LINE[scale], _FROM_LINE[scale]
    with np.errstate(divide="ignore", invalid="ignore"):
        middle, seeds, parts = to_line(by_seed.mean(keepdims=True)), to_line(by_seed), to_line(left_out)
        slope = float((to_line(by_seed.mean(keepdims=True) - 1e-6) - middle)[0]) / -1e-6
    if not all(np.isfinite(one).all() for one in (middle, seeds, parts)):
        return None
    of_rows, bias = jackknife(float(middle[0]), parts)
    of_seeds = _over_seeds(seeds, abs(slope))
    reach = float(stdtrit(total_freedom(of_rows, of_seeds), (1 + LEVEL) / 2))
    half = reach * (of_rows.variance + of_seeds.variance) ** 0.5
    return from_line(float(middle[0]) - bias - half), from_line(float(middle[0]) - bias + half)


def _over_seeds(values: NDArray[np.float64], slope: float) -> Variance:
    """Return the variance over seeds; ``slope`` turns a deviation of scores into one of the values."""
    if len(values) == 1:
        return Variance(0.0, np.inf)
    return seed_variance(values, slope * PRIOR_DEVIATION)


def jackknife(value: float, left_out: NDArray[np.float64]) -> tuple[Variance, float]:
    """Return the variance of a value over test rows, and its bias.

    Args:
        value: On all rows.
        left_out: Without each part of them, [parts].
    """
    parts = len(left_out)
    variance = (parts - 1) * float(left_out.var())
    return Variance(variance, parts - 1), (parts - 1) * float(left_out.mean() - value)


def jackknife_covariance(left_out: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the covariance of several values over test rows, [values, values].

    Args:
        left_out: Each without each part of the rows, [values, parts].
    """
    parts = left_out.shape[1]
    centred = left_out - left_out.mean(axis=1, keepdims=True)
    covariance: NDArray[np.float64] = (parts - 1) / parts * centred @ centred.T
    return covariance
