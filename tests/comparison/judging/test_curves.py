import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgraft.comparison.judging.curves import (
    LearningCurve,
    find_crossing,
    fit_power_law,
    labels_needed,
)
from textgraft.errors import OptionError

SIZES = np.array([100.0, 300.0, 1000.0, 3000.0])


def curve(scores, spread=0.0, draws=400, seed=0, sizes=SIZES):
    scores = np.asarray(scores, dtype=float)
    noise = np.random.default_rng(seed).normal(0, spread, (len(scores), draws))
    return LearningCurve(np.asarray(sizes, dtype=float), scores, np.clip(scores[:, None] + noise, 0, 1))


def error(n, a=2.0, b=0.45, c=0.05):
    return a * n**-b + c


def test_an_exact_power_law_is_found_again():
    law = fit_power_law(curve(1 - error(SIZES), spread=1e-4))
    assert law.b[0] == pytest.approx(0.45, rel=0.05)
    assert law.predict(12_000).value == pytest.approx(1 - error(12_000), abs=0.001)
    assert law.gain(12_000).value == pytest.approx(error(3000) - error(12_000), abs=0.001)


@given(st.lists(st.floats(0.0, 1.0), min_size=3, max_size=6))
def test_no_curve_is_fitted_with_negative_parts_or_rising_error(scores):
    law = fit_power_law(curve(scores, spread=0.01, draws=20, sizes=100.0 * 3 ** np.arange(len(scores))))
    for part in (law.a, law.b, law.c):
        assert (part >= 0).all()
    assert (law.score(2 * law.largest) - law.score(law.largest) >= -1e-9).all()


def test_the_grid_search_finds_the_least_squares_optimum():
    """No nearby parameters with a, c >= 0 fit better than those returned."""
    rng = np.random.default_rng(3)
    given_curve = curve(1 - error(SIZES) + rng.normal(0, 0.02, 4), spread=0.02)
    law = fit_power_law(given_curve)
    weights = 1 / given_curve.draws.var(axis=1)

    def loss(a, b, c):
        return (weights * (1 - given_curve.scores - (a * SIZES**-b + c)) ** 2).sum()

    best = loss(law.a[0], law.b[0], law.c[0])
    for _ in range(2000):
        a, b, c = np.abs(np.array([law.a[0], law.b[0], law.c[0]]) * rng.normal(1, 0.1, 3))
        assert loss(a, b, c) >= best * (1 - 1e-3)


def test_the_interval_of_a_prediction_covers_the_truth():
    rng = np.random.default_rng(4)
    covered = 0
    for repeat in range(100):
        observed = 1 - error(SIZES) + rng.normal(0, 0.01, 4)
        prediction = fit_power_law(curve(observed, spread=0.01, seed=repeat)).predict(12_000)
        covered += prediction.low <= 1 - error(12_000) <= prediction.high
    assert covered >= 88


def test_a_prediction_beyond_four_times_the_largest_size_is_refused():
    law = fit_power_law(curve(1 - error(SIZES), spread=0.01))
    law.predict(12_000)
    with pytest.raises(OptionError, match="12,001 labels cannot be predicted"):
        law.predict(12_001)


def test_two_sizes_are_too_few_for_a_power_law():
    with pytest.raises(OptionError, match="at least 3 training sizes"):
        fit_power_law(curve([0.5, 0.6], sizes=[100, 300]))


def test_a_designed_crossing_is_found_within_its_interval():
    truth = 800.0
    first = 0.80 + 0.02 * np.log(SIZES / truth)
    second = 0.80 + 0.08 * np.log(SIZES / truth)
    rng = np.random.default_rng(5)
    covered = 0
    for repeat in range(60):
        noise = rng.normal(0, 0.01, (2, 4))
        found = find_crossing(
            curve(first + noise[0], 0.01, seed=2 * repeat),
            curve(second + noise[1], 0.01, seed=2 * repeat + 1),
            ("slow", "steep"),
        )
        assert (found.before, found.after) == ("slow", "steep")
        covered += found.low <= truth <= found.high
    assert covered >= 53


def test_a_crossing_is_named_the_same_whichever_curve_comes_first():
    flat, steep = curve([0.7, 0.7, 0.7, 0.7], 0.001), curve([0.5, 0.6, 0.8, 0.9], 0.001, seed=1)
    found = find_crossing(flat, steep, ("flat", "steep"))
    assert found == find_crossing(steep, flat, ("steep", "flat"))
    assert found.labels == pytest.approx(np.sqrt(300 * 1000), rel=1e-6)


def test_of_several_crossings_the_last_counts():
    found = find_crossing(
        curve([0.6, 0.8, 0.8, 0.8], 1e-3), curve([0.7, 0.7, 0.7, 0.9], 1e-3, seed=1), ("a", "b")
    )
    assert found.after == "b"
    assert found.labels == pytest.approx(np.sqrt(1000 * 3000))


def test_an_uncertain_crossing_has_an_open_interval():
    found = find_crossing(
        curve([0.70, 0.71, 0.72, 0.73], 0.05), curve([0.69, 0.70, 0.73, 0.74], 0.05, seed=1), ("a", "b")
    )
    assert found.low is None
    assert found.high is None


@pytest.mark.parametrize("second", [[0.6, 0.7, 0.8, 0.9], [0.4, 0.5, 0.6, 0.7]])
def test_curves_that_do_not_cross_have_no_crossing(second):
    assert find_crossing(curve([0.5, 0.6, 0.7, 0.8]), curve(second), ("a", "b")) is None


def test_curves_that_share_one_size_have_no_crossing():
    other = curve([0.9, 0.2], sizes=[100, 200])
    assert find_crossing(curve([0.5, 0.6, 0.7, 0.8]), other, ("a", "b")) is None


def test_labels_needed_are_read_over_log_sizes():
    steps = curve([0.5, 0.6, 0.7, 0.8], draws=1)
    needed = labels_needed(steps, [0.65, 0.65])
    assert needed == pytest.approx([np.sqrt(300 * 1000)] * 2)
    assert labels_needed(steps, [0.6, 0.8]) == pytest.approx([300, 3000])


def test_labels_needed_at_the_ends():
    steps = curve([0.5, 0.6, 0.7, 0.8], draws=2)
    assert labels_needed(steps, [0.4, 0.5, 0.9]).tolist() == [100, 100, np.inf]
    assert labels_needed(curve([0.5], draws=1, sizes=[100]), [0.4, 0.9]).tolist() == [100, np.inf]


def test_a_curve_that_dips_reaches_a_score_where_it_first_does():
    assert labels_needed(curve([0.5, 0.7, 0.6, 0.8], draws=1), [0.7, 0.7]) == pytest.approx([300, 300])
