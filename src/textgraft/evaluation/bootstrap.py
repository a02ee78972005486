"""How a whole curve could have come out otherwise: the bootstrap over test rows and seeds.

A score varies for two reasons: other test rows might have been drawn, and another seed (another draw of
training rows, another initialisation) would have trained another model. Rows and seeds are crossed: every
seed's model is scored on the same rows. Both are therefore resampled, independently of each other, as in
the pigeonhole bootstrap (Owen 2007, "The pigeonhole bootstrap", Annals of Applied Statistics 1).

Of S seeds, S - 1 are drawn with replacement: drawing S would understate their variance by (S - 1) / S, a
third at three seeds (Rao and Wu 1988, "Resampling inference with complex survey data", JASA 83).

Draws are for what follows from many scores at once, as where two curves cross. The interval of a single score
is that of :mod:`textgraft.evaluation.intervals`, which needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.evaluation.intervals import Estimate, Metrics, Weights

RESAMPLES = 1000
_MAX_WEIGHTS = 2**24
"""Weights held at once (64 MiB as float32): larger test sets are resampled in several turns."""


def resampled_scores(
    score: Callable[[Any, Weights], Metrics],
    models: Sequence[Any],
    rows: int,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, NDArray[np.float64]]:
    """Score several models on the same resamples of the test rows.

    Because the resamples are shared, differences between the models are paired row by row.

    Args:
        score: Takes a model's answers for all rows and weights [rows, resamples]; returns its metrics under
            each weighting, [resamples].
        models: The answers of each model.
        rows: Number of rows.
        resamples: Draws of as many rows as there are, with replacement.
        seed: Fixes the draws.

    Returns:
        For each metric its value for each model and resample, [models, resamples].
    """
    rng = np.random.default_rng(seed)
    scores: dict[str, NDArray[np.float64]] = {}
    step = max(1, _MAX_WEIGHTS // max(1, rows))
    for start in range(0, resamples, step):
        stop = min(start + step, resamples)
        weights = _row_weights(rows, stop - start, rng)
        for model, answers in enumerate(models):
            for name, values in score(answers, weights).items():
                scores.setdefault(name, np.empty((len(models), resamples)))[model, start:stop] = values
    return scores


def _row_weights(rows: int, resamples: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Count how often each row was drawn, [rows, resamples]; every column sums to ``rows``."""
    drawn = rng.integers(0, rows, size=(resamples, rows))
    drawn *= resamples
    drawn += np.arange(resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=rows * resamples)
    return counts.reshape(rows, resamples).astype(np.float32)


def seed_weights(seeds: int, *, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.float64]:
    """Return the weight of each seed in each resample, [seeds, resamples]; every column sums to 1.

    Equal arguments give equal weights, so contenders trained on the same seeds stay paired.
    """
    drawn = max(1, seeds - 1)
    rng = np.random.default_rng([seed, seeds])
    return rng.multinomial(drawn, np.full(seeds, 1 / seeds), size=resamples).T / drawn


def over_seeds(scores: NDArray[np.float64], *, seed: int = 0) -> NDArray[np.float64]:
    """Average resampled scores over resampled seeds: [seeds, resamples] -> [resamples]."""
    return (scores * seed_weights(len(scores), resamples=scores.shape[1], seed=seed)).sum(axis=0)


def percentile_interval(draws: NDArray[np.float64], value: float, level: float = 0.95) -> Estimate:
    """Return ``value`` with the percentile interval of its bootstrap draws."""
    tail = (1 - level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Estimate(value, float(low), float(high))
