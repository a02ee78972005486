import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score
from sklearn.metrics import confusion_matrix as sklearn_confusion_matrix

from textgraft.evaluation.metrics import classification_metrics, confusion_matrix, weighted_metrics

NUM_LABELS = 6
rows = st.lists(
    st.tuples(st.integers(0, NUM_LABELS - 1), st.integers(0, NUM_LABELS - 1)), min_size=1, max_size=60
)


def sklearn_metrics(gold, predicted, weights=None):
    options = {"sample_weight": weights, "zero_division": 0}
    return {
        "accuracy": accuracy_score(gold, predicted, sample_weight=weights),
        "macro_f1": f1_score(gold, predicted, average="macro", **options),
        "weighted_f1": f1_score(gold, predicted, average="weighted", **options),
    }


@given(rows)
def test_equal_to_scikit_learn(pairs):
    gold, predicted = map(list, zip(*pairs, strict=True))
    assert classification_metrics(gold, predicted, NUM_LABELS) == pytest.approx(
        sklearn_metrics(gold, predicted), abs=1e-12
    )


def test_every_weighting_equals_scoring_the_repeated_rows():
    rng = np.random.default_rng(0)
    gold, predicted = rng.integers(0, NUM_LABELS, (2, 80))
    weights = rng.integers(0, 3, (80, 5)).astype(np.float32)
    scores = weighted_metrics(gold, predicted, NUM_LABELS, weights)
    for column in range(5):
        drawn = np.repeat(np.arange(80), weights[:, column].astype(int))
        expected = sklearn_metrics(gold[drawn], predicted[drawn])
        assert {name: values[column] for name, values in scores.items()} == pytest.approx(expected, abs=1e-12)


def test_labels_that_occur_nowhere_do_not_lower_the_macro_average():
    assert classification_metrics([0, 1], [0, 1], num_labels=100)["macro_f1"] == 1.0


def test_no_rows_score_nothing():
    assert classification_metrics([], [], 3) == {"accuracy": 0.0, "macro_f1": 0.0, "weighted_f1": 0.0}


@given(rows)
def test_confusion_matrix_equals_scikit_learn(pairs):
    gold, predicted = map(list, zip(*pairs, strict=True))
    expected = sklearn_confusion_matrix(gold, predicted, labels=range(NUM_LABELS))
    np.testing.assert_array_equal(confusion_matrix(gold, predicted, NUM_LABELS), expected)
