"""A learning curve carried on by the prior that LC-PFN was trained on, sampled by sequential Monte Carlo.

Adriaensen et al. 2023, "Efficient Bayesian learning curve extrapolation using prior-data fitted networks"
(NeurIPS): a curve is a weighted sum of three families, each with a prior on its parameters,

    pow3(x) = c - a x^-alpha,  ilog2(x) = c - a / log(x + 1),  janoschek(x) = a - (a - beta) exp(-k x^delta),

which must end higher than it begins and stay between 0 and 1. Their network answers what the posterior under
this prior is. Here is the prior and not the network: the posterior is sampled itself, and the noise is what
test rows and seeds are measured to have, where theirs is unknown. x counts labels in units of the smallest
size, as theirs counts epochs.

The prior becomes the posterior in steps, between which the samples move by Metropolis–Hastings (Del Moral et
al. 2006, "Sequential Monte Carlo samplers"). All parameters are functions of standard normal ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from textgraft.comparison.judging.curves import LearningCurve
from textgraft.evaluation.intervals import Estimate

Floats = NDArray[np.float64]

SAMPLES = 1000
PARAMETERS = 12
MOVES = 10
"""Proposals for each sample between two steps."""


def curves(normal: Floats, x: Floats) -> Floats:
    """Return the curves of standard normal parameters [samples, PARAMETERS] at some x, [samples, x]."""
    part = special.ndtr(normal)[:, :, None]
    bell = normal[:, :, None]
    with np.errstate(over="ignore"):
        pow3 = 1.25 * part[:, 3] - (1.2 * part[:, 4] - 0.6) * x ** -np.exp(2 * bell[:, 5])
        ilog2 = part[:, 6] - (part[:, 7] - 0.5) / np.log(x + 1)
        top, bottom = part[:, 8], 2 * part[:, 9]
        growth = np.exp(bell[:, 10] - 2) * x ** np.exp(0.5 * bell[:, 11])
        janoschek = top - (top - bottom) * np.exp(-growth)
    total: Floats = part[:, 0] * pow3 + part[:, 1] * ilog2 + part[:, 2] * janoschek
    return total


def allowed(values: Floats) -> NDArray[np.bool_]:
    """Return which curves stay between 0 and 1 and end higher than they begin, [samples]."""
    return (values >= 0).all(axis=1) & (values <= 1).all(axis=1) & (values[:, -1] > values[:, 0])


def draw_prior(rng: np.random.Generator, x: Floats) -> Floats:
    """Draw parameters from the prior by rejection, [SAMPLES, PARAMETERS]."""
    kept: list[Floats] = []
    while sum(map(len, kept)) < SAMPLES:
        normal = rng.standard_normal((SAMPLES, PARAMETERS))
        kept.append(normal[allowed(curves(normal, x))])
    return np.concatenate(kept)[:SAMPLES]


def posterior(curve: LearningCurve, x: Floats) -> Floats:
    """Draw curves at all x, of which the first were measured, given what was measured, [SAMPLES, x]."""
    rng = np.random.default_rng(0)
    whitening = np.linalg.inv(np.linalg.cholesky(curve.noise + 1e-8 * np.eye(len(curve.sizes))))

    def log_likelihood(values: Floats) -> Floats:
        residuals = (values[:, : len(curve.sizes)] - curve.scores) @ whitening.T
        return -0.5 * (residuals**2).sum(axis=1)

    normal = draw_prior(rng, x)
    values = curves(normal, x)
    likely = log_likelihood(values)
    heat, scale = 0.0, 1.0
    while heat < 1:
        step = _next_step(likely, 1 - heat)
        heat += step
        weights = special.softmax(step * likely)
        chosen = rng.choice(SAMPLES, SAMPLES, p=weights)
        normal, values, likely = normal[chosen], values[chosen], likely[chosen]
        root = np.linalg.cholesky(np.cov(normal.T) + 1e-6 * np.eye(PARAMETERS))
        for _ in range(MOVES if heat < 1 else 4 * MOVES):
            proposed = normal + scale * 0.7 * rng.standard_normal(normal.shape) @ root.T
            there = curves(proposed, x)
            gain = log_likelihood(there)
            odds = heat * (gain - likely) + 0.5 * ((normal**2).sum(axis=1) - (proposed**2).sum(axis=1))
            taken = allowed(there) & (np.log(rng.random(SAMPLES)) < odds)
            normal[taken], values[taken], likely[taken] = proposed[taken], there[taken], gain[taken]
            scale = float(np.clip(scale * np.exp(taken.mean() - 0.25), 0.02, 2))
    return values


def _next_step(likely: Floats, most: float) -> float:
    """Return the step after which half of the samples still count (Kish's effective sample size)."""

    def lacking(step: float) -> float:
        weights = special.softmax(step * likely)
        return float(1 / (weights**2).sum()) - SAMPLES / 2

    return most if lacking(most) >= 0 else float(optimize.brentq(lacking, 0.0, most, xtol=1e-12))


def forecast(curve: LearningCurve, labels: Sequence[float]) -> list[tuple[Estimate, Estimate]]:
    """Return the score at each number of labels and what it adds, with the posterior's 95% intervals."""
    values = posterior(curve, np.concatenate([curve.sizes, labels]) / curve.sizes[0])
    last = values[:, len(curve.sizes) - 1]
    scores = values[:, len(curve.sizes) :].T
    return [(_estimate(score), _estimate(score - last)) for score in scores]


def _estimate(draws: Floats) -> Estimate:
    low, middle, high = np.quantile(draws, [0.025, 0.5, 0.975])
    return Estimate(float(middle), float(low), float(high))
