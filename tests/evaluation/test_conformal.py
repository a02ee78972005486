import numpy as np
import pytest
from mapie.classification import SplitConformalClassifier
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin

from textgraft.evaluation.conformal import MOST, Nonconformity, label_set


def world(rows, labels=20, sharpness=3.0, seed=0):
    """Probabilities of an overconfident model, and true labels."""
    generator = np.random.default_rng([rows, labels, seed])
    logits = generator.normal(0, 2, (rows, labels))
    true = softmax(logits, axis=1)
    gold = (generator.random((rows, 1)) > true.cumsum(axis=1)).sum(axis=1).clip(max=labels - 1)
    return softmax(sharpness * logits, axis=1), gold


class Given(ClassifierMixin, BaseEstimator):
    """A classifier whose inputs are its probabilities."""

    def fit(self, x, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    @property
    def classes_(self):
        return np.arange(20)

    def predict(self, x):
        return x.argmax(axis=1)

    def predict_proba(self, x):
        return x


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_sets_are_those_of_mapie(level):
    probabilities, gold = world(300, sharpness=0.8)
    new, _ = world(200, sharpness=0.8, seed=1)
    oracle = SplitConformalClassifier(Given(), confidence_level=level, conformity_score="lac", prefit=True)
    oracle.conformalize(probabilities, gold)
    expected = oracle.predict_set(new)[1][:, :, 0]
    measured = Nonconformity.of(probabilities, gold)
    assert measured is not None
    assert 1.5 < expected.sum(axis=1).mean() < 19
    for row, wanted in zip(new, expected, strict=True):
        found = label_set(row, measured.quantile(level))
        assert sorted(found) == (np.flatnonzero(wanted).tolist() or [int(row.argmax())])
        assert found == sorted(found, key=lambda place: -row[place])


@pytest.mark.parametrize(("rows", "level"), [(20, 0.9), (100, 0.95), (3000, 0.99)])
def test_the_true_label_is_in_its_set_as_often_as_asked_for(rows, level):
    """On average over draws of the rows that decide; never much more often than that either."""
    draws = 2000 if rows < 1000 else 300
    probabilities, gold = world(60_000, labels=8)
    distances = 1 - probabilities[np.arange(len(gold)), gold]
    ordered = np.sort(distances)
    generator = np.random.default_rng(2)
    covered = []
    for _ in range(draws):
        drawn = generator.integers(0, len(gold), rows)
        measured = Nonconformity.of(probabilities[drawn], gold[drawn])
        assert measured is not None
        covered.append(np.searchsorted(ordered, measured.quantile(level), side="right") / len(ordered))
    error = 3 * np.std(covered) / draws**0.5
    assert level - error < np.mean(covered) < level + 1 / (rows + 1) + 1 / MOST + error


def test_few_rows_promise_little_and_many_are_kept_as_a_thousand():
    probabilities, gold = world(9)
    few = Nonconformity.of(probabilities, gold)
    assert few is not None
    assert few.highest_level == 0.9
    assert few.quantile(0.9) == few.values[-1]
    assert few.quantile(0.91) == 1.0
    assert Nonconformity.of(np.zeros((0, 3)), []) is None
    many = Nonconformity.of(*world(5500))
    assert many is not None
    assert (many.rows, len(many.values)) == (5500, MOST)
    whole = np.sort(1 - world(5500)[0][np.arange(5500), world(5500)[1]])
    for level in (0.1, 0.5, 0.95, 0.999):
        rank = int(np.ceil(5501 * level - 1e-9))
        assert whole[rank - 1] <= many.quantile(level) <= whole[min(5499, rank + 5)]
