import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binomtest

from textgraft.evaluation.cascades import (
    answering_part,
    fewest_rows,
    find_least,
    lost_and_gained,
    not_worse,
    worse_p_value,
)
from textgraft.evaluation.intervals import left_out_scores
from textgraft.evaluation.paired import paired_change
from textgraft.evaluation.selective import GRID

DRAWS = 1000


def helpful(generator, shape):
    """Confidences tell where the first model is right; the last one is better where it is unsure."""
    scores = expit(generator.normal(1.5, 2.0, (1, *shape)))
    right = generator.random((2, *shape)) < np.stack([scores[0], 0.75 + 0.22 * scores[0]])
    return scores, right


def overconfident(generator, shape):
    """Surest answers are worse than the last model's, by far."""
    scores = expit(generator.normal(2.5, 2.0, (1, *shape)))
    right = generator.random((2, *shape)) < np.stack([0.5 + 0.4 * scores[0], np.full(shape, 0.93)])
    return scores, right


def telling_nothing(generator, shape):
    """Every answer of the first model is worse by a share that just cannot be tolerated, if all are given."""
    scores = generator.random((1, *shape))
    lost, gained = 0.05, 0.0299
    drawn = generator.random(shape)
    last_only, first_only = drawn < lost, (drawn >= lost) & (drawn < lost + gained)
    both = ~last_only & ~first_only & (generator.random(shape) < 0.9)
    return scores, np.stack([first_only | both, last_only | both])


def of_three(generator, shape):
    """The second model stands between the others."""
    ease = generator.normal(1.5, 2.0, shape)
    scores = expit(np.stack([ease, ease + generator.normal(0.5, 1.0, shape)]))
    right = generator.random((3, *shape)) < np.stack([scores[0], scores[1], 0.8 + 0.18 * scores[0]])
    return scores, right


WORLDS = (helpful, overconfident, telling_nothing, of_three)


def chosen_places(world, rows, tolerance, draws=DRAWS):
    """For each draw of labelled rows the place of the threshold that is chosen, -1 for none."""
    generator = np.random.default_rng([rows, WORLDS.index(world)])
    kept = not_worse(*lost_and_gained(*world(generator, (draws, rows))), rows, tolerance)
    return kept.sum(axis=1) - 1


def true_differences(world, rows=200_000):
    """What the chain's share of right answers is above the last model's at each threshold, [grid]."""
    generator = np.random.default_rng(99)
    lost, gained = lost_and_gained(*world(generator, (rows,)))
    return (gained - lost) / rows


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("rows", [200, 600])
def test_no_more_is_lost_than_is_tolerated_in_95_of_100_draws(world, rows):
    chosen = chosen_places(world, rows, 0.02)
    true = true_differences(world)
    broken = int(((chosen >= 0) & (true[chosen] < -0.02 - 5e-4)).sum())
    assert binomtest(broken, len(chosen), 0.05, alternative="greater").pvalue > 0.001, broken


@pytest.mark.parametrize("rows", [160, 300, 1000, 3000])
@pytest.mark.parametrize("gained", [0.0, 0.01, 0.05, 0.1])
@pytest.mark.parametrize("tolerance", [0.02, 0.05])
def test_the_test_holds_its_level_at_the_edge(rows, gained, tolerance):
    generator = np.random.default_rng(rows)
    counts = generator.multinomial(
        rows, [gained + tolerance, gained, 1 - 2 * gained - tolerance], size=20_000
    )
    rejected = (worse_p_value(counts[:, 0], counts[:, 1], rows, tolerance) <= 0.05).mean()
    assert rejected <= 0.0555  # twice the deviation of a simulation, and what a normal distribution is off


def test_most_of_what_may_be_answered_by_the_first_model_is():
    true = true_differences(helpful)
    possible = int(np.flatnonzero(true >= -0.02).max())
    generator = np.random.default_rng(0)
    sure = helpful(generator, (200_000,))[0][0]
    for rows, share in ((300, 0.4), (2000, 0.8)):
        chosen = chosen_places(helpful, rows, 0.02, 100)
        answered = [np.mean(sure >= GRID[place]) if place >= 0 else 0.0 for place in chosen]
        assert np.mean(answered) > share * np.mean(sure >= GRID[possible]), rows


def accuracy(given, weights):
    return {"accuracy": given.astype(np.float64) @ weights / weights.sum(axis=0)}


def test_the_difference_is_covered_on_rows_that_chose_nothing_and_is_not_on_those_that_did():
    """A chain is the loosest whose loss on the rows is tolerated: there it looks better than it is."""
    generator, rows, draws = np.random.default_rng(3), 250, 300
    true = true_differences(overconfident)
    held, errors = {"chosen": 0, "others": 0}, {"chosen": [], "others": []}
    for _ in range(draws):
        scores, right = overconfident(generator, (2 * rows,))
        least = find_least(scores[:, :rows], right[:, :rows], 0.03)
        if least is None:
            for kind in held:
                held[kind] += 1
            continue
        truth = true[int(np.flatnonzero(least == GRID)[0])]
        for kind, part in (("chosen", slice(None, rows)), ("others", slice(rows, None))):
            own = right[:, part]
            chain = own[answering_part(scores[:, part], least), np.arange(rows)]
            left_out = left_out_scores(accuracy, [chain, own[-1]], rows)["accuracy"]
            value = chain.mean() - own[-1].mean()
            difference, _ = paired_change(value, left_out[0] - left_out[1], rows)
            held[kind] += difference.low <= truth <= difference.high
            errors[kind].append(value - truth)
    assert held["others"] / draws >= 0.93
    deviation = np.std(errors["others"]) / len(errors["others"]) ** 0.5
    assert abs(np.mean(errors["others"])) < 3 * deviation
    assert np.mean(errors["chosen"]) > 5 * deviation, "the rows that chose it flatter it"


def test_counts_are_those_of_asking_the_models_in_turn():
    generator = np.random.default_rng(0)
    scores, right = of_three(generator, (60,))
    lost, gained = lost_and_gained(scores, right)
    for place in (0, 150, 250, 300, len(GRID) - 1):
        chain = []
        for row in range(60):
            by = next((part for part in (0, 1) if scores[part, row] >= GRID[place]), 2)
            chain.append(right[by, row])
        assert lost[place] == sum(b and not a for a, b in zip(chain, right[2], strict=True))
        assert gained[place] == sum(a and not b for a, b in zip(chain, right[2], strict=True))
    together = lost_and_gained(*(np.stack([one, one[:, ::-1]], axis=1) for one in (scores, right)))
    np.testing.assert_array_equal(together, [[lost, lost], [gained, gained]])


def test_an_equal_model_answers_everything_and_a_hopeless_one_nothing():
    scores = np.linspace(0.3, 0.9, 400)[None]
    equal = np.ones((2, 400), dtype=bool)
    assert find_least(scores, equal, 0.02) == 0
    least = find_least(scores, np.stack([~equal[0], equal[0]]), 0.02)
    assert (scores >= least).sum() <= 4, "what is lost on a hundredth of the rows is tolerated"
    few = fewest_rows(0.02)
    assert few == 149
    assert find_least(scores[:, :few], equal[:, :few], 0.02) == 0
    assert find_least(scores[:, : few - 1], equal[:, : few - 1], 0.02) is None


def test_where_no_answer_is_sure_enough_there_is_no_chain():
    """A threshold that lets nobody answer loses nothing, and gains nothing."""
    right = np.stack([np.zeros(400, dtype=bool), np.ones(400, dtype=bool)])
    assert find_least(np.full((1, 400), 0.4), right, 0.02) is None
