"""Whether new rows are still like those that a model was judged on: its texts, its answers, its accuracy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from textgraft.errors import DataError
from textgraft.evaluation.corrections import holm
from textgraft.evaluation.estimated_accuracy import estimate_accuracy
from textgraft.evaluation.intervals import Score
from textgraft.evaluation.two_sample import category_test, gaussian_kernel, kernel_test
from textgraft.review.out_of_fold import word_features, words_of

MOST_ROWS = 1000
"""Rows of either side that are compared: more cost time and tell little more."""
LEAST_ROWS = 20
LEVEL = 0.05
"""At most this often drift is said where there is none, over all tests together."""
_TELLING = 3
"""Words named as more frequent now, and as less."""


class Shift(msgspec.Struct, frozen=True):
    """One thing that was tested."""

    name: str
    """"meaning", "words", "length", "confidence" or "answers"."""
    p_value: float
    p_holm: float
    """Corrected over all that was tested."""
    told: str
    """What is different, for people to read."""

    @property
    def is_drift(self) -> bool:
        """Whether it is more than chance."""
        return self.p_holm < LEVEL


class Drift(msgspec.Struct, frozen=True):
    """What became of the rows."""

    reference_rows: int
    new_rows: int
    compared: int
    """Rows of either side that were looked at, at most."""
    shifts: list[Shift]
    drifted: bool
    """Whether anything is different by more than chance."""
    reference_accuracy: Score | None = None
    """Of the model on the reference rows; None without a model or labels."""
    estimated_accuracy: Score | None = None
    """On the new rows, without their labels."""


class Answers(NamedTuple):
    """What a model answered."""

    labels: list[str]
    confidence: list[float]
    right: list[bool] | None
    """None where the rows have no labels."""


class Side(NamedTuple):
    """Rows of one side."""

    texts: Sequence[str]
    encodings: NDArray[np.float32] | None
    answers: Answers | None


def sampled(rows: int, seed: int) -> NDArray[np.int64]:
    """Return the places of at most :data:`MOST_ROWS` rows, in order."""
    return np.sort(np.random.default_rng(seed).permutation(rows)[:MOST_ROWS])


def find_drift(reference: Side, new: Side, rows: tuple[int, int], *, seed: int = 0) -> Drift:
    """Test whether two sides differ.

    Texts are compared by the encodings' and by the words' maximum mean discrepancy and by their length, a
    model's answers by its confidence (Kolmogorov and Smirnov) and by how often it gives each label. P-values
    are corrected by Holm's method: of unchanged files, at most 5% are said to have drifted.

    Args:
        reference: Rows that the model was judged on, and not trained on.
        new: Rows that came since.
        rows: How many there are on either side; the sides may be samples of them.
        seed: Fixes how rows are dealt anew.

    Raises:
        DataError: A side has fewer than :data:`LEAST_ROWS` rows.
    """
    for side, name in ((reference, "reference"), (new, "new")):
        if len(side.texts) < LEAST_ROWS:
            raise DataError(
                f"{len(side.texts)} {name} rows are too few to tell drift from chance",
                fix=f"Give {LEAST_ROWS} or more.",
            )
    tests = [_words(reference, new, seed), _length(reference, new)]
    if reference.encodings is not None and new.encodings is not None:
        tests.insert(0, _meaning(reference.encodings, new.encodings, seed))
    accuracy: tuple[Score | None, Score | None] = (None, None)
    if reference.answers and new.answers:
        tests += [_confidence(reference.answers, new.answers), _answers(reference.answers, new.answers, seed)]
        accuracy = _accuracy(reference.answers, new.answers)
    corrected = holm([p_value for _, p_value, _ in tests])
    shifts = [
        Shift(name, p_value, p_holm, told)
        for (name, p_value, told), p_holm in zip(tests, corrected, strict=True)
    ]
    return Drift(*rows, MOST_ROWS, shifts, any(shift.is_drift for shift in shifts), *accuracy)


_Test = tuple[str, float, str]


def _meaning(reference: NDArray[np.float32], new: NDArray[np.float32], seed: int) -> _Test:
    kernel = gaussian_kernel(np.concatenate([reference, new]))
    old_centre, new_centre = reference.mean(axis=0), new.mean(axis=0)
    norms = float(np.linalg.norm(old_centre) * np.linalg.norm(new_centre))
    cosine = float(old_centre @ new_centre) / norms if norms else 1.0
    return (
        "meaning",
        kernel_test(kernel, len(reference), seed=seed),
        f"mean encodings have cosine {cosine:.2f}",
    )


def _words(reference: Side, new: Side, seed: int) -> _Test:
    vectors: Any = word_features([*reference.texts, *new.texts])([*reference.texts, *new.texts])
    kernel = np.asarray((vectors @ vectors.T).todense(), dtype=np.float32)
    shares = []
    for side in (reference, new):
        counts = Counter(word for text in side.texts for word in set(words_of(text)))
        shares.append({word: count / len(side.texts) for word, count in counts.items()})
    change = {
        word: shares[1].get(word, 0.0) - shares[0].get(word, 0.0) for word in sorted({*shares[0], *shares[1]})
    }
    ranked = sorted(change, key=lambda word: change[word])
    told = f"more often: {', '.join(ranked[: -1 - _TELLING : -1])}; less: {', '.join(ranked[:_TELLING])}"
    return "words", kernel_test(kernel, len(reference.texts), seed=seed), told


def _length(reference: Side, new: Side) -> _Test:
    from scipy.stats import ks_2samp

    old, now = ([len(words_of(text)) for text in side.texts] for side in (reference, new))
    told = f"median words {np.median(old):g} → {np.median(now):g}"
    return "length", float(ks_2samp(old, now).pvalue), told


def _confidence(reference: Answers, new: Answers) -> _Test:
    from scipy.stats import ks_2samp

    told = f"median score {np.median(reference.confidence):.2f} → {np.median(new.confidence):.2f}"
    return "confidence", float(ks_2samp(reference.confidence, new.confidence).pvalue), told


def _answers(reference: Answers, new: Answers, seed: int) -> _Test:
    names = sorted({*reference.labels, *new.labels})
    places = {name: place for place, name in enumerate(names)}
    both = np.array([places[name] for name in (*reference.labels, *new.labels)])
    shares = [np.bincount([places[name] for name in side.labels], minlength=len(names)) / len(side.labels)
              for side in (reference, new)]  # fmt: skip
    most = int(np.abs(shares[1] - shares[0]).argmax())
    told = f"{names[most]}: {shares[0][most]:.0%} → {shares[1][most]:.0%}"
    return "answers", category_test(both, len(reference.labels), seed=seed), told


def _accuracy(reference: Answers, new: Answers) -> tuple[Score | None, Score | None]:
    if reference.right is None:
        return None, None
    from textgraft.evaluation.intervals import wilson

    share = float(np.mean(reference.right))
    known = Score(share, *wilson(share, len(reference.right), 1.96))
    return known, estimate_accuracy(reference.confidence, reference.right, new.confidence)


def answers_of(predictions: Sequence[Any], labels: Sequence[str] | None) -> Answers:
    """Return what a classifier answered, and whether it was right where labels are known."""
    given = [prediction.label for prediction in predictions]
    right = None if labels is None else [one == other for one, other in zip(given, labels, strict=True)]
    return Answers(given, [prediction.score for prediction in predictions], right)
