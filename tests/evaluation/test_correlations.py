from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import r2_score, root_mean_squared_error

from textgraft.evaluation import correlations
from textgraft.evaluation.correlations import ranks, weighted_regression_metrics


def reference(gold, predicted):
    """Score by scipy and scikit-learn; an undefined correlation is 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # scikit-learn's mean of three times 0.1 is not 0.1, so that it sees a spread where there is none.
        constant = len(set(gold)) == 1
        found = {
            "spearman": stats.spearmanr(gold, predicted).statistic,
            "pearson": stats.pearsonr(gold, predicted).statistic,
            "r2": float(np.array_equal(gold, predicted)) if constant else r2_score(gold, predicted),
            "negative_rmse": -root_mean_squared_error(gold, predicted),
        }
    return {name: 0.0 if np.isnan(value) else float(value) for name, value in found.items()}


def one(gold, predicted):
    values = weighted_regression_metrics(gold, predicted, np.ones((len(gold), 1), dtype=np.float32))
    return {name: float(value[0]) for name, value in values.items()}


NUMBERS = st.one_of(
    st.integers(0, 3).map(float),  # many ties
    st.sampled_from([0.1, 0.25, 4.75, 1e6, -3.5]),
    st.floats(-1e4, 1e4, allow_subnormal=False).map(lambda value: round(value, 6)),
)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=40))
@settings(max_examples=400, deadline=None)
def test_equal_to_scipy_and_scikit_learn(pairs):
    gold, predicted = np.array(pairs).T
    assert one(gold, predicted) == pytest.approx(reference(gold, predicted), rel=1e-6, abs=1e-7)


@given(
    st.lists(st.tuples(NUMBERS, NUMBERS, st.lists(st.integers(0, 4), min_size=3, max_size=3)), min_size=2),
    st.sampled_from([1, 7, 2**20]),
)
@settings(max_examples=250, deadline=None)
def test_weights_count_rows_as_repeating_them_does(rows, block):
    gold, predicted = np.array([row[:2] for row in rows]).T
    weights = np.array([row[2] for row in rows], dtype=np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(correlations, "_BLOCK", block)
        values = weighted_regression_metrics(gold, predicted, weights)
    for column in range(weights.shape[1]):
        times = weights[:, column].astype(int)
        if times.sum() < 2:
            continue
        expected = reference(np.repeat(gold, times), np.repeat(predicted, times))
        found = {name: value[column] for name, value in values.items()}
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-7)


@given(st.lists(NUMBERS, min_size=1, max_size=40))
@settings(max_examples=200, deadline=None)
def test_ranks_are_those_of_scipy(values):
    found = ranks(np.array(values), np.ones((len(values), 1)))[:, 0]
    assert found.tolist() == stats.rankdata(values).tolist()


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6 / 3, -7.3e-5])
def test_constant_predictions_have_no_correlation(constant):
    found = one([1.0, 2.0, 4.0, 8.0, 9.5, 1.1, 1.2], [constant] * 7)
    assert (found["pearson"], found["spearman"]) == (0, 0)
    assert found["r2"] <= 0


def test_constant_targets():
    assert one([2.0, 2.0], [2.0, 2.0])["r2"] == 1
    assert one([2.0, 2.0], [2.0, 3.0])["r2"] == 0
    assert one([5.0], [4.0]) == {"spearman": 0, "pearson": 0, "r2": 0, "negative_rmse": -1}


def test_extreme_numbers_stay_within_floats():
    found = one([1e-200, 2e-200, 3e-200], [1e150, 2e150, 3e150])
    assert found["pearson"] == pytest.approx(1)


def test_no_rows_score_nothing():
    assert set(one([], []).values()) == {0.0}
