"""Tests of two samples keep their level without drift, and see drift where there is some."""

from __future__ import annotations

import numpy as np
import pytest

from textgraft.evaluation.estimated_accuracy import estimate_accuracy
from textgraft.evaluation.two_sample import category_test, gaussian_kernel, kernel_test

DRAWS = 200
HIGHEST = 0.05 + 3 * (0.05 * 0.95 / DRAWS) ** 0.5
"""A share of 5% within three standard errors of so many draws."""


def _vectors(draw, shift=0.0, sizes=(40, 60)):
    rng = np.random.default_rng(draw)
    rows = rng.standard_t(4, (sum(sizes), 16)).astype(np.float32)
    rows[sizes[0] :] += shift
    return rows, sizes[0]


def test_the_kernel_test_keeps_its_level():
    p_values = []
    for draw in range(DRAWS):
        rows, first = _vectors(draw)
        p_values.append(kernel_test(gaussian_kernel(rows), first, permutations=99, seed=draw))
    assert np.mean(np.array(p_values) <= 0.05) <= HIGHEST
    # As often above a half as below: the p-values are spread evenly, not merely small seldom.
    assert 0.38 < np.mean(np.array(p_values) <= 0.5) < 0.62


def test_the_category_test_keeps_its_level():
    p_values = []
    for draw in range(DRAWS):
        rng = np.random.default_rng(draw)
        categories = rng.choice(5, 120, p=[0.5, 0.3, 0.1, 0.08, 0.02])
        p_values.append(category_test(categories, 50, permutations=99, seed=draw))
    assert np.mean(np.array(p_values) <= 0.05) <= HIGHEST


@pytest.mark.parametrize("shift", [0.5])
def test_they_see_what_is_different(shift):
    rows, first = _vectors(0, shift=shift)
    assert kernel_test(gaussian_kernel(rows), first) < 0.01
    rng = np.random.default_rng(0)
    categories = np.concatenate([rng.choice(3, 80, p=[0.6, 0.3, 0.1]), rng.choice(3, 80, p=[0.2, 0.3, 0.5])])
    assert category_test(categories, 80) < 0.01


def test_the_chi_squared_statistic_is_permuted():
    """For many rows the p-value is that of the chi-squared test."""
    from scipy.stats import chi2_contingency

    rng = np.random.default_rng(3)
    categories = rng.choice(4, 600, p=[0.4, 0.3, 0.2, 0.1])
    table = [np.bincount(part, minlength=4) for part in (categories[:250], categories[250:])]
    expected = chi2_contingency(np.array(table)).pvalue
    assert category_test(categories, 250, permutations=4999) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(("known", "new", "accuracy"), [(100, 300, 0.75), (500, 60, 0.6), (400, 400, 0.93)])
def test_the_estimated_accuracy_covers_where_nothing_has_drifted(known, new, accuracy):
    inside = 0
    draws = 400
    rng = np.random.default_rng(known)
    for _ in range(draws):
        # Scores that are no calibrated probabilities, and tell right from wrong in part.
        right = rng.random(known + new) < accuracy
        scores = 1 / (1 + np.exp(-rng.normal(1.0 + 1.2 * right, 1.0)))
        found = estimate_accuracy(scores[:known], right[:known], scores[known:])
        inside += found.low <= accuracy <= found.high
    assert 0.92 <= inside / draws <= 0.99


def test_the_estimate_falls_with_confidence():
    rng = np.random.default_rng(0)
    right = rng.random(500) < 0.9
    scores = rng.beta(np.where(right, 8, 3), 2)
    wrong_more_often = rng.random(500) < 0.6
    found = estimate_accuracy(scores, right, rng.beta(np.where(wrong_more_often, 8, 3), 2))
    assert found.high < np.mean(right) - 0.05


def test_ties_at_the_threshold_count_in_part():
    found = estimate_accuracy([0.5] * 10, [True] * 7 + [False] * 3, [0.5] * 50)
    assert found.value == pytest.approx(0.7)
    assert estimate_accuracy([0.5] * 10, [False] * 10, [0.9] * 10).value == 0.0
