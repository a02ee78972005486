"""How well word vectors agree with people: rated pairs of words, and analogies.

A word without a vector cannot be judged. What it stands in is left out, and every score says how much was
judged: scores at different coverage do not compare.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textgraft.evaluation.correlations import weighted_regression_metrics

_QUERIES = 512
"""Analogies answered at a time: a table of their cosines to every word is held."""


@dataclass(frozen=True)
class WordScore:
    """A score, and on how many of the set's entries."""

    value: float
    """Spearman's correlation, or the share of analogies answered rightly; 0 where nothing could be judged."""
    judged: int
    total: int

    @property
    def coverage(self) -> float:
        """Share of the entries whose words all have vectors, 0 to 1."""
        return self.judged / self.total if self.total else 0.0


def similarity_score(
    unit: NDArray[np.float32], find: Callable[[str], int | None], pairs: Sequence[tuple[str, str, float]]
) -> WordScore:
    """Return Spearman's rank correlation between cosines and people's ratings.

    Args:
        unit: Vectors of length one, [words, size].
        find: Returns the row of a word, or None.
        pairs: Two words and their rating each.
    """
    known = [
        (first, second, rating)
        for one, other, rating in pairs
        if (first := find(one)) is not None and (second := find(other)) is not None
    ]
    if not known:
        return WordScore(0.0, 0, len(pairs))
    rows = np.array([pair[:2] for pair in known])
    cosines = np.einsum("nk,nk->n", unit[rows[:, 0]], unit[rows[:, 1]])
    weights = np.ones((len(known), 1), dtype=np.float32)
    scores = weighted_regression_metrics([pair[2] for pair in known], cosines, weights)
    return WordScore(float(scores["spearman"][0]), len(known), len(pairs))


def analogy_scores(
    unit: NDArray[np.float32],
    find: Callable[[str], int | None],
    sections: Mapping[str, Sequence[tuple[str, str, str, str]]],
) -> dict[str, WordScore]:
    """Return the share of analogies that 3CosAdd answers rightly (Mikolov et al. 2013), by section.

    "a is to b as c is to d" is right where d is nearest to b - a + c of all words but a, b and c.

    Args:
        unit: Vectors of length one, [words, size].
        find: Returns the row of a word, or None.
        sections: Questions of four words each, by the section's name.

    Returns:
        A score for each section, then "semantic", "syntactic" (in Google's set the sections whose names begin
        with "gram") and "all".
    """
    right: dict[str, NDArray[np.bool_]] = {}
    for name, questions in sections.items():
        found = [[find(word) for word in question] for question in questions]
        rows = np.array([row for row in found if None not in row], dtype=np.int64).reshape(-1, 4)
        blocks = np.array_split(rows, range(_QUERIES, len(rows), _QUERIES))
        right[name] = np.concatenate([_is_right(unit, block) for block in blocks])
    kinds = {
        **{name: [name] for name in sections},
        "semantic": [name for name in sections if not name.startswith("gram")],
        "syntactic": [name for name in sections if name.startswith("gram")],
        "all": list(sections),
    }
    return {
        kind: WordScore(
            float(np.mean(answers)) if len(answers) else 0.0,
            len(answers),
            sum(len(sections[name]) for name in names),
        )
        for kind, names in kinds.items()
        for answers in [np.concatenate([np.zeros(0, bool), *(right[name] for name in names)])]
    }


def _is_right(unit: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return for questions [n, 4], as rows of ``unit``, whether the fourth word is found, [n]."""
    a, b, c, d = rows.T
    cosines = (unit[b] - unit[a] + unit[c]) @ unit.T  # but for a factor that is the same for all words
    np.put_along_axis(cosines, rows[:, :3], -np.inf, axis=1)
    return cosines.argmax(axis=1) == d
