"""Who is said to be unable to win could not: on simulated comparisons whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.comparison.synthetic import FINETUNED, FROZEN, LSTM, TFIDF, Comparison, Curve, power_law
from textgraft.comparison.judging.dropping import beaten, score_at_most
from textgraft.comparison.judging.scores import ScoreTable

LEVEL = Curve("tfidf", lambda size: 0.8, seed_spread=0.012)
EQUALS = tuple(Curve(name, LEVEL.accuracy, seed_spread=0.012) for name in ("tfidf", "lstm", "bert-frozen"))


def test_of_equals_none_is_dropped_after_one_seed():
    worlds = [Comparison(EQUALS, sizes=(300,), seeds=1, rows=200, draw=draw) for draw in range(60)]
    dropped = sum(len(beaten(world.trials(), world.test_set(), 300)) for world in worlds)
    assert dropped <= 1  # a level of 0.01 allows for 0.6


def test_who_lies_far_behind_is_dropped_with_the_evidence():
    behind = Curve("lstm", lambda size: 0.6, seed_spread=0.012)
    found = [
        beaten(world.trials(), world.test_set(), 300)
        for draw in range(10)
        for world in [Comparison((LEVEL, behind), sizes=(300,), seeds=1, rows=500, draw=draw)]
    ]
    assert all(set(one) == {"lstm"} for one in found)
    assert "behind tfidf at 300 labels (p <" in found[0]["lstm"]


def test_the_better_one_is_hardly_ever_dropped():
    """By three points better in truth, with the luck of one seed and few test rows against it."""
    better = Curve("lstm", lambda size: 0.83, seed_spread=0.015)
    worlds = [Comparison((LEVEL, better), sizes=(300,), seeds=1, rows=150, draw=draw) for draw in range(60)]
    assert not any("lstm" in beaten(world.trials(), world.test_set(), 300) for world in worlds)


def test_a_flat_curve_below_the_best_is_not_tried_on_all_rows():
    flat = Curve("lstm", lambda size: 0.55, seed_spread=0.001)
    world = Comparison((LEVEL, flat), sizes=(100, 300, 1000), seeds=1, rows=2000)
    trials = [one for one in world.trials() if one.contender == "tfidf" or one.size < 1000]
    (evidence,) = beaten(trials, world.test_set(), 1000).values()
    assert "its curve can reach" in evidence
    rising = [one for one in Comparison(sizes=(100, 300, 1000), seeds=1).trials() if one.contender != "tfidf"]
    rising = [one for one in rising if one.contender == "bert-frozen" or one.size < 1000]
    assert "lstm" not in beaten(rising, Comparison(sizes=(100, 300, 1000), seeds=1).test_set(), 1000)


@pytest.mark.parametrize("curve", [TFIDF, LSTM, FROZEN, FINETUNED, Curve("lstm", power_law(0.5, 0.1, 0.0))])
def test_no_convex_curve_reaches_more_than_its_bound(curve):
    sizes = (100, 300, 1000)
    below = []
    for draw in range(25):
        world = Comparison((curve,), sizes=sizes, seeds=2, rows=400, draw=draw)
        bound = score_at_most(ScoreTable(world.trials(), world.test_set()).curve(curve.name), 3000)
        below.append(bound is None or bound < curve.accuracy(3000) - 0.02)  # macro F1 is about the accuracy
    assert np.mean(below) <= 0.08


def test_one_size_bounds_nothing():
    world = Comparison((TFIDF,), sizes=(100,), seeds=1, rows=50)
    assert score_at_most(ScoreTable(world.trials(), world.test_set()).curve("tfidf"), 300) is None
