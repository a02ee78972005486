"""Probabilities of labels from models that have not seen the row: cross-validation of quick families."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from textgraft.data.words import cut_words
from textgraft.models.baselines.linear import fit_linear

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FOLDS = 5
WORDS, ENCODINGS = "words", "encodings"
"""The families: words and pairs of words by TF-IDF; the encodings of a frozen encoder."""
MAX_FEATURES = 100_000
_C = {WORDS: 10.0, ENCODINGS: 0.1}
"""Inverse strength of the penalty on the weights of each family's logistic regression.

A strong one on encodings: a weak one lets the model follow wrong labels."""

Features = Callable[[Sequence[str]], "NDArray[Any] | csr_array"]


def folds(texts: Sequence[str], given: NDArray[np.int64], *, seed: int = 0) -> NDArray[np.int64]:
    """Deal rows to folds, each label evenly; equal texts stay together, so that none is known from its twin.

    Returns:
        The fold of each row, 0 to :data:`FOLDS` - 1, [rows].
    """
    first: dict[str, int] = {}
    owner = np.array([first.setdefault(text, row) for row, text in enumerate(texts)])
    leaders = np.unique(owner)
    shuffled = np.random.default_rng(seed).permutation(leaders)
    ordered = shuffled[np.argsort(given[shuffled], kind="stable")]
    fold = np.zeros(len(texts), dtype=np.int64)
    fold[ordered] = np.arange(len(ordered)) % FOLDS
    return fold[owner]


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return [text[start:end].lower() for start, end in cut_words(text)]


def word_features(fitted_on: Sequence[str]) -> Features:
    """Return what makes TF-IDF vectors of unit length, [texts, features], with the words of some texts."""
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        analyzer=_words_and_pairs, sublinear_tf=True, max_features=MAX_FEATURES, dtype=np.float32
    )
    vectorizer.fit(fitted_on)
    return lambda texts: csr_array(vectorizer.transform(texts))


def _words_and_pairs(text: str) -> list[str]:
    words = words_of(text)
    return [*words, *(f"{one} {other}" for one, other in pairwise(words))]


def out_of_fold(
    texts: Sequence[str],
    given: NDArray[np.int64],
    encodings: NDArray[np.float32] | None,
    *,
    seed: int = 0,
) -> dict[str, NDArray[np.float64]]:
    """Return for each family the probabilities that the models without a row's fold give it, [rows, labels].

    Args:
        texts: One a row.
        given: The label of each row; every number from 0 to the largest occurs.
        encodings: Of the texts; None leaves that family out.
        seed: Deals the folds.
    """
    labels = int(given.max()) + 1
    found = {
        family: np.zeros((len(texts), labels))
        for family in (WORDS, ENCODINGS)
        if family == WORDS or encodings is not None
    }
    fold = folds(texts, given, seed=seed)
    for number in range(FOLDS):
        inside, outside = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        if not len(inside):
            continue
        for family, train, test in _features(texts, encodings, outside, inside):
            weight, bias = fit_linear(train, given[outside], labels, _C[family], None)
            found[family][inside] = softmax(test @ weight.T + bias, axis=1)
    return found


def _features(
    texts: Sequence[str],
    encodings: NDArray[np.float32] | None,
    outside: NDArray[np.int64],
    inside: NDArray[np.int64],
) -> Iterator[tuple[str, Any, Any]]:
    known = [texts[row] for row in outside]
    make = word_features(known)
    yield WORDS, make(known), make([texts[row] for row in inside])
    if encodings is not None:
        # Scaled so that one penalty suits every encoder: unit vectors leave the weights too little room.
        scaled = encodings * np.sqrt(encodings.shape[1]) / 4
        yield ENCODINGS, scaled[outside], scaled[inside]


def encoded(
    texts: Sequence[str], encoder: str | Path, revision: str | None, note: Callable[[str], None]
) -> NDArray[np.float32] | None:
    """Return the encodings of texts, kept in the cache folder; None where the bundled encoder is missing.

    Args:
        texts: Any.
        encoder: As the option of that name.
        revision: Of a Hub id.
        note: Told if there are none.
    """
    from textgraft.errors import MissingExtraError
    from textgraft.inference.encode import encode
    from textgraft.models.encoders import BUNDLED

    try:
        return encode(list(texts), encoder, revision=revision, cache=True)
    except MissingExtraError:
        if encoder != BUNDLED:
            raise
        note("the bundled encoder is not installed: words alone are looked at")
        return None


def consensus(parts: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Return the mean of what several families say, each alike."""
    mean: NDArray[np.float64] = np.mean(np.stack(list(parts.values())), axis=0)
    return mean
