import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from textgraft.evaluation.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    brier_score,
    expected_calibration_error,
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
    assert fit_temperature(perfect, [0, 1, 2, 0]) == pytest.approx(MIN_TEMPERATURE, rel=0.02)
    assert fit_temperature(perfect, [1, 2, 0, 2]) == pytest.approx(MAX_TEMPERATURE, rel=0.02)
    assert fit_temperature(np.zeros((0, 3)), []) == 1.0


def test_loss_equals_scikit_learn():
    logits, gold = calibrated(rows=200)
    expected = sklearn_log_loss(gold, softmax(logits, axis=1), labels=range(4))
    assert log_loss(logits, gold) == pytest.approx(expected)


def test_calibration_error_of_known_bins():
    # Two bins of two rows: confidence 0.6 against accuracy 0.5, confidence 0.9 against accuracy 1.
    error = expected_calibration_error([0.9, 0.6, 0.9, 0.6], [True, False, True, True], bins=2)
    assert error == pytest.approx(0.5 * 0.1 + 0.5 * 0.1)
    assert expected_calibration_error([], []) == 0.0


def test_brier_of_two_labels_is_twice_scikit_learns():
    probabilities = np.array([0.1, 0.6, 0.8])
    both = np.stack([1 - probabilities, probabilities], axis=1)
    assert brier_score(both, [0, 1, 0]) == pytest.approx(2 * brier_score_loss([0, 1, 0], probabilities))
