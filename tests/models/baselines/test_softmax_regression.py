"""Logistic regression: as scikit-learn's, bounded in memory, and ended by the clock with the best so far."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
import warnings

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import chi2
from sklearn.linear_model import LogisticRegression

from textgraft.models.baselines import softmax_regression
from textgraft.models.baselines.linear import fit_linear
from textgraft.models.baselines.softmax_regression import Clock, fit_softmax
from textgraft.models.baselines.tfidf import MAX_WEIGHTS, _association, fit_tfidf


def words_of_labels(labels: int, vocabulary: int = 6000) -> np.ndarray:
    """Return four rare words for each label, [labels, 4]."""
    return np.random.default_rng(0).integers(vocabulary // 20, vocabulary, (labels, 4))


def rows_of_many_labels(
    labels: int, rows: int, seed: int, vocabulary: int = 6000
) -> tuple[list[str], np.ndarray]:
    """Return texts of twelve words, a quarter of them from the label's own."""
    common = 1 / np.arange(1, vocabulary + 1)
    own = words_of_labels(labels, vocabulary)
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, labels, rows)
    words = rng.choice(vocabulary, (rows, 12), p=common / common.sum())
    mine = own[gold][np.arange(rows)[:, None], rng.integers(0, 4, (rows, 12))]
    chosen = np.where(rng.random((rows, 12)) < 0.25, mine, words)
    return [" ".join(f"w{word}" for word in row) for row in chosen], gold


def weighted(labels: int, rows: int) -> tuple[csr_array, np.ndarray, csr_array, np.ndarray]:
    """Return TF-IDF weights and labels of training and of other rows."""
    texts, gold = rows_of_many_labels(labels, rows, 1)
    others, other_gold = rows_of_many_labels(labels, 1000, 2)
    vectorizer = TfidfVectorizer(max_features=3000)
    train = csr_array(vectorizer.fit_transform(texts))
    return train, gold, csr_array(vectorizer.transform(others)), other_gold


@pytest.mark.parametrize("c", [1.0, 10.0, 100.0])
def test_both_ways_score_as_scikit_learn_does(monkeypatch, c):
    train, gold, test, test_gold = weighted(60, 3000)
    reference = LogisticRegression(C=c, max_iter=1000).fit(train, gold)
    expected = (reference.predict(test) == test_gold).mean()
    for most, tolerance in ((10**9, 0.004), (0, 0.012)):
        monkeypatch.setattr(softmax_regression, "MOST_WEIGHTS_IN_FLOAT64", most)
        weight, bias = fit_softmax(train, gold, 60, c)
        assert weight.dtype == (np.float64 if most else np.float32)
        found = ((test @ weight.T + bias).argmax(axis=1) == test_gold).mean()
        assert found == pytest.approx(expected, abs=tolerance), most


@pytest.mark.parametrize("labels", [2, 5])
@pytest.mark.parametrize("is_dense", [False, True])
def test_conjugate_gradients_reach_the_optimum(monkeypatch, labels, is_dense):
    monkeypatch.setattr(softmax_regression, "LEAST_GAIN", 1e-7)
    monkeypatch.setattr(softmax_regression, "MOST_WEIGHTS_IN_FLOAT64", 0)
    monkeypatch.setattr(softmax_regression, "CELLS", 700)  # rows in several parts
    train, gold, test, _ = weighted(labels, 400)
    if is_dense:
        train, test = train.toarray(), test.toarray()
    weight, bias = fit_softmax(train, gold, labels, 5.0)
    reference = LogisticRegression(C=5.0, max_iter=5000, tol=1e-8).fit(train, gold)
    scores = test @ weight.T + bias
    chances = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(chances, reference.predict_proba(test), atol=5e-3)


@pytest.mark.parametrize("labels", [2, 5])
@pytest.mark.parametrize("spread", [0, 3])
def test_few_weights_reach_the_optimum_whatever_the_scale_of_each_feature(monkeypatch, labels, spread):
    monkeypatch.setattr(softmax_regression, "LEAST_GRADIENT", 1e-8)
    rng = np.random.default_rng(labels)
    scales = 10 ** rng.uniform(-spread, spread, 12)
    rows = rng.normal(size=(300, 12)) * scales + scales
    gold = (rows / scales @ rng.normal(size=(12, labels)) + rng.normal(size=(300, labels))).argmax(axis=1)
    weight, bias = fit_softmax(rows, gold, labels, 100.0)
    reference = LogisticRegression(C=100.0, max_iter=5000, tol=1e-10, solver="newton-cholesky")
    scores = rows @ weight.T + bias
    chances = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(chances, reference.fit(rows, gold).predict_proba(rows), atol=1e-5)


def test_features_of_half_the_precision_make_next_to_no_difference():
    train, gold, test, _ = weighted(20, 2000)
    scores = []
    for precision in (np.float64, np.float32):
        weight, bias = fit_softmax(train.toarray().astype(precision), gold, 20, 10.0)
        assert weight.dtype == np.float64
        scores.append(test @ weight.T + bias)
    np.testing.assert_allclose(scores[1], scores[0], atol=0.02)


def test_the_memory_is_a_few_tables_of_weights(monkeypatch):
    monkeypatch.setattr(softmax_regression, "CELLS", 100_000)
    train, gold, _, _ = weighted(400, 4000)
    weights = 4 * 400 * train.shape[1]
    tracemalloc.start()
    try:
        fit_softmax(train, gold, 400, 10.0)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 6.5 * weights, f"{most / weights:.1f} tables"


@pytest.mark.parametrize("problem_type", [None, "multi_label_classification"])
def test_many_labels_know_fewer_features_and_those_that_tell_them(monkeypatch, problem_type):
    assert MAX_WEIGHTS >= 20_000 * 1000, "up to a thousand labels know all of them"
    monkeypatch.setattr("textgraft.models.baselines.tfidf.MAX_WEIGHTS", 20_000)
    texts, gold = rows_of_many_labels(50, 500, 1)
    targets = gold if problem_type is None else np.eye(50)[gold]
    model, tokenizer = fit_tfidf(texts, targets, 50, problem_type=problem_type)
    assert model.config.num_features == 400
    known = set(tokenizer.convert_ids_to_tokens(model.keys[model.keys < len(tokenizer)].tolist()))
    telling = {f"w{word}" for words in words_of_labels(50) for word in words}
    assert len(known & telling) > 0.8 * len(telling)


def test_association_is_scikit_learns_chi2():
    rng = np.random.default_rng(0)
    counts = csr_array(rng.poisson(0.3, (200, 30)).astype(float))
    gold = rng.integers(0, 6, 200)
    expected, _ = chi2(counts > 0, gold)
    np.testing.assert_allclose(_association(counts, gold.tolist(), 6), expected)
    np.testing.assert_allclose(_association(counts, np.eye(6)[gold], 6), expected)


@pytest.mark.parametrize("most", [0, 10**9])
@pytest.mark.parametrize("problem_type", [None, "multi_label_classification"])
def test_the_clock_ends_it_with_what_was_learned(monkeypatch, most, problem_type):
    monkeypatch.setattr(softmax_regression, "MOST_WEIGHTS_IN_FLOAT64", most)
    train, gold, test, test_gold = weighted(20, 2000)
    targets = gold if problem_type is None else np.eye(20)[gold]
    patient, hurried = Clock(600), Clock(1e-9)
    fit_linear(train, targets, 20, 10.0, problem_type, patient)
    assert (patient.was_over, patient.stopped_by) == (False, "closed form")
    weight, bias = fit_linear(train, targets, 20, 10.0, problem_type, hurried)
    assert (hurried.was_over, hurried.stopped_by) == (True, "budget")
    assert ((test @ weight.T + bias).argmax(axis=1) == test_gold).mean() > 0.2, "one in twenty is chance"


def test_with_time_enough_a_clock_changes_nothing():
    train, gold, _, _ = weighted(10, 300)
    without, with_clock = (fit_linear(train, gold, 10, 10.0, None, clock) for clock in (None, Clock(600)))
    assert np.array_equal(without[0], with_clock[0])


def test_nothing_is_warned_of():
    rng = np.random.default_rng(0)
    twice = np.repeat(rng.normal(size=(20, 3)), 2, axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_linear(1e6 * twice, rng.integers(0, 3, 20), 3, 1e9, None)
        fit_linear(1e6 * twice, rng.normal(size=20), 1, 1e20, "regression")
        fit_linear(twice, np.ones((20, 2)), 2, 1.0, "multi_label_classification")


@pytest.mark.slow
def test_two_thousand_labels_take_less_than_a_gigabyte():
    code = """if True:
        import resource
        from tests.models.baselines.test_softmax_regression import rows_of_many_labels
        from textgraft.models.baselines.tfidf import fit_tfidf
        texts, gold = rows_of_many_labels(2000, 20_000, 1, vocabulary=30_000)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        fit_tfidf(texts, gold, 2000)
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e6)
    """
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(ended.stdout) < 0.75, "gigabytes"
