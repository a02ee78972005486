"""Krippendorff's alpha is what its author computes, and its interval covers."""

from __future__ import annotations

import numpy as np
import pytest

from textgraft.evaluation.agreement import krippendorff_alpha


def _units(table):
    """Make a cluster of each column of a table of judges and units, "*" where a judge said nothing."""
    return [[[name for name in column if name != "*"]] for column in zip(*table, strict=True)]


def test_alpha_counts_pairs_of_judgements():
    """Observed and expected disagreement counted pair by pair, apart from the code under test."""
    rng = np.random.default_rng(0)
    table = rng.choice(list("aabc*"), (4, 40))
    assert krippendorff_alpha(_units(table)).value == pytest.approx(_by_pairs(_units(table)), abs=1e-12)


def _by_pairs(clusters):
    pairs, names = [], []
    for units in clusters:
        for given in units:
            if len(given) < 2:
                continue
            names += given
            for place, one in enumerate(given):
                for other, second in enumerate(given):
                    if place != other:
                        pairs.append(((one != second), 1 / (len(given) - 1)))
    observed = sum(differ * weight for differ, weight in pairs) / len(names)
    total = len(names)
    unequal = sum(names[i] != names[j] for i in range(total) for j in range(total) if i != j)
    return 1 - observed / (unequal / (total * (total - 1)))


def test_the_published_example():
    # Krippendorff (2011), example C: nominal alpha is 0.743.
    a = "1 2 3 3 2 1 4 1 2 * * *"
    b = "1 2 3 3 2 2 4 1 2 5 * 3"
    c = "* 3 3 3 2 3 4 2 2 5 1 *"
    d = "1 2 3 3 2 4 4 1 2 5 1 *"
    table = _units([row.split() for row in (a, b, c, d)])
    assert krippendorff_alpha(table).value == pytest.approx(0.743, abs=5e-4)


@pytest.mark.parametrize("clusters", [[], [[["a"]], [["b"]]], [[["a", "a"]], [["a", "a"]]]])
def test_there_is_none_where_nothing_tells_agreement_from_chance(clusters):
    assert krippendorff_alpha(clusters) is None


def test_there_is_no_interval_where_it_would_rest_on_too_little():
    found = krippendorff_alpha([[["a", "a"]]] * 30 + [[["b", "a"]], [["b", "b"]]])
    assert (found.low, found.high) == (None, None)


@pytest.mark.parametrize(
    ("rows", "right", "judges"), [(30, 0.5, 2), (30, 0.97, 2), (30, 0.9, 3), (120, 0.9, 2), (120, 0.97, 3)]
)
def test_the_interval_covers(rows, right, judges):
    """People give the true name, or one by chance; clusters are of one to three units."""
    draws = 150
    rng = np.random.default_rng([rows, judges, round(100 * right)])
    frequent = np.array([0.45, 0.3, 0.25])
    true_alpha = right**2  # both know it; else they agree as often as chance says
    inside = told = 0
    for _ in range(draws):
        clusters = []
        for size in rng.integers(1, 4, rows):
            truth = rng.choice(3, size, p=frequent)
            guessed = rng.choice(3, (judges, size), p=frequent)
            given = np.where(rng.random((judges, size)) < right, truth, guessed)
            clusters.append([list(map(str, unit)) for unit in given.T])
        found = krippendorff_alpha(clusters)
        if found.low is not None:
            told += 1
            inside += found.low <= true_alpha <= found.high
    assert told > 0.9 * draws
    # 95% within three standard errors of so many draws.
    assert 0.89 < inside / told <= 1.0
