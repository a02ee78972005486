import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax
from sklearn.metrics import log_loss as sklearn_log_loss

from textgraft.evaluation.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    PRIOR_DEVIATION,
    PRIOR_ROWS,
    expected_calibration_error,
    fit_binary_temperature,
    fit_temperature,
    log_loss,
)


def calibrated(rows=20_000, labels=4, seed=0):
    """Logits whose softmax is the true distribution of the labels."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (rows, labels))
    gold = (rng.random((rows, 1)) > softmax(logits, axis=1).cumsum(axis=1)).sum(axis=1)
    return logits, np.minimum(gold, labels - 1)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_that_spoilt_the_logits_is_found(temperature):
    logits, gold = calibrated()
    assert fit_temperature(logits * temperature, gold) == pytest.approx(temperature, rel=0.04)


def test_scaling_lowers_loss_and_calibration_error_and_changes_no_prediction():
    logits, gold = calibrated(seed=1)
    sharp = logits * 3
    scaled = sharp / fit_temperature(sharp, gold)
    assert log_loss(scaled, gold) < log_loss(sharp, gold)
    before, after = (
        expected_calibration_error(p.max(axis=1), p.argmax(axis=1) == gold)
        for p in (softmax(sharp, axis=1), softmax(scaled, axis=1))
    )
    assert after < 0.02 < before
    np.testing.assert_array_equal(sharp.argmax(axis=1), scaled.argmax(axis=1))


def test_extremes_stay_finite():
    perfect = np.eye(3)[[0, 1, 2, 0]]
    assert 0.5 < fit_temperature(1e3 * perfect, [0, 1, 2, 0]) <= 1
    assert 1 < fit_temperature(1e3 * perfect, [1, 2, 0, 2]) <= MAX_TEMPERATURE
    assert fit_temperature(np.zeros((0, 3)), []) == fit_binary_temperature(np.zeros((0, 3)), []) == 1.0


def test_words_of_one_sentence_are_one_row_of_evidence():
    logits, gold = calibrated(rows=40, seed=2)
    repeated = np.repeat(3 * logits, 25, axis=0), np.repeat(gold, 25)
    once = fit_temperature(3 * logits, gold)
    assert once < fit_temperature(*repeated, rows=40) < 1.1 * once
    assert fit_temperature(*repeated) > 1.15 * once


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_one_temperature_for_independent_decisions(temperature):
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 2, (5000, 6))
    gold = rng.random(logits.shape) < expit(logits)
    assert fit_binary_temperature(logits * temperature, gold) == pytest.approx(temperature, rel=0.05)


# What scaling costs and gains.

GRID = np.linspace(np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE), 41)
AS_IT_IS = int(np.abs(GRID).argmin())
POOL, DRAWS = 2400, 60


def world(is_calibrated, labels, accuracy, scale, seed=0):
    """Logits [rows, labels] and true labels of a model of known accuracy, its confidence off by ``scale``.

    Either a temperature mends it, or its confidence tells nothing of whether it is right.
    """
    rng = np.random.default_rng([seed, labels])
    raw = rng.normal(size=(POOL, labels))
    rows = np.arange(POOL)
    if is_calibrated:
        factors = np.geomspace(0.01, 300, 60)
        means = [softmax(factor * raw[:500], axis=1).max(axis=1).mean() for factor in factors]
        logits = factors[np.abs(np.array(means) - min(accuracy, 0.9995)).argmin()] * raw
        cumulated = softmax(logits, axis=1).cumsum(axis=1)
        gold = (rng.random((POOL, 1)) > cumulated).sum(axis=1).clip(max=labels - 1)
        logits *= scale
    else:
        top = raw.argmax(axis=1)
        raw[rows, top] += scale * (rng.gamma(4, size=POOL) + np.log(labels - 1) / 2)
        others = (top + rng.integers(1, labels, POOL)) % labels
        logits, gold = raw, np.where(rng.random(POOL) < accuracy, top, others)
    return logits, logits.argmax(axis=1) if accuracy == 1 else gold


def losses_of(logits, gold):
    """Each row's loss at each temperature of the grid, and the one the model expects: [rows, grid] each."""
    own = softmax(logits, axis=1)
    found, expected = np.empty((2, len(logits), len(GRID)))
    for place, temperature in enumerate(np.exp(GRID)):
        log_probabilities = log_softmax(logits / temperature, axis=1)
        found[:, place] = -log_probabilities[np.arange(len(gold)), gold]
        expected[:, place] = -(own * log_probabilities).sum(axis=1)
    return found, expected


def chosen(found, expected, rows):
    """The place in the grid that the fit would choose, for sums of losses over dev rows [draws, grid]."""
    return (found + PRIOR_ROWS / rows * expected + (GRID / PRIOR_DEVIATION) ** 2 / 2).argmin(axis=1)


def test_the_grid_of_the_simulation_finds_what_the_fit_finds():
    step = np.exp(GRID[1] - GRID[0])
    for seed, labels in enumerate((2, 6, 24)):
        logits, gold = (part[:30] for part in world(True, labels, 0.85, 3.0, seed))
        found, expected = (part.sum(axis=0, keepdims=True) for part in losses_of(logits, gold))
        at_grid = np.exp(GRID[chosen(found, expected, 30)[0]])
        assert at_grid / step < fit_temperature(logits, gold) < at_grid * step


@pytest.mark.parametrize("labels", [2, 6, 24, 77])
@pytest.mark.parametrize("is_calibrated", [True, False])
def test_scaling_never_costs_a_hundredth_of_log_loss_and_gains_where_there_are_rows(is_calibrated, labels):
    rng = np.random.default_rng(7)
    gained, possible = dict.fromkeys((100, 500, 2000), 0.0), 0.0
    for accuracy in (0.5, 0.7, 0.85, 0.93, 0.99, 1.0):
        for scale in (0.3, 1.0, 3.0):
            found, expected = losses_of(*world(is_calibrated, labels, accuracy, scale))
            test = found[POOL // 2 :].mean(axis=0)
            possible += test[AS_IT_IS] - test.min()
            for rows in (5, 10, 20, 50, 100, 500, 2000):
                drawn = rng.integers(0, POOL // 2, (DRAWS if rows <= 100 else 10, rows))
                sums = [np.stack([part[at].sum(axis=0) for at in drawn]) for part in (found, expected)]
                cost = test[chosen(*sums, rows)].mean() - test[AS_IT_IS]
                assert cost < 0.01, (accuracy, scale, rows)
                if rows in gained:
                    gained[rows] -= cost
    assert gained[100] > 0.7 * possible
    assert gained[500] > 0.92 * possible
    assert gained[2000] > 0.95 * possible


def test_twenty_rows_without_an_error_do_not_make_a_model_certain():
    """Two labels, 93% right, calibrated: its log loss of 0.15 rose to 0.61."""
    logits, gold = world(True, 2, 0.93, 1.0)
    right = np.flatnonzero(logits.argmax(axis=1) == gold)
    rest = np.setdiff1d(np.arange(POOL), right[:20])
    temperature = fit_temperature(logits[right[:20]], gold[right[:20]])
    assert temperature > 0.6
    scaled, unscaled = (log_loss(logits[rest] / divisor, gold[rest]) for divisor in (temperature, 1.0))
    assert scaled - unscaled < 0.03


def test_loss_equals_scikit_learn():
    logits, gold = calibrated(rows=200)
    expected = sklearn_log_loss(gold, softmax(logits, axis=1), labels=range(4))
    assert log_loss(logits, gold) == pytest.approx(expected)


def test_calibration_error_of_known_bins():
    # Two bins of two rows: confidence 0.6 against accuracy 0.5, confidence 0.9 against accuracy 1.
    error = expected_calibration_error([0.9, 0.6, 0.9, 0.6], [True, False, True, True], bins=2)
    assert error == pytest.approx(0.5 * 0.1 + 0.5 * 0.1)
    assert expected_calibration_error([], []) == 0.0
