"""TF-IDF as a Transformers model gives what scikit-learn gives."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from transformers import AutoModelForSequenceClassification, pipeline

import textgraft.models.auto  # noqa: F401
from textgraft.errors import DataError, OptionError
from textgraft.models.baselines.tfidf import TfidfForSequenceClassification, fit_tfidf, ngram_keys

LABELS = 3


def corpus(rows: int, seed: int) -> tuple[list[str], list[int]]:
    """Texts of shared words and of words that lean towards a label."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, LABELS, rows).tolist()
    texts = [
        " ".join(
            f"w{rng.integers(40)}" if rng.random() < 0.7 else f"label{label}word{rng.integers(8)}"
            for _ in range(rng.integers(1, 25))
        )
        for label in labels
    ]
    return texts, labels


def probabilities(model, tokenizer, texts: list[str]) -> np.ndarray:
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        return model(**batch).logits.softmax(dim=-1).numpy()


@pytest.mark.parametrize("labels", [2, 3])
@pytest.mark.parametrize("ngrams", [(1, 1), (1, 2), (2, 3)])
@pytest.mark.parametrize(("sublinear", "min_frequency"), [(True, 1), (False, 2)])
def test_probabilities_equal_those_of_scikit_learn(labels, ngrams, sublinear, min_frequency):
    texts, gold = corpus(120, seed=0)
    gold = [min(label, labels - 1) for label in gold]
    unseen, _ = corpus(40, seed=1)
    unseen += ["", "nothing known here", "w1", "w1 w2 zebra w3"]
    model, tokenizer = fit_tfidf(
        texts, gold, labels, c=5.0, ngrams=ngrams, sublinear=sublinear, min_frequency=min_frequency
    )
    reference = make_pipeline(
        TfidfVectorizer(
            analyzer="word",
            token_pattern=r"\w+",
            ngram_range=ngrams,
            sublinear_tf=sublinear,
            min_df=min_frequency,
        ),
        LogisticRegression(C=5.0, tol=1e-8, max_iter=1000),
    ).fit(texts, gold)
    np.testing.assert_allclose(
        probabilities(model, tokenizer, unseen), reference.predict_proba(unseen), atol=2e-3
    )


def test_padding_and_company_change_nothing():
    texts, gold = corpus(60, seed=0)
    model, tokenizer = fit_tfidf(texts, gold, LABELS)
    together = probabilities(model, tokenizer, texts)
    alone = np.concatenate([probabilities(model, tokenizer, [text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_only_the_most_frequent_features_are_kept():
    texts = ["common rare", "common", "common often", "often often"]
    model, tokenizer = fit_tfidf(texts, [0, 1, 0, 1], 2, ngrams=(1, 1), max_features=2)
    words = tokenizer.convert_ids_to_tokens(model.keys.tolist())
    assert sorted(words) == ["common", "often"]


def test_a_label_without_training_rows_is_never_predicted():
    texts, gold = corpus(60, seed=0)
    gold = [label * 2 for label in gold]
    model, tokenizer = fit_tfidf(texts, gold, 6)
    shares = probabilities(model, tokenizer, texts)
    assert shares.shape == (60, 6)
    assert shares[:, [1, 3, 5]].max() < 0.01
    assert (shares.argmax(1) == gold).mean() > 0.9


def test_one_label_alone():
    model, tokenizer = fit_tfidf(["a b", "c d"], [1, 1], 3)
    assert probabilities(model, tokenizer, ["a", "zebra"]).argmax(1).tolist() == [1, 1]


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 3))
def test_keys_name_their_tokens(ids, length):
    keys = ngram_keys(torch.tensor(ids, dtype=torch.long), length, 10).tolist()
    runs = [tuple(ids[start : start + length]) for start in range(len(ids) - length + 1)]
    assert len(keys) == len(runs)
    for run, key in zip(runs, keys, strict=True):
        assert (key == -1) == any(token < 3 for token in run)
        for other, other_key in zip(runs, keys, strict=True):
            assert key == -1 or (key == other_key) == (run == other)


def test_keys_of_different_lengths_never_collide():
    every = torch.cartesian_prod(*[torch.arange(3, 7)] * 3)
    keys = [
        set(ngram_keys(every[:, :length].contiguous(), length, 7).flatten().tolist()) for length in (1, 2, 3)
    ]
    assert not keys[0] & keys[1]
    assert not keys[1] & keys[2]
    assert not keys[0] & keys[2]


def test_saved_and_loaded_bit_for_bit_and_used_in_a_pipeline(tmp_path):
    texts, gold = corpus(60, seed=0)
    model, tokenizer = fit_tfidf(texts, gold, LABELS)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert type(loaded) is TfidfForSequenceClassification
    np.testing.assert_array_equal(
        probabilities(model, tokenizer, texts), probabilities(loaded, tokenizer, texts)
    )
    classify = pipeline("text-classification", model=str(tmp_path), top_k=1)
    found = [int(entry[0]["label"].removeprefix("LABEL_")) for entry in classify(texts, batch_size=7)]
    assert found == probabilities(model, tokenizer, texts).argmax(1).tolist()


@pytest.mark.parametrize("ngrams", [(0, 1), (2, 1), (1, 4)])
def test_impossible_ngram_lengths(ngrams):
    with pytest.raises(OptionError, match="no range of lengths"):
        fit_tfidf(["a"], [0], 2, ngrams=ngrams)


def test_nothing_to_learn_from():
    with pytest.raises(DataError, match="nothing to learn from"):
        fit_tfidf(["", " "], [0, 1], 2)


def test_label_sets_equal_one_logistic_regression_each():
    texts, labels = corpus(120, seed=0)
    given = np.array([[label == 0, label != 2, False, True] for label in labels], dtype=float)
    model, tokenizer = fit_tfidf(texts, given.tolist(), 4, c=5.0, problem_type="multi_label_classification")
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**batch, labels=torch.from_numpy(given))
    found = outputs.logits.sigmoid().numpy()
    for label in (0, 1):
        reference = make_pipeline(
            TfidfVectorizer(token_pattern=r"\w+", ngram_range=(1, 2), sublinear_tf=True),
            LogisticRegression(C=5.0, tol=1e-8, max_iter=1000),
        ).fit(texts, given[:, label])
        np.testing.assert_allclose(found[:, label], reference.predict_proba(texts)[:, 1], atol=2e-3)
    assert (found[:, 2] < 1e-4).all()
    assert (found[:, 3] > 1 - 1e-4).all()
    clipped = np.clip(found.astype(float), 1e-9, 1 - 1e-9)
    expected = -np.where(given > 0, np.log(clipped), np.log(1 - clipped)).mean()
    assert outputs.loss.item() == pytest.approx(expected, rel=1e-3)


def test_numbers_equal_ridge_regression(tmp_path):
    texts, labels = corpus(120, seed=0)
    model, tokenizer = fit_tfidf(
        texts, [float(label) for label in labels], 1, c=2.0, problem_type="regression"
    )
    reference = make_pipeline(
        TfidfVectorizer(token_pattern=r"\w+", ngram_range=(1, 2), sublinear_tf=True), Ridge(alpha=0.5)
    ).fit(texts, labels)
    model.save_pretrained(tmp_path)
    for each in (model, AutoModelForSequenceClassification.from_pretrained(tmp_path)):
        batch = tokenizer(texts, padding=True, return_tensors="pt")
        with torch.no_grad():
            outputs = each(**batch, labels=torch.tensor(labels, dtype=torch.float32))
        np.testing.assert_allclose(outputs.logits[:, 0].numpy(), reference.predict(texts), atol=1e-4)
        error = np.mean((reference.predict(texts) - labels) ** 2)
        assert outputs.loss.item() == pytest.approx(error, rel=1e-3)
