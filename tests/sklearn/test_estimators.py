"""The estimators do what scikit-learn's tools expect, and pass its own checks where these are about texts."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from tests.tiny import save_tiny_bert, topic_rows
from textgraft.comparison.contenders.registry import choose_contenders
from textgraft.errors import OptionError
from textgraft.sklearn import TextClassifier, TextEncoder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> str:
    return str(save_tiny_bert(tmp_path_factory.mktemp("estimators") / "tiny"))


@pytest.fixture(scope="module")
def rows() -> tuple[list[str], list[str]]:
    texts, labels = zip(*topic_rows(90), strict=True)
    return list(texts), list(labels)


def as_words(numbers: Any) -> list[str]:
    """Write each row of numbers as a text, a word a number."""
    array = np.asarray(numbers, dtype=np.float64)
    return [" ".join(f"w{at}x{round(float(value))}" for at, value in enumerate(row)) for row in array]


class _OfNumbers:
    """Lets scikit-learn's checks, which give numbers, ask an estimator of texts: numbers become words."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.one_d_array = False
        return tags


class ClassifierOfNumbers(_OfNumbers, TextClassifier):
    """A contender that reads numbers as words."""

    def fit(self, X, y):
        return super().fit(as_words(X), y)

    def predict_proba(self, X):
        return super().predict_proba(as_words(X) if not isinstance(X, list) else X)


class EncoderOfNumbers(_OfNumbers, TextEncoder):
    """An encoder that reads numbers as words."""

    def fit(self, X, y=None):
        return super().fit(as_words(X))

    def transform(self, X):
        return super().transform(as_words(X))


TEXTS_HAVE_NO_FEATURES = "texts have no number of features, and no names of features"
EXPECTED = {"check_n_features_in_after_fitting": TEXTS_HAVE_NO_FEATURES}


def expected_failures(estimator: Any) -> dict[str, str]:
    del estimator
    return EXPECTED


@parametrize_with_checks(
    [ClassifierOfNumbers(), EncoderOfNumbers(engine="torch")],
    legacy=False,
    expected_failed_checks=expected_failures,
)
def test_scikit_learns_own_checks(estimator, check, encoder):
    if isinstance(estimator, TextEncoder):
        estimator.set_params(encoder=encoder)
    check(estimator)


@parametrize_with_checks([TextClassifier(), TextEncoder()])
@pytest.mark.filterwarnings("ignore:Can't test estimator")
def test_scikit_learn_knows_that_they_read_texts(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", ["majority", "tfidf", "lstm", "bert-frozen", "bert-finetuned"])
def test_every_contender_is_a_classifier(name, rows, encoder):
    texts, labels = rows
    quick = {"epochs": 1} if name in ("lstm", "bert-finetuned") else {}
    classifier = TextClassifier(name, encoder=encoder, settings=quick).fit(texts, np.array(labels))
    assert classifier.classes_.tolist() == ["food", "space", "sport"]
    probabilities = classifier.predict_proba(texts[:7])
    assert probabilities.shape == (7, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (classifier.predict(texts[:7]) == classifier.classes_[probabilities.argmax(axis=1)]).all()
    if name == "tfidf":
        assert classifier.score(texts, labels) > 0.9


def test_names_of_contenders_are_those_of_a_comparison(rows):
    known = [contender.name for contender in choose_contenders(None, "classification")]
    with pytest.raises(OptionError) as caught:
        TextClassifier("tf-idf").fit(*rows)
    assert "tfidf" in str(caught.value)
    assert {"tfidf", "lstm", "bert-frozen", "bert-finetuned"} <= set(known)


def test_labels_may_be_numbers(rows):
    texts, labels = rows
    codes = np.unique(labels, return_inverse=True)[1] - 1
    found = TextClassifier().fit(texts, codes).predict(np.array(texts, dtype=object)[:, None])
    assert found.dtype == codes.dtype
    assert (found == codes).mean() > 0.9


def test_the_same_state_gives_the_same_model(rows, encoder):
    wanted = TextClassifier("lstm", settings={"epochs": 1}, random_state=3)
    one, other = (clone(wanted).fit(*rows).predict_proba(rows[0]) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    third = clone(wanted).set_params(random_state=4).fit(*rows).predict_proba(rows[0])
    assert np.abs(one - third).max() > 1e-4


def test_cross_validation_and_grid_search(rows):
    texts, labels = rows
    assert cross_val_score(TextClassifier(), texts, labels, cv=3).mean() > 0.8
    search = GridSearchCV(TextClassifier(), {"contender": ["majority", "tfidf"]}, cv=2)
    search.fit(texts, labels)
    assert search.best_params_ == {"contender": "tfidf"}
    assert search.predict(["the goal of the team"]) == ["sport"]


def test_a_trained_classifier_says_that_it_is_not_pickled(rows):
    model = TextClassifier().fit(*rows)
    for act in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match=r"not pickled.*textgraft\.load\(\) there"):
            act(model)


def test_an_encoder_stands_before_any_estimator(rows, encoder):
    texts, labels = rows
    line = make_pipeline(TextEncoder(encoder, engine="torch"), LogisticRegression(C=100))
    line.fit(texts, labels)
    assert line.score(texts, labels) > 0.8
    named = line[:-1].get_feature_names_out()
    assert named[:2].tolist() == ["textencoder0", "textencoder1"]
    again = pickle.loads(pickle.dumps(line))
    np.testing.assert_allclose(again.predict_proba(texts), line.predict_proba(texts), atol=1e-5)


def test_columns_of_a_table_are_chosen(rows):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": rows[0], "n": 1})
    classifier = TextClassifier().fit(frame[["text"]], rows[1])
    assert (classifier.predict(frame["text"]) == classifier.predict(rows[0])).all()
    with pytest.raises(OptionError, match="2 columns"):
        classifier.predict(frame)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"dev_fraction": 1.5}, "dev_fraction is 1.5"),
        ({"settings": {"cc": 1}}, "unknown setting of tfidf 'cc'"),
        ({"max_length": "long"}, "max_length cannot be 'long'"),
    ],
)
def test_wrong_parameters_are_told_when_it_is_trained(change, told, rows):
    with pytest.raises(OptionError, match=told):
        TextClassifier(**change).fit(*rows)


def test_one_label_is_refused(rows):
    with pytest.raises(ValueError, match="needs two classes"):
        TextClassifier().fit(rows[0][:4], ["a"] * 4)
