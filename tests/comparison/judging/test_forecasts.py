"""Forecasts are held to their claim: the gain that more labels bring lies in 95% of their intervals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from textgraft.comparison.judging.curves import LearningCurve
from textgraft.comparison.judging.forecasts import carry_on
from textgraft.errors import OptionError

SIZES = (100, 300, 1000, 3000)


def curve(scores, spread=0.005, sizes=SIZES, shared=0.0):
    """A measured curve; ``shared`` is the deviation of what all sizes have in common."""
    of_rows = np.full((len(sizes), len(sizes)), shared**2)
    return made_of(sizes, scores, of_rows, np.full(len(sizes), spread**2))


def made_of(sizes, scores, of_rows, of_seeds):
    """A measured curve whose noise has these parts; bootstrap draws play no part in forecasts."""
    none = np.zeros((len(sizes), 2))
    return LearningCurve(np.array(sizes, float), np.array(scores, float), none, of_rows, of_seeds)


def power_law(rng: np.random.Generator) -> Callable[[float], float]:
    error, exponent, floor = rng.uniform(0.3, 0.8), rng.uniform(0.1, 0.6), rng.uniform(0, 0.25)
    return lambda n: 1 - floor - (error - min(floor, 0.9 * error)) * (n / 25) ** -exponent


def late_riser(rng: np.random.Generator) -> Callable[[float], float]:
    """Flat at first, steep in the middle: as bags of words with many labels."""
    middle, width, top = rng.uniform(7, 12), rng.uniform(1.2, 2.5), rng.uniform(0.6, 0.95)
    return lambda n: 0.1 + (top - 0.1) / (1 + np.exp(-(np.log2(n) - middle) / width))


def plateau(rng: np.random.Generator) -> Callable[[float], float]:
    top, drop, speed = rng.uniform(0.6, 0.95), rng.uniform(0.1, 0.4), rng.uniform(40, 200)
    return lambda n: top - drop * np.exp(-n / speed)


@pytest.mark.parametrize(
    ("kind", "least"),
    [(power_law, 0.97), (late_riser, 0.87), (plateau, 0.87)],
)
@pytest.mark.parametrize("sizes", [(100, 200, 800), SIZES, (60, 120, 240, 480, 960)])
def test_intervals_hold_the_gain_of_more_labels(kind, least, sizes):
    """Of power laws they hold more than they claim; of curves that become flat or steep at once, most."""
    rng = np.random.default_rng(len(sizes))
    held = {2: [], 4: []}
    refused = 0
    for _ in range(150):
        truth = kind(rng)
        true = np.array([truth(size) for size in sizes])
        shared = rng.normal(0, 0.01)
        observed = true + shared + rng.normal(0, 0.008, len(sizes))
        try:
            carried = carry_on(curve(observed, 0.008, sizes, shared=0.01))
        except OptionError:
            refused += 1
            continue
        for times, found in held.items():
            score, gain = carried.forecast(times * sizes[-1])
            found.append(gain.low <= truth(times * sizes[-1]) - true[-1] <= gain.high)
            assert score.low <= score.value <= score.high <= 1
    assert refused <= 12
    # Three sizes say little of where a curve becomes flat.
    least -= 0.1 if len(sizes) == 3 else 0
    for found in held.values():
        assert np.mean(found) >= least


def test_a_curve_that_becomes_steeper_is_not_forecast_to_be_flat():
    """TF-IDF on 77 labels, as measured: a power law was sure of 0.64 at 1,600 labels."""
    carried = carry_on(curve([0.26, 0.40, 0.53], 0.01, (100, 200, 400)))
    score, gain = carried.forecast(1600)
    assert score.low < 0.75 < score.high
    assert gain.low < 0.22 < gain.high


def test_what_is_predicted_goes_on_from_what_was_measured():
    scores = [0.6, 0.75, 0.84, 0.9]
    score, gain = carry_on(curve(scores, 1e-4)).forecast(3001)
    assert score.value == pytest.approx(0.9, abs=1e-3)
    assert gain.value == pytest.approx(0, abs=1e-3)
    further, more = carry_on(curve(scores, 1e-4)).forecast(12_000)
    assert further.value == pytest.approx(0.9 + more.value, abs=0.002)
    assert 0.9 < further.value < 0.99


def test_a_power_law_without_a_floor_is_carried_on():
    def truth(n):
        return 1 - 2.0 * n**-0.35

    score, gain = carry_on(curve([truth(n) for n in SIZES], 1e-4)).forecast(12_000)
    assert score.value == pytest.approx(truth(12_000), abs=0.01)
    assert gain.value == pytest.approx(truth(12_000) - truth(3000), abs=0.01)


def test_a_flat_curve_stays_flat():
    _, gain = carry_on(curve([0.9, 0.9, 0.9, 0.9], 1e-3)).forecast(12_000)
    assert abs(gain.value) < 0.003
    assert -0.02 < gain.low < 0 < gain.high < 0.02


@pytest.mark.parametrize(
    ("scores", "sizes", "reason"),
    [
        ([0.5, 0.6], (100, 300), "at least 3 training sizes, this one has 2"),
        ([0.34, 0.36, 0.37], (3, 20, 50), "3 training sizes of 25 labels and more, this one has 1"),
        ([0.5, 0.7, 0.8, 0.7], SIZES, "lower at 3,000 labels than at 1,000"),
        ([0.5, 0.8, 0.5, 0.81], SIZES, "change more from size to size"),
    ],
)
def test_what_cannot_be_carried_on_is_refused(scores, sizes, reason):
    with pytest.raises(OptionError, match=reason):
        carry_on(curve(scores, 0.005, sizes))


def test_a_forecast_beyond_four_times_the_largest_size_is_refused():
    carried = carry_on(curve([0.5, 0.6, 0.7, 0.75], 0.01))
    carried.forecast(12_000)
    with pytest.raises(OptionError, match="12,001 labels cannot be predicted from 3,000"):
        carried.forecast(12_001)


def test_noise_that_all_sizes_share_does_not_blur_the_gain():
    scores = [0.6, 0.7, 0.78, 0.84]
    apart = carry_on(curve(scores, 0.03)).forecast(6000)
    together = carry_on(curve(scores, 0.001, shared=0.03)).forecast(6000)
    assert together[1].high - together[1].low < 0.8 * (apart[1].high - apart[1].low)
    assert together[0].high - together[0].low > 0.05


def test_no_score_below_nothing_is_forecast():
    """Where hardly an error is left, what is not known of the scores is many times as much."""
    score, gain = carry_on(curve((0.9, 0.99, 0.998, 0.999), spread=0.01)).forecast(6000)
    assert score.low >= 0
    assert gain.low >= -1


def test_a_score_that_hangs_on_one_row_of_a_label_is_carried_on_from_where_it_is():
    """From 0.781 at all rows 0.526 was predicted for twice as many, which were to help."""
    rises = (0.535, 0.716, 0.781, 0.781)
    score, gain = carry_on(curve(rises, 0.02, (50, 100, 300, 421), shared=0.16)).forecast(842)
    assert score.value - gain.value == pytest.approx(0.781, abs=0.03)
    assert score.low < 0.7 < 0.9 < score.high


@pytest.mark.parametrize("test_rows", [60, 120, 500])
def test_few_test_rows_make_forecasts_wide_and_not_low(test_rows):
    """Rows are as easy with few labels as with many, so that all sizes are lucky together."""
    rng = np.random.default_rng(test_rows)
    sizes = np.array([50, 100, 200, 400, 800])
    off, held = [], []
    for _ in range(400):
        steepness, start = rng.uniform(0.15, 0.6), rng.uniform(0.4, 0.7)
        truth = 1 - start * (np.append(sizes, 1600) / 50) ** -steepness
        easiness = rng.uniform(size=test_rows)
        # Each size errs on its hardest rows, but for a fifth of the rows, which it draws itself.
        own = rng.uniform(size=(len(sizes), test_rows))
        right = np.where(rng.uniform(size=test_rows) < 0.2, own, easiness) < truth[:-1, None]
        of_rows = np.atleast_2d(np.cov(right)) / test_rows
        scores = right.mean(axis=1)
        if scores.max() == 1:
            continue
        try:
            carried = carry_on(made_of(sizes, scores, of_rows, np.full(len(sizes), 1e-5)))
        except OptionError:
            continue
        now, later = carried.forecast(800)[0], carried.forecast(1600)[0]
        off.append(now.value - truth[-2])
        held.append((now.low <= truth[-2] <= now.high, later.low <= truth[-1] <= later.high))
    assert len(off) > 350
    assert abs(np.mean(off)) < 0.006
    assert np.mean(held, axis=0).min() > 0.91
