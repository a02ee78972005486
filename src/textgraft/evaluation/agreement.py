"""How far people who judge the same things agree beyond chance: Krippendorff's alpha for names.

Krippendorff (2011), "Computing Krippendorff's alpha-reliability". Any number of people judge a unit; units
that one person alone judged say nothing and are left out. Alpha is one minus the observed disagreement over
that which would be expected if the same names had been given out at random.

Units come in clusters that were judged together, as the words of a text: the clusters are what is resampled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from textgraft.evaluation.intervals import Scale, Score, left_out_scores, score_interval

LEAST_CLUSTERS = 10
"""Clusters that need another name than the most frequent one, or an interval would rest on too little."""


class _Counts(NamedTuple):
    agreed: NDArray[np.float64]
    """Agreeing pairs of each cluster, each unit's divided by one less than its judgements, [clusters]."""
    names: NDArray[np.float64]
    """How often each name was given in it, [clusters, names]."""


def krippendorff_alpha(clusters: Sequence[Sequence[Sequence[str]]]) -> Score | None:
    """Return Krippendorff's alpha with its 95% interval.

    The interval is that of :func:`textgraft.evaluation.intervals.score_interval`, over clusters, and not the
    percentiles of a bootstrap, which cover half of the time where people agree in 97 of 100 units. There is
    none where fewer than :data:`LEAST_CLUSTERS` hold another name than the most frequent one.

    Args:
        clusters: For each cluster its units, and for each unit the names that people gave it.

    Returns:
        None where no unit was judged twice, or all were given one and the same name: then nothing tells
        agreement from chance.
    """
    counts = _count(clusters)
    rows = len(counts.agreed)
    whole = alphas(counts.agreed, counts.names, np.ones((rows, 1)))
    if not rows or not np.isfinite(whole[0]):
        return None

    def score(_: None, weights: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        return {"alpha": alphas(counts.agreed, counts.names, weights.astype(np.float64))}

    left_out = left_out_scores(score, [None], rows)["alpha"]
    others = np.delete(counts.names, counts.names.sum(axis=0).argmax(), axis=1).any(axis=1).sum()
    if others < LEAST_CLUSTERS or not np.isfinite(left_out).all():
        return Score(float(whole[0]), None, None)
    return score_interval([float(whole[0])], left_out, rows, Scale.SIGNED_SHARE)


def alphas(
    agreed: NDArray[np.float64], names: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return alpha under each weighting of the clusters, [weightings]; NaN where only one name is left.

    Args:
        agreed: Agreeing pairs of each cluster, as Krippendorff counts them, [clusters].
        names: How often each name was given in it, [clusters, names].
        weights: How often each cluster counts, [clusters, weightings].
    """
    given = names.T @ weights
    total = given.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = 1 - agreed @ weights / total
        expected = 1 - (given * (given - 1)).sum(axis=0) / (total * (total - 1))
        found: NDArray[np.float64] = np.where(expected > 0, 1 - observed / expected, np.nan)
    return found


def _count(clusters: Sequence[Sequence[Sequence[str]]]) -> _Counts:
    places: dict[str, int] = {}
    tallies: list[tuple[float, Counter[int]]] = []
    for units in clusters:
        agreed, given = 0.0, Counter[int]()
        for names in units:
            if len(names) < 2:
                continue
            counted = Counter(places.setdefault(name, len(places)) for name in names)
            agreed += sum(count * (count - 1) for count in counted.values()) / (len(names) - 1)
            given.update(counted)
        if given:
            tallies.append((agreed, given))
    table = np.zeros((len(tallies), len(places)))
    for row, (_, given) in zip(table, tallies, strict=True):
        row[list(given)] = list(given.values())
    return _Counts(np.array([agreed for agreed, _ in tallies]), table)
