import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, ttest_1samp

from textgraft.evaluation.intervals import resampled_scores
from textgraft.evaluation.metrics import weighted_metrics
from textgraft.evaluation.paired import holm, paired_test


def test_holm_on_a_worked_example():
    # Four hypotheses: 0.005 * 4, then 0.01 * 3, then 0.03 * 2, then 0.04 raised to stay in order.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_lies_between_the_raw_values_and_bonferroni(p_values):
    adjusted = holm(p_values)
    for raw, value in zip(p_values, adjusted, strict=True):
        assert raw <= value <= min(1.0, raw * len(p_values)) + 1e-12
    order = np.argsort(p_values, kind="stable")
    assert all(np.diff(np.asarray(adjusted)[order]) >= 0)
    if p_values:
        assert (np.asarray(adjusted) >= false_discovery_control(p_values) - 1e-12).all()


def compare(rng, *, gap, seed_spread, rows=300, seeds=3):
    """Two models with accuracies 0.75 and 0.75 - gap, each varying with the seed, tested on shared rows."""
    gold = rng.integers(0, 4, rows)
    difficulty = rng.random(rows)  # shared: both models find the same rows hard
    accuracy = np.concatenate(
        [rng.normal(0.75, seed_spread, seeds), rng.normal(0.75 - gap, seed_spread, seeds)]
    )
    noise = rng.random((2 * seeds, rows)) * 0.4 + difficulty * 0.6
    thresholds = np.quantile(rng.random(100_000) * 0.4 + rng.random(100_000) * 0.6, np.clip(accuracy, 0, 1))
    predicted = np.where(noise < thresholds[:, None], gold, (gold + 1) % 4)
    scores = (predicted == gold).mean(axis=1)
    draws = resampled_scores(
        lambda answers, weights: weighted_metrics(gold, answers, 4, weights),
        list(predicted),
        rows,
        resamples=200,
    )["accuracy"]
    return paired_test(scores[:seeds] - scores[seeds:], draws[:seeds] - draws[seeds:])


@pytest.mark.parametrize("seed_spread", [0.0, 0.03])
def test_equal_models_are_seldom_told_apart(seed_spread):
    rng = np.random.default_rng(0)
    p_values = [compare(rng, gap=0.0, seed_spread=seed_spread).p_value for _ in range(300)]
    assert np.mean(np.asarray(p_values) < 0.05) <= 0.08


def test_a_clear_difference_is_found_and_covered():
    rng = np.random.default_rng(1)
    tests = [compare(rng, gap=0.1, seed_spread=0.01) for _ in range(100)]
    assert np.mean([test.p_value < 0.05 for test in tests]) > 0.8
    assert np.mean([test.low <= 0.1 <= test.high for test in tests]) >= 0.9


def test_where_rows_do_not_vary_it_is_the_t_test_over_seeds():
    differences = np.array([0.02, 0.05, 0.03, 0.06])
    result = paired_test(differences, np.repeat(differences[:, None], 100, axis=1))
    assert result.p_value == pytest.approx(ttest_1samp(differences, 0).pvalue)


def test_one_seed_is_judged_by_the_rows_alone():
    draws = np.random.default_rng(2).normal(0.05, 0.02, (1, 5000))
    result = paired_test([0.05], draws)
    assert result.p_value == pytest.approx(0.0124, abs=0.003)
    assert result.low == pytest.approx(0.05 - 1.96 * 0.02, abs=0.002)


def test_identical_models_do_not_differ():
    assert paired_test([0.0, 0.0], np.zeros((2, 100))).p_value == 1.0
