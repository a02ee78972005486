"""Reliability diagrams, and calibration errors that are more than chance."""

import numpy as np
import pytest

from textgraft.evaluation.calibration import expected_calibration_error
from textgraft.evaluation.reliability import reliability


def drawn(rng, rows, sharpen=1.0):
    """Draw confidences and rights; confidences are ``sharpen`` times as far from even odds as is true."""
    logit = rng.normal(1.5, 1.2, rows)
    return 1 / (1 + np.exp(-sharpen * logit)), rng.random(rows) < 1 / (1 + np.exp(-logit))


@pytest.mark.parametrize("rows", [40, 400])
def test_a_calibrated_model_is_rarely_called_off(rows):
    rng = np.random.default_rng(0)
    found = [reliability(*drawn(rng, rows), seed=seed) for seed in range(300)]
    assert sum(one.is_off for one in found) <= 25  # of 300 at 5%: more with a probability of 0.5%
    assert np.mean([one.by_chance for one in found]) == pytest.approx(
        np.mean([one.error for one in found]), rel=0.1
    )


def test_a_model_that_is_too_sure_is_found_out():
    rng = np.random.default_rng(1)
    found = reliability(*drawn(rng, 600, sharpen=3))
    assert found.is_off
    assert found.bins[2].right.high < found.bins[2].confidence or found.bins[-1].right.high < 1


def test_bins_are_of_equal_rows_and_their_intervals_cover():
    rng = np.random.default_rng(2)
    covered = total = 0
    for seed in range(150):
        confidence, right = drawn(rng, 300)
        found = reliability(confidence, right, seed=seed)
        assert [one.rows for one in found.bins] == [30] * 10
        assert found.error == expected_calibration_error(confidence, right)
        covered += sum(one.right.low <= one.confidence <= one.right.high for one in found.bins)
        total += len(found.bins)
    assert 0.935 <= covered / total <= 0.985
    one = reliability([0.7], [True])
    assert (len(one.bins), one.bins[0].rows) == (1, 1)
