import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binomtest

from textgraft.errors import OptionError
from textgraft.evaluation.promises import Target
from textgraft.evaluation.selective import GRID, certified, counts, coverage, fewest, find_threshold

DRAWS = 1000


def calibrated(generator, shape):
    scores = expit(generator.normal(2.5, 2.0, shape))
    return scores, scores


def overconfident(generator, shape):
    """Precision falls with the score, but is far from it."""
    scores = expit(generator.normal(3, 3, shape))
    return scores, 0.6 + 0.38 * scores**4


def tied(generator, shape):
    """Ten different scores."""
    scores = np.round(expit(generator.normal(2, 2, shape)), 1)
    return scores, 0.5 + 0.5 * scores


def telling_nothing(generator, shape):
    """Every threshold is as good, and just too bad."""
    scores = generator.random(shape)
    return scores, np.full(shape, 0.9499)


def folded(generator, shape):
    """The surest answers are not the best ones."""
    scores = generator.random(shape)
    return scores, np.where(scores > 0.9, 0.94, np.where(scores > 0.5, 0.96, 0.7))


WORLDS = (calibrated, overconfident, tied, telling_nothing, folded)


def tallied(scores, right):
    """The counts of many draws at once, [draws, grid]."""
    places = np.searchsorted(-GRID, -scores, side="left")
    flat = places + (len(GRID) + 1) * np.arange(len(scores))[:, None]
    size = (len(scores), len(GRID) + 1)
    answered, wrong = (
        np.bincount(flat.ravel(), kinds, minlength=size[0] * size[1]).reshape(size).astype(np.int64)
        for kinds in (None, (~right).ravel())
    )
    return answered[:, :-1].cumsum(axis=1), wrong[:, :-1].cumsum(axis=1)


def promised(world, rows, target, draws=DRAWS):
    """The true precision and coverage, [grid], and which threshold each draw of labelled rows chooses."""
    generator = np.random.default_rng([rows, round(100 * target), WORLDS.index(world)])
    scores, chances = world(generator, 200_000)
    order = np.argsort(-scores)
    above = np.searchsorted(-scores[order], -GRID, side="right")
    true = np.append(0, chances[order].cumsum())[above] / np.maximum(above, 1)
    scores, chances = world(generator, (draws, rows))
    kept = certified(*tallied(scores, generator.random(scores.shape) < chances), target, rows)
    chosen = np.where(kept.any(axis=1), kept.shape[1] - 1 - kept[:, ::-1].argmax(axis=1), -1)
    return true, above / len(order), chosen


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(("rows", "target"), [(150, 0.9), (600, 0.95), (600, 0.97), (2000, 0.95)])
def test_the_promise_is_kept_in_95_of_100_draws(world, rows, target):
    true, _, chosen = promised(world, rows, target)
    broken = int(((chosen >= 0) & (true[chosen] < target - 1e-3)).sum())
    assert binomtest(broken, DRAWS, 0.05, alternative="greater").pvalue > 0.001, broken / DRAWS


def test_most_of_what_could_be_answered_is():
    for rows, share in ((600, 0.58), (2000, 0.85)):
        true, covered, chosen = promised(calibrated, rows, 0.95, draws=200)
        possible = covered[true >= 0.95].max()
        assert np.where(chosen >= 0, covered[chosen], 0).mean() > share * possible


def test_the_interval_of_the_coverage_covers():
    _, covered, chosen = promised(calibrated, 400, 0.9)
    generator = np.random.default_rng(5)
    scores, _ = calibrated(generator, (DRAWS, 400))
    # Whichever threshold is taken: here the one at which the draw's coverage is furthest from the truth.
    answered = tallied(scores, scores > 2)[0]
    furthest = np.abs(answered / 400 - covered).argmax(axis=1)
    ends = [coverage(int(answered[draw, place]), 400) for draw, place in enumerate(furthest)]
    holds = [end.low <= covered[place] <= end.high for end, place in zip(ends, furthest, strict=True)]
    assert np.mean(holds) > 0.93
    assert (chosen >= 0).mean() > 0.9


def test_counts_of_one_answer_a_row_are_those_of_all_draws_at_once():
    generator = np.random.default_rng(0)
    scores, chances = calibrated(generator, (3, 200))
    right = generator.random((3, 200)) < chances
    for draw, expected in enumerate(zip(*tallied(scores, right), strict=True)):
        np.testing.assert_array_equal(counts(scores[draw], right[draw]), expected)


def test_of_several_answers_of_a_row_one_is_drawn():
    """Rows are independent, answers are not: 30 rows with 10 equal answers each are 30 pieces of evidence."""
    scores = np.full((30, 10), 0.8)
    scores[:, 5:] = -1
    right = np.repeat(np.arange(30) % 2 == 0, 10).reshape(30, 10)
    answered, wrong = counts(scores, right)
    assert (answered.max(), wrong.max()) == (30, 15)
    generator = np.random.default_rng(1)
    scores, right = generator.random((20_000, 4)), generator.random((20_000, 4)) < [1.0, 0.0, 1.0, 1.0]
    answered, wrong = counts(scores, right)
    at = int(np.abs(GRID - 0.5).argmin())
    assert answered[at] / 20_000 == pytest.approx(1 - 0.5**4, abs=0.01)
    assert wrong[at] / answered[at] == pytest.approx(0.25, abs=0.01)
    assert wrong[-1] / answered[-1] == pytest.approx(0.25, abs=0.01)


def test_a_threshold_says_what_it_rests_on():
    scores = np.linspace(0.5, 0.999, 400)
    right = scores > 0.7
    found = find_threshold(scores, right, Target(precision=0.9))
    assert found.least is not None
    assert found.least < 0.7
    assert found.answered == (scores >= found.least).sum()
    assert found.right == right[scores >= found.least].sum()
    assert found.coverage == found.answered / 400
    assert "precision ≥ 0.9" in found.sentence
    assert "need no person" in found.sentence


def test_where_no_threshold_reaches_the_target_everything_goes_to_a_person():
    few = fewest(0.97, 0.05) - 1
    found = find_threshold(np.full(few, 0.99), np.ones(few), Target(precision=0.97))
    assert found.least is None
    assert (found.answered, found.coverage_high) == (0, 0)
    assert "everything goes to a person" in found.sentence
    assert find_threshold(np.full(few + 1, 0.99), np.ones(few + 1), Target(precision=0.97)).least is not None
    assert find_threshold([], [], Target(precision=0.5)).least is None


def test_costs_choose_the_cheapest_of_the_thresholds_that_keep_the_promise():
    generator = np.random.default_rng(0)
    scores = expit(generator.normal(2.5, 2, 5000))
    right = generator.random(5000) < scores
    found = find_threshold(scores, right, Target(error_cost=10, review_cost=1))
    loosest = find_threshold(scores, right, Target(precision=0.9))
    # On average 90% suffice; at the margin, where the score itself is 0.9, a person becomes cheaper.
    assert found.least == pytest.approx(0.9, abs=0.03)
    assert loosest.least is not None
    assert loosest.least < 0.8
    wrong = found.answered - found.right
    assert found.cost == pytest.approx((10 * wrong + 5000 - found.answered) / 5000)
    assert found.cost < 1
    assert "a row, 1 without a model" in found.sentence


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "a target is a precision, or"),
        ({"precision": 0.9, "error_cost": 3.0}, "a target is a precision, or"),
        ({"precision": 1.0}, "cannot be promised"),
        ({"precision": float("nan")}, "cannot be promised"),
        ({"error_cost": 3.0}, "one cost alone"),
        ({"error_cost": 1.0, "review_cost": 2.0}, "nothing to weigh"),
        ({"error_cost": float("inf"), "review_cost": 2.0}, "nothing to weigh"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(given, message):
    with pytest.raises(OptionError, match=message):
        Target(**given)
