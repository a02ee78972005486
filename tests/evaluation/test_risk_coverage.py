"""The risk–coverage curve and its area."""

import numpy as np
import pytest

from textgraft.evaluation.risk_coverage import risk_coverage


def test_against_the_definition():
    curve = risk_coverage([0.9, 0.4, 0.8, 0.6], [0, 1, 1, 0])
    assert curve.coverage == [0.25, 0.5, 0.75, 1.0]
    assert curve.risk == pytest.approx([0, 1 / 2, 1 / 3, 2 / 4])
    assert curve.area.value == pytest.approx(np.mean([0, 1 / 2, 1 / 3, 2 / 4]))
    assert curve.best == pytest.approx(0.5 * 0 + 0.5 * 0.5)
    assert curve.random == 0.5


def test_rows_of_equal_confidence_are_answered_together():
    curve = risk_coverage([0.9, 0.5, 0.5, 0.5], [0, 1, 0, 0])
    assert curve.coverage == [0.25, 1.0]
    assert curve.area.value == pytest.approx(0.75 * 0.25)
    assert risk_coverage([0.5, 0.5], [0, 1]) is None
    assert risk_coverage([0.5], [0]) is None


def test_the_interval_of_the_area_covers():
    rng = np.random.default_rng(0)

    def draw(rows):
        confidence = rng.beta(3, 1, rows)
        return confidence, (rng.random(rows) > confidence).astype(float)

    confidence, loss = draw(1_000_000)
    true = (loss[np.argsort(-confidence)].cumsum() / np.arange(1, 1_000_001)).mean()
    found = [risk_coverage(*draw(250)).area for _ in range(300)]
    covered = np.mean([one.low <= true <= one.high for one in found])
    assert 0.92 <= covered <= 0.99


def test_a_model_without_errors_leaves_room():
    curve = risk_coverage(np.linspace(0.5, 1, 50), np.zeros(50))
    assert curve.area.value == 0
    assert 0 < curve.area.high < 0.15
