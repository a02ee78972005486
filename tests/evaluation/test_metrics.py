import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef
from sklearn.metrics import confusion_matrix as sklearn_confusion_matrix

from tests.evaluation.once import once
from textgraft.evaluation.metrics import (
    confusion_matrix,
    weighted_accuracy,
    weighted_metrics,
    weighted_multi_label_metrics,
    weighted_pair_metrics,
)

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
    assert once(weighted_metrics, gold, predicted, NUM_LABELS) == pytest.approx(
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
    assert once(weighted_metrics, [0, 1], [0, 1], 100)["macro_f1"] == 1.0


def test_no_rows_score_nothing():
    assert once(weighted_metrics, [], [], 3) == {"accuracy": 0.0, "macro_f1": 0.0, "weighted_f1": 0.0}


@given(rows)
def test_confusion_matrix_equals_scikit_learn(pairs):
    gold, predicted = map(list, zip(*pairs, strict=True))
    expected = sklearn_confusion_matrix(gold, predicted, labels=range(NUM_LABELS))
    np.testing.assert_array_equal(confusion_matrix(gold, predicted, NUM_LABELS), expected)


LABEL = st.integers(0, 2)


@given(st.lists(st.tuples(LABEL, LABEL), min_size=1, max_size=30), LABEL)
@settings(max_examples=300, deadline=None)
def test_pair_metrics_equal_scikit_learn(pairs, positive):
    gold, predicted = np.array(pairs).T
    weights = np.ones((len(pairs), 1), dtype=np.float32)
    values = weighted_pair_metrics(gold, predicted, 3, positive, weights)
    found = {name: float(value[0]) for name, value in values.items()}
    assert found == pytest.approx(
        {
            "accuracy": accuracy_score(gold, predicted),
            "macro_f1": f1_score(gold, predicted, average="macro", zero_division=0),
            "f1": f1_score(gold == positive, predicted == positive, zero_division=0),
            "matthews": matthews_corrcoef(gold, predicted),
        },
        abs=1e-6,
    )
    accuracy = weighted_accuracy(gold, predicted, weights)["accuracy"]
    assert float(accuracy[0]) == pytest.approx(found["accuracy"])


SETS = st.sets(st.integers(0, 3)).map(sorted)


def indicators(sets):
    return np.array([[label in row for label in range(4)] for row in sets], dtype=int)


@given(st.lists(st.tuples(SETS, SETS), min_size=1, max_size=30))
@settings(max_examples=300, deadline=None)
def test_multi_label_metrics_equal_scikit_learn(rows):
    gold, predicted = [row[0] for row in rows], [row[1] for row in rows]
    weights = np.ones((len(rows), 1), dtype=np.float32)
    values = weighted_multi_label_metrics(gold, predicted, 4, weights)
    y, guess = indicators(gold), indicators(predicted)
    assert {name: float(value[0]) for name, value in values.items()} == pytest.approx(
        {
            "micro_f1": f1_score(y, guess, average="micro", zero_division=0),
            "macro_f1": f1_score(y, guess, average="macro", zero_division=0),
            "subset_accuracy": accuracy_score(y, guess),
        },
        abs=1e-6,
    )


@given(st.lists(st.tuples(SETS, SETS, LABEL, LABEL, st.lists(st.integers(0, 3), min_size=4, max_size=4))))
@settings(max_examples=200, deadline=None)
def test_weights_repeat_rows_in_every_metric(rows):
    weights = np.array([row[4] for row in rows], dtype=np.float32).reshape(-1, 4)
    labels = [row[2] for row in rows], [row[3] for row in rows]
    sets = [row[0] for row in rows], [row[1] for row in rows]
    weighted = (
        weighted_pair_metrics(*labels, 3, 1, weights),
        weighted_accuracy(*labels, weights),
        weighted_multi_label_metrics(*sets, 4, weights),
    )
    for column in range(4):
        at = np.repeat(np.arange(len(rows)), weights[:, column].astype(int))
        ones = np.ones((len(at), 1), dtype=np.float32)
        some_labels = [[part[row] for row in at] for part in labels]
        some_sets = [[part[row] for row in at] for part in sets]
        repeated = (
            weighted_pair_metrics(*some_labels, 3, 1, ones),
            weighted_accuracy(*some_labels, ones),
            weighted_multi_label_metrics(*some_sets, 4, ones),
        )
        for expected, found in zip(repeated, weighted, strict=True):
            assert {name: value[column] for name, value in found.items()} == pytest.approx(
                {name: value[0] for name, value in expected.items()}, abs=1e-6
            )


def test_a_row_without_a_prediction_is_wrong_and_counts_for_no_label():
    ones = np.ones((6, 1), dtype=np.float32)
    gold, predicted = [0, 0, 1, 1, 2, 2], [0, -1, 1, 1, 2, -1]
    found = {name: values[0] for name, values in weighted_metrics(gold, predicted, 3, ones).items()}
    assert found["accuracy"] == pytest.approx(4 / 6)
    # Precision 1 everywhere; recall 1/2, 1, 1/2.
    assert found["macro_f1"] == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)
    assert confusion_matrix(gold, predicted, 3).tolist() == [[1, 0, 0], [0, 2, 0], [0, 0, 1]]
