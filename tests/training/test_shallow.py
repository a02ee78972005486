import numpy as np
import pytest

from textgraft.errors import DataError
from textgraft.training.shallow import fit_shallow


def scores(layers, encodings):
    for weight, bias in layers[:-1]:
        encodings = np.maximum(encodings @ weight.T + bias, 0)
    weight, bias = layers[-1]
    return encodings @ weight.T + bias


def blobs(rows, seed, labels=4, size=16, scale=1.0, offset=0.0):
    """Points around the same centres for every seed."""
    centres = np.random.default_rng(99).normal(size=(labels, size))
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, labels, rows)
    points = centres[targets] + 0.6 * generator.normal(size=(rows, size))
    return (points * scale + offset).astype(np.float32), targets


def rings(rows, seed):
    """Two labels that no linear layer tells apart."""
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, 2, rows)
    angle = generator.uniform(0, 2 * np.pi, rows)
    radius = np.where(targets == 1, 2.0, 0.5) + 0.1 * generator.normal(size=rows)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).astype(np.float32), targets


def accuracy(layers, encodings, targets):
    return float((scores(layers, encodings).argmax(axis=1) == targets).mean())


@pytest.mark.parametrize("hidden_size", [0, 32])
def test_learns_what_can_be_learned(hidden_size):
    (x, y), (dev_x, dev_y), (test_x, test_y) = blobs(300, 0), blobs(100, 1), blobs(500, 2)
    layers = fit_shallow(x, y, dev_x, dev_y, 4, hidden_size=hidden_size, c=10.0)
    assert [weight.shape for weight, _ in layers] == ([(32, 16), (4, 32)] if hidden_size else [(4, 16)])
    assert all(array.dtype == np.float32 for layer in layers for array in layer)
    assert accuracy(layers, test_x, test_y) > 0.95


def test_the_hidden_layer_learns_what_a_linear_one_cannot():
    (x, y), (dev_x, dev_y), (test_x, test_y) = rings(400, 0), rings(100, 1), rings(500, 2)
    linear = fit_shallow(x, y, dev_x, dev_y, 2)
    hidden = fit_shallow(x, y, dev_x, dev_y, 2, hidden_size=32)
    assert accuracy(linear, test_x, test_y) < 0.7
    assert accuracy(hidden, test_x, test_y) > 0.95


@pytest.mark.parametrize("hidden_size", [0, 8])
def test_scale_and_offset_of_the_encodings_do_not_matter(hidden_size):
    plain, moved = [
        [blobs(200, seed, scale=scale, offset=offset) for seed in (0, 1, 2)]
        for scale, offset in ((1.0, 0.0), (50.0, 30.0))
    ]
    one, other = (
        scores(fit_shallow(*x, *dev, 4, hidden_size=hidden_size, seed=3), test[0])
        for x, dev, test in (plain, moved)
    )
    np.testing.assert_allclose(one, other, atol=0.05)


@pytest.mark.parametrize("hidden_size", [0, 8])
def test_rounding_of_the_encodings_does_not_matter(hidden_size):
    (x, y), (dev_x, dev_y), (test_x, test_y) = blobs(300, 0), blobs(100, 1), blobs(500, 2)
    noisy = x + (x * np.random.default_rng(0).uniform(-0.004, 0.004, x.shape)).astype(np.float32)
    one, other = (fit_shallow(given, y, dev_x, dev_y, 4, hidden_size=hidden_size) for given in (x, noisy))
    assert abs(accuracy(one, test_x, test_y) - accuracy(other, test_x, test_y)) <= 0.01


def test_agrees_with_logistic_regression_of_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    x, y = blobs(300, 0)
    x = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0).sum())
    expected = LogisticRegression(C=5.0, tol=1e-6, max_iter=2000).fit(x, y).decision_function(x)
    found = scores(fit_shallow(x, y, x[:0], y[:0], 4, c=5.0), x)
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_two_labels_give_two_opposite_logits():
    x, y = blobs(100, 0, labels=2)
    found = scores(fit_shallow(x, y, x, y, 2), x)
    assert found.shape == (100, 2)
    np.testing.assert_allclose(found[:, 0], -found[:, 1], atol=1e-5)
    assert (found.argmax(axis=1) == y).mean() > 0.95


def test_labels_without_rows_are_never_predicted_and_one_label_always_is():
    x, y = blobs(100, 0, labels=2)
    assert set(scores(fit_shallow(x, y + 1, x, y + 1, 4), x).argmax(axis=1)) == {1, 2}
    assert set(scores(fit_shallow(x, y * 0 + 2, x, y * 0 + 2, 4), x).argmax(axis=1)) == {2}


def test_the_seed_decides():
    (x, y), (dev_x, dev_y) = blobs(200, 0), blobs(50, 1)
    first, again, other = (
        fit_shallow(x, y, dev_x, dev_y, 4, hidden_size=8, seed=seed)[0][0] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_constant_encodings_are_survived():
    layers = fit_shallow(np.ones((10, 4), "f"), [0, 1] * 5, np.ones((2, 4), "f"), [0, 1], 2)
    assert np.isfinite(scores(layers, np.ones((1, 4), "f"))).all()


def test_no_rows_and_numbers_that_are_none():
    with pytest.raises(DataError, match="no row"):
        fit_shallow(np.zeros((0, 4), "f"), [], np.zeros((0, 4), "f"), [], 2)
    with pytest.raises(DataError, match="not finite"):
        fit_shallow(np.full((2, 4), np.nan, "f"), [0, 1], np.zeros((0, 4), "f"), [], 2)


@pytest.mark.parametrize("hidden_size", [0, 32])
def test_label_sets_and_numbers_are_learned(hidden_size):
    x, y = blobs(400, seed=0)
    dev_x, dev_y = blobs(100, seed=1)
    sets, dev_sets = ([[float(label == 1), float(label > 1)] for label in part] for part in (y, dev_y))
    options = {"hidden_size": hidden_size, "c": 10.0}
    layers = fit_shallow(x, sets, dev_x, dev_sets, 2, problem_type="multi_label_classification", **options)
    assert ((scores(layers, dev_x) > 0) == np.array(dev_sets)).mean() > 0.95
    numbers, dev_numbers = (np.array(part, dtype=np.float64) - 1.5 for part in (y, dev_y))
    layers = fit_shallow(x, numbers, dev_x, dev_numbers, 1, problem_type="regression", **options)
    assert np.corrcoef(scores(layers, dev_x)[:, 0], dev_numbers)[0, 1] > 0.8
