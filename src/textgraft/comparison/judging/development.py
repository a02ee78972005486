"""How much sooner a contender is there: labelling and training together, from unlabelled texts to a score.

Development is what a person does and waits for until a model is as good as the baseline with its labels:
every training and dev row is labelled by hand, and every configuration is trained. Reading up, writing code
and putting a model to use are no part of it: nothing here measures them.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from textgraft.comparison.judging.savings import need_of, ratio_of, seconds_at_need, training_seconds
from textgraft.comparison.judging.scores import ScoreTable
from textgraft.comparison.preparing import DEV_FRACTION, DEV_ROWS_AT_LEAST
from textgraft.comparison.records.verdict import Ratio

CLAIMED_DEVELOPMENT = 10.0

Rows = TypeVar("Rows", float, NDArray[np.float64])


def development_saving(
    table: ScoreTable, contender: str, reference: str, label_seconds: float
) -> Ratio | None:
    """Return how many times less time a contender takes to the baseline's score; None as of no saving.

    Args:
        table: All trials.
        contender: The pre-trained one.
        reference: The baseline.
        label_seconds: What it takes a person to label a text.
    """
    need = need_of(table, contender, reference)
    if need is None:
        return None
    own = seconds_at_need(need, training_seconds(table, contender, tuning=True))
    theirs = training_seconds(table, reference, tuning=True)[need.start]
    labelled = _labelled(np.minimum(need.labels, need.curve.sizes[-1]))
    taken = label_seconds * labelled + own
    baseline = label_seconds * _labelled(float(need.baseline_labels)) + theirs
    return ratio_of(baseline / taken, need.is_reached, need.is_bounded, CLAIMED_DEVELOPMENT)


def _labelled(size: Rows) -> Rows:
    """Return the rows that are labelled for so many training rows: the dev rows that go with them, too."""
    found: Rows = size + np.maximum(DEV_ROWS_AT_LEAST, size / DEV_FRACTION)
    return found
