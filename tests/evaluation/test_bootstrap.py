import numpy as np
import pytest

from tests.evaluation.once import once
from textgraft.evaluation.bootstrap import over_seeds, percentile_interval, resampled_scores, seed_weights
from textgraft.evaluation.intervals import Estimate
from textgraft.evaluation.metrics import weighted_metrics


def scores(gold, predicted, **options):
    return resampled_scores(
        lambda answers, weights: weighted_metrics(gold, answers, 4, weights),
        list(predicted),
        len(gold),
        **options,
    )


def predictions(rng, gold, accuracies):
    """One row of predictions a model, right with the given probability."""
    wrong = (gold + rng.integers(1, 4, (len(accuracies), len(gold)))) % 4
    return np.where(rng.random(wrong.shape) < np.asarray(accuracies)[:, None], gold, wrong)


def test_the_same_seed_gives_the_same_draws_and_another_seed_others():
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 4, 50)
    predicted = predictions(rng, gold, [0.7])
    first, again, other = (scores(gold, predicted, seed=seed)["macro_f1"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_models_are_scored_on_the_same_resamples():
    rng = np.random.default_rng(1)
    gold = rng.integers(0, 4, 200)
    predicted = predictions(rng, gold, [0.7])
    draws = scores(gold, np.concatenate([predicted, predicted]))["macro_f1"]
    np.testing.assert_array_equal(draws[0], draws[1])


def test_large_test_sets_are_resampled_in_turns(monkeypatch):
    monkeypatch.setattr("textgraft.evaluation.bootstrap._MAX_WEIGHTS", 700)
    rng = np.random.default_rng(2)
    gold = rng.integers(0, 4, 100)
    draws = scores(gold, predictions(rng, gold, [0.7]), resamples=100)["accuracy"]
    assert draws.shape == (1, 100)
    assert draws.std() == pytest.approx((0.7 * 0.3 / 100) ** 0.5, rel=0.3)


def test_accuracy_spreads_as_the_binomial_says():
    rng = np.random.default_rng(3)
    gold = rng.integers(0, 4, 1000)
    predicted = predictions(rng, gold, [0.8])
    draws = scores(gold, predicted)["accuracy"][0]
    accuracy = once(weighted_metrics, gold, predicted[0], 4)["accuracy"]
    assert draws.mean() == pytest.approx(accuracy, abs=0.002)
    assert draws.std() == pytest.approx((accuracy * (1 - accuracy) / 1000) ** 0.5, rel=0.1)


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_seed_weights_give_the_unbiased_variance_of_the_mean(seeds):
    scores = np.random.default_rng(seeds).normal(size=seeds)
    weights = seed_weights(seeds, resamples=50_000)
    np.testing.assert_allclose(weights.sum(axis=0), 1)
    assert (scores @ weights).var() == pytest.approx(scores.var(ddof=1) / seeds, rel=0.05)


def test_a_single_seed_adds_no_spread():
    draws = np.random.default_rng(0).random((1, 1000))
    np.testing.assert_array_equal(over_seeds(draws), draws[0])


def test_percentile_interval_of_known_draws():
    assert percentile_interval(np.arange(1001), 500) == Estimate(500, pytest.approx(25), pytest.approx(975))
