import numpy as np
import pytest

from textgraft.comparison.judging.curves import LearningCurve, find_crossing, labels_needed, plateau_start

SIZES = np.array([100.0, 300.0, 1000.0, 3000.0])


def curve(scores, spread=0.0, draws=400, seed=0, sizes=SIZES):
    scores = np.asarray(scores, dtype=float)
    noise = np.random.default_rng(seed).normal(0, spread, (len(scores), draws))
    draws = np.clip(scores[:, None] + noise, 0, 1)
    none = np.zeros((len(scores), len(scores)))
    return LearningCurve(np.asarray(sizes, dtype=float), scores, draws, none, np.full(len(scores), spread**2))


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


def test_a_plateau_begins_where_no_later_score_is_clearly_better():
    assert plateau_start(curve([0.5, 0.8, 0.803, 0.801], 1e-4)) == 1
    assert plateau_start(curve([0.5, 0.7, 0.8, 0.9], 1e-4)) == 3
    assert plateau_start(curve([0.5, 0.9, 0.8, 0.85], 1e-4)) == 3
    assert plateau_start(curve([0.8, 0.82, 0.81, 0.83], 0.02)) == 0
    assert plateau_start(curve([0.8], 0.01, sizes=[100])) == 0
