"""Rows whose label is doubted: by families that have not seen them, and that agree on it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from textgraft.data.dataset import Dataset
from textgraft.errors import DataError
from textgraft.evaluation.confident_learning import doubts, margins
from textgraft.review.items import Item
from textgraft.review.out_of_fold import FOLDS, consensus, out_of_fold


class Doubted(NamedTuple):
    """A row whose label is doubted."""

    row: int
    """Its place in the data set."""
    label: str
    """What it is labelled with."""
    suggested: str
    """What the families give it."""
    margin: float
    """By how much its label is more probable than the suggested one, on average of the families, -1 to 1."""
    families: tuple[str, ...]
    """Those that doubt it."""


class Doubts(NamedTuple):
    """What was found, and what could not be looked at."""

    doubted: list[Doubted]
    """The most doubtful first."""
    families: tuple[str, ...]
    unjudged: dict[str, int]
    """Labels with too few rows to be judged, and how many they have."""


def find_label_errors(dataset: Dataset, encodings: NDArray[np.float32] | None, *, seed: int = 0) -> Doubts:
    """Return the rows whose label is doubted, by confident learning on out-of-fold probabilities.

    They are in the order of the families' mean margin, so that what all are sure of comes first.

    Args:
        dataset: Rows with one label each.
        encodings: Of its texts, [rows, dimension]; None leaves that family out.
        seed: Deals the folds.

    Raises:
        DataError: There are fewer than two labels with enough rows.
    """
    labels = list(dataset.labels or ())
    counts = Counter(labels)
    names = sorted(label for label, count in counts.items() if count >= FOLDS)
    if len(names) < 2:
        raise DataError(
            f"fewer than two labels have {FOLDS} rows or more",
            where=dataset.source,
            fix="Label more rows: what is rare cannot be told from what is wrong.",
        )
    judged = [row for row, label in enumerate(labels) if counts[label] >= FOLDS]
    given = np.array([names.index(labels[row]) for row in judged])
    found = out_of_fold(
        [dataset.texts[row] for row in judged],
        given,
        None if encodings is None else encodings[judged],
        seed=seed,
    )
    ranked = [
        Doubted(judged[place], names[given[place]], names[best], margin, families)
        for place, best, margin, families in rank(found, given)
    ]
    unjudged = {label: count for label, count in counts.items() if count < FOLDS}
    return Doubts(ranked, tuple(found), unjudged)


def rank(
    found: Mapping[str, NDArray[np.float64]], given: NDArray[np.int64]
) -> list[tuple[int, int, float, tuple[str, ...]]]:
    """Return the rows whose label the families doubt together, the most doubtful first.

    Confident learning tells how many rows to doubt: as many as half of the families or more do. Which, the
    families' mean margin tells better than their counted voices: it knows how sure each of them is.

    Args:
        found: Each family's out-of-fold probabilities, [rows, labels].
        given: The label of each row.

    Returns:
        Of each row its place, the label that the families give it together, their mean margin, and those that
        would give it another label.
    """
    voices = np.sum([doubts(probabilities, given) for probabilities in found.values()], axis=0)
    count = int((2 * voices >= len(found)).sum())
    mean = consensus(found)
    by_family = {family: margins(part, given) for family, part in found.items()}
    margin = consensus(by_family)
    ordered = [row for row in np.argsort(margin, kind="stable") if mean[row].argmax() != given[row]][:count]
    return [
        (
            int(row),
            int(mean[row].argmax()),
            float(margin[row]),
            tuple(family for family, its in by_family.items() if its[row] < 0),
        )
        for row in ordered
    ]


def doubted_rows(dataset: Dataset, found: Sequence[Doubted]) -> list[dict[str, Any]]:
    """Return the doubted rows as they are written to a file, the most doubtful first."""
    return [
        {
            "id": dataset.ids[one.row],
            "line": dataset.lines[one.row],
            **{name: values[one.row] for name, values in dataset.columns.items()},
            "label": one.label,
            "suggested": one.suggested,
            "margin": round(one.margin, 4),
            "doubted_by": " ".join(one.families),
        }
        for one in found
    ]


def doubted_items(dataset: Dataset, found: Sequence[Doubted]) -> list[Item]:
    """Return the doubted rows as review items: the suggested label is what is asked about."""
    return [
        Item(
            task="classification",
            columns={name: values[one.row] for name, values in dataset.columns.items()},
            prediction=one.suggested,
            given=one.label,
            model=" and ".join(one.families),
            reason=f"labelled {one.label}, which {' and '.join(one.families)} doubt",
            row=dataset.ids[one.row],
            source=dataset.source,
            time=time.time(),
            priority=1.0 - one.margin,
        )
        for one in found
    ]
