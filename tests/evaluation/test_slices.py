"""Slices that were searched: no luck is taken for a finding, and what is worse is found."""

import numpy as np
import pytest

from textgraft.evaluation.slices import LEAST_ROWS, Slice, score_slices, worst_slice


def slices(rng, rows, count):
    """Make slices of various sizes that overlap."""
    return [Slice("random", str(at), rng.random(rows) < rng.uniform(0.08, 0.5)) for at in range(count)]


QUALITIES = {
    "mostly right": lambda rng, rows: (rng.random(rows) < 0.95).astype(float),
    "even": lambda rng, rows: (rng.random(rows) < 0.5).astype(float),
    "of degrees": lambda rng, rows: rng.beta(2, 0.7, rows),
}


@pytest.mark.parametrize("kind", QUALITIES)
@pytest.mark.parametrize("rows", [60, 300])
def test_without_a_difference_hardly_any_search_calls_a_slice_worse(kind, rows):
    rng = np.random.default_rng(1)
    repetitions, false, missed = 250, 0, 0
    for seed in range(repetitions):
        found = score_slices(QUALITIES[kind](rng, rows), slices(rng, rows, 20), draws=200, seed=seed)
        false += worst_slice(found) is not None
        missed += any(
            one.difference.low is not None and not one.difference.low <= 0 <= one.difference.high
            for one in found
        )
    # Of 250 at 5% there are 12.5 on average, and more than 22 with a probability of 0.4%.
    assert missed <= 22
    assert false <= 22


def test_intervals_hold_together_where_slices_do_differ():
    rng = np.random.default_rng(2)
    rows, repetitions, missed = 400, 250, 0
    for seed in range(repetitions):
        part = slices(rng, rows, 12)
        chance = 0.9 - 0.3 * part[0].members - 0.15 * part[1].members
        found = score_slices((rng.random(rows) < chance).astype(float), part, draws=200, seed=seed)
        true = [chance[one.members].mean() - chance[~one.members].mean() for one in part]
        missed += any(
            not one.difference.low <= value <= one.difference.high
            for one, value in zip(found, true, strict=True)
        )
    assert missed <= 22


def test_the_quality_of_all_slices_lies_in_their_intervals_together():
    rng = np.random.default_rng(3)
    missed = 0
    for seed in range(200):
        part = slices(rng, 200, 15)
        chance = np.where(part[0].members, 0.6, 0.9)
        found = score_slices((rng.random(200) < chance).astype(float), part, draws=20, seed=seed)
        missed += any(
            not one.quality.low <= chance[part[int(one.name)].members].mean() <= one.quality.high
            for one in found
        )
    assert missed <= 18  # of 200 at 5%: more with a probability of 0.5%


def test_a_slice_that_is_worse_is_found():
    rng = np.random.default_rng(4)
    part = slices(rng, 500, 20)
    quality = (rng.random(500) < np.where(part[7].members, 0.5, 0.95)).astype(float)
    worst = worst_slice(score_slices(quality, part))
    assert worst is not None
    assert worst.name == "7"
    assert worst.difference.high < 0
    assert worst.rows == part[7].members.sum()
    assert worst.quality.value == pytest.approx(quality[part[7].members].mean())
    expected = quality[part[7].members].mean() - quality[~part[7].members].mean()
    assert worst.difference.value == pytest.approx(expected, abs=1e-6)


def test_small_slices_are_not_looked_at_and_equal_rows_tell_nothing():
    few = np.arange(100) < LEAST_ROWS - 1
    assert score_slices(np.ones(100), [Slice("a", "few", few), Slice("a", "rest", ~few)]) == []
    (alone,) = score_slices(np.ones(100), [Slice("a", "half", np.arange(100) < 50)])
    assert alone.difference.low is None
    assert not alone.is_worse
    assert alone.quality.low < 1
