import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, norm, ttest_1samp

from tests.evaluation.once import once
from textgraft.evaluation.intervals import left_out_scores
from textgraft.evaluation.metrics import weighted_metrics
from textgraft.evaluation.paired import holm, paired_change, paired_test


def test_holm_on_a_worked_example():
    # Four hypotheses: 0.005 * 4, then 0.01 * 3, then 0.03 * 2, then 0.04 raised to stay in order.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


UNCHANGED = 0.1, 0.1 * 0.85 / 0.15
"""Fractions of right answers that become wrong and of wrong ones that become right, which cancel out."""


@pytest.mark.parametrize("rows", [40, 300])
@pytest.mark.parametrize(("broken", "mended"), [(0.12, 0.03), (0.01, 0.0), UNCHANGED])
def test_a_models_change_is_covered_and_none_is_seldom_seen(rows, broken, mended):
    """Of the accuracy, where some right answers become wrong and some wrong ones right."""
    rng, repetitions, right = np.random.default_rng(0), 500, 0.85
    true = -right * broken + (1 - right) * mended
    covered = seen = 0
    for _ in range(repetitions):
        before, draw = rng.random(rows) < right, rng.random(rows)
        after = np.where(before, draw >= broken, draw < mended)
        mean = lambda given, weights: {"accuracy": given.astype(float) @ weights / weights.sum(axis=0)}  # noqa: E731
        left_out = left_out_scores(mean, [after, before], rows)["accuracy"]
        change, p_value = paired_change(after.mean() - before.mean(), left_out[0] - left_out[1], rows)
        covered += change.low <= true <= change.high
        seen += p_value < 0.05
    assert 0.93 <= covered / repetitions <= 1
    if (broken, mended) == UNCHANGED:
        assert seen / repetitions <= 0.07  # of 500 at 5%: more with a probability of 2%


def test_without_evidence_no_change_is_told():
    change, p_value = paired_change(-0.1, np.full(10, -0.1), 0)
    assert (change.low, p_value) == (None, 1)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_lies_between_the_raw_values_and_bonferroni(p_values):
    adjusted = holm(p_values)
    for raw, value in zip(p_values, adjusted, strict=True):
        assert raw <= value <= min(1.0, raw * len(p_values)) + 1e-12
    order = np.argsort(p_values, kind="stable")
    assert all(np.diff(np.asarray(adjusted)[order]) >= 0)
    if p_values:
        assert (np.asarray(adjusted) >= false_discovery_control(p_values) - 1e-12).all()


def right_answers(rng, models, *, rows, seeds, seed_spread, accuracy=0.8):
    """For each model and seed which rows are answered rightly, [models, seeds, rows].

    All models find the same rows hard, the seeds of one model more so; its accuracy varies with the seed.
    """
    hardness = rng.normal(size=rows)
    own = rng.normal(size=(models, 1, rows))
    luck = rng.normal(size=(models, seeds, rows))
    ease = 0.6**0.5 * hardness + 0.25**0.5 * own + 0.15**0.5 * luck
    drawn = np.broadcast_to(accuracy, models)[:, None] + rng.normal(0, seed_spread, (models, seeds))
    return (ease < norm.ppf(np.clip(drawn, 0.01, 0.99))[:, :, None]).astype(np.float64)


def compare(first, second):
    """Test two models, [seeds, rows] each, in their accuracy; a part a row."""
    rows = first.shape[1]
    differences = (first - second).mean(axis=1)
    left_out = (differences[:, None] * rows - (first - second)) / (rows - 1)
    return paired_test(differences, left_out, rows)


@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
def test_equal_contenders_are_seldom_told_apart(seeds):
    """The chance of any false claim among three pairs; it was 10 to 16% with one or two seeds."""
    rng = np.random.default_rng(seeds)
    worlds = ((50, 0.01), (300, 0.005), (300, 0.015), (1000, 0.01), (1000, 0.015), (3000, 0.005))
    for rows, seed_spread in worlds:
        false = 0
        for _ in range(150):
            models = right_answers(rng, 3, rows=rows, seeds=seeds, seed_spread=seed_spread)
            pairs = [compare(*pair) for pair in itertools.combinations(models, 2)]
            false += min(holm([pair.p_value for pair in pairs])) < 0.05
        assert false / 150 <= 0.085, (rows, seed_spread)


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_clear_difference_is_found_and_covered(seeds):
    rng = np.random.default_rng(1)
    tests = [
        compare(*right_answers(rng, 2, rows=500, seeds=seeds, seed_spread=0.01, accuracy=[0.8, 0.7]))
        for _ in range(100)
    ]
    assert np.mean([test.p_value < 0.05 for test in tests]) > 0.8
    assert np.mean([test.low <= 0.1 <= test.high for test in tests]) >= 0.93


def test_equal_models_of_many_labels_are_seldom_told_apart():
    """Macro F1 at four rows a label: its bias is that of both models."""
    rng = np.random.default_rng(2)
    labels, rows = 77, 300
    false = 0
    for _ in range(150):
        gold = rng.integers(0, labels, rows)
        wrong = (gold + rng.integers(1, labels, (2, rows))) % labels
        predicted = np.where(rng.random((2, rows)) < 0.7, gold, wrong)
        left_out = left_out_scores(
            lambda answers, weights, gold=gold: weighted_metrics(gold, answers, labels, weights),
            list(predicted),
            rows,
        )["macro_f1"]
        first, second = (once(weighted_metrics, gold, one, labels)["macro_f1"] for one in predicted)
        false += paired_test([first - second], left_out[:1] - left_out[1:], rows).p_value < 0.05
    assert false / 150 <= 0.08


def test_a_few_rows_that_all_speak_for_one_model_prove_little():
    for rows, least in ((3, 0.05), (5, 0.02), (10, 1e-5)):
        assert least < compare(np.ones((1, rows)), np.zeros((1, rows))).p_value


def test_many_seeds_make_it_the_t_test_over_seeds():
    differences = np.random.default_rng(3).normal(0.01, 0.06, 60)
    result = paired_test(differences, np.repeat(differences[:, None], 100, axis=1), 1e9)
    assert result.p_value == pytest.approx(ttest_1samp(differences, 0).pvalue, abs=0.01)


def test_the_first_minus_the_second_is_minus_the_second_minus_the_first():
    rng = np.random.default_rng(4)
    first, second = right_answers(rng, 2, rows=100, seeds=2, seed_spread=0.01, accuracy=[0.8, 0.75])
    there, back = compare(first, second), compare(second, first)
    assert (there.difference, there.low, there.p_value) == pytest.approx(
        (-back.difference, -back.high, back.p_value)
    )
    assert there.low <= there.difference <= there.high


def test_identical_models_do_not_differ():
    assert paired_test([0.0, 0.0], np.zeros((2, 100)), 100).p_value == 1.0
