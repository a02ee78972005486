"""Unknown texts are told by both figures together, and of known ones a promised share is kept."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from textgraft.evaluation.unknown import Strangeness


def world(rows, seed=0, *, odds=2.0, near=0.7):
    """Probabilities of three labels and cosines, which have something to do with each other."""
    generator = np.random.default_rng([rows, seed])
    common = generator.normal(size=rows)
    highest = expit(odds + common + generator.standard_t(4, rows)).clip(0.34, 1.0)
    probabilities = np.stack([highest, 0.6 * (1 - highest), 0.4 * (1 - highest)], axis=1)
    return probabilities, np.clip(near + 0.03 * common + 0.1 * generator.normal(size=rows), -1, 1)


@pytest.mark.parametrize(("rows", "level"), [(20, 0.9), (100, 0.95), (1500, 0.99)])
def test_the_promised_share_of_known_texts_is_kept(rows, level):
    """On average over draws of the dev rows; and hardly more of them."""
    draws = 600
    probabilities, nearness = world(20_000)
    generator = np.random.default_rng(1)
    kept = []
    for _ in range(draws):
        drawn = generator.integers(0, len(nearness), rows)
        measured = Strangeness.of(probabilities[drawn], nearness[drawn])
        assert measured is not None
        found = measured.values(probabilities, nearness)
        kept.append(np.mean(found <= measured.measured.quantile(level)))
    error = 3 * np.std(kept) / draws**0.5
    assert level - error < np.mean(kept) < level + 1 / (rows + 1) + 1 / 1000 + error


def test_both_figures_tell_more_than_either():
    measured = Strangeness.of(*world(400))
    assert measured is not None
    (known, near), (strange, far) = world(2000, 1), world(2000, 2, odds=0.0, near=0.6)
    is_unknown = np.repeat([False, True], 2000)
    together = roc_auc_score(is_unknown, measured.values(np.vstack([known, strange]), np.append(near, far)))
    by_score = roc_auc_score(is_unknown, -np.append(known.max(axis=1), strange.max(axis=1)))
    by_distance = roc_auc_score(is_unknown, -np.append(near, far))
    assert together > max(by_score, by_distance) + 0.02


def test_each_figure_counts_in_its_own_spread():
    probabilities, nearness = world(300)
    measured = Strangeness.of(probabilities, nearness)
    wider = Strangeness.of(probabilities, 0.01 * nearness + 0.9)
    assert measured is not None
    assert wider is not None
    np.testing.assert_allclose(
        measured.values(probabilities, nearness), wider.values(probabilities, 0.01 * nearness + 0.9)
    )
    assert abs(np.median(measured.values(probabilities, nearness)) - 0.5) < 0.1


def test_rows_alike_and_certain_have_a_strangeness():
    certain = np.array([[1.0, 0.0]] * 30, dtype=np.float32)
    measured = Strangeness.of(certain, np.ones(30))
    assert measured is not None
    assert np.isfinite(measured.values(certain, np.ones(30))).all()
    assert (measured.values(certain, np.zeros(30)) > measured.measured.quantile(0.9)).all()
    assert Strangeness.of(np.zeros((0, 2)), []) is None
