"""How strong a penalty is to be is chosen by what the training rows say of each other."""

import numpy as np
import pytest

from textgraft.models.baselines.softmax_regression import Clock
from textgraft.training.strength import FOLDS, STRENGTHS, choose_strength


def labelled(rows: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return points around three centres, in 20 dimensions, and their centres."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(3, size=rows)
    points = np.eye(3, 20)[labels] + noise * generator.normal(size=(rows, 20))
    return points.astype(np.float32), labels


@pytest.mark.parametrize("seed", range(3))
def test_noisy_labels_want_a_strong_penalty(seed: int) -> None:
    points, labels = labelled(300, 0.2, seed)
    flipped = np.random.default_rng(seed).random(300) < 0.4
    labels = np.where(flipped, np.random.default_rng(seed + 9).integers(3, size=300), labels)
    assert choose_strength(points, labels, 3, None, seed=seed, clock=Clock()) <= 10


def test_a_number_is_judged_by_its_squared_error() -> None:
    generator = np.random.default_rng(0)
    points = generator.normal(size=(60, 40)).astype(np.float32)
    clear, noise = points @ generator.normal(size=40), 30 * generator.normal(size=60)
    chosen = [
        choose_strength(points, targets.reshape(-1, 1), 1, "regression", seed=0, clock=Clock())
        for targets in (clear, noise)
    ]
    assert chosen == [max(STRENGTHS), min(STRENGTHS)]


def test_several_labels_a_row() -> None:
    points, labels = labelled(90, 0.1)
    targets = np.eye(3, dtype=np.float32)[labels]
    chosen = choose_strength(points, targets, 3, "multi_label_classification", seed=0, clock=Clock())
    assert chosen in STRENGTHS


def test_too_few_rows_for_folds_get_the_first() -> None:
    points, labels = labelled(2 * FOLDS - 1, 0.1)
    assert choose_strength(points, labels, 3, None, seed=0, clock=Clock()) == STRENGTHS[0]


def test_the_choice_is_repeatable_and_rows_beyond_a_thousand_are_drawn() -> None:
    points, labels = labelled(1_500, 1.0)
    first, second = (choose_strength(points, labels, 3, None, seed=1, clock=Clock()) for _ in range(2))
    assert first == second
