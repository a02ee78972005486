"""What lies behind a model's metrics: calibration, confusions, errors, and the slices it is worse on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textgraft.data.dataset import Dataset
from textgraft.data.slicing import number_slices
from textgraft.evaluation.confusions import top_confusions
from textgraft.evaluation.label_scores import ratio_score, score_labels
from textgraft.evaluation.reliability import reliability
from textgraft.evaluation.risk_coverage import risk_coverage
from textgraft.evaluation.slices import score_slices, worst_slice
from textgraft.inference.evaluating.record import AtThreshold, Calibration, CutText, Details
from textgraft.inference.evaluating.row_slices import CUT, cut_fractions, row_slices
from textgraft.inference.row_predictor import RowPredictor
from textgraft.models.fingerprint import Fingerprint
from textgraft.tasks.confident_errors import most_confident_errors

MOST_NAMES = 200
"""A confusion matrix of more names is not kept; the most frequent confusions are."""
MOST_NUMBERS = 1000
"""Pairs of numbers that are kept for a plot."""


@dataclass(frozen=True)
class Answered:
    """Labelled rows, and what a model answered."""

    rows: Dataset
    gold: list[Any]
    features: list[Any]
    decoded: list[Any]
    """As :meth:`RowPredictor.outputs` returned them."""
    predictions: list[Any]

    @property
    def answers(self) -> list[Any]:
        """The answer of each row."""
        return [prediction.answer for prediction in self.predictions]

    @property
    def confidence(self) -> list[float]:
        """How sure the model is of each."""
        return [float(prediction.score) for prediction in self.predictions]


def gather_details(
    predictor: RowPredictor,
    answered: Answered,
    fingerprint: Fingerprint | None,
    side: Mapping[str, Sequence[Any]],
) -> Details:
    """Look at answers from all sides.

    Args:
        predictor: Gave them.
        answered: The rows and the answers.
        fingerprint: What the model directory remembers of the training rows.
        side: Further columns of the file, to tell rows apart by.
    """
    task, rows, gold = predictor.task, answered.rows, answered.gold
    answers, confidence = answered.answers, answered.confidence
    quality = task.qualities(gold, answers)
    counts, confusion = task.label_counts(gold, answers), task.confusion(gold, answers)
    names, matrix = confusion or ((), np.zeros((0, 0), dtype=np.int64))
    cut = cut_fractions(answered.features, len(rows))
    slices = row_slices(predictor, rows, fingerprint, side)
    scores = score_slices(quality, [*slices, *number_slices(CUT, cut, unit="%")])
    is_number = isinstance(gold[0], float)
    step = max(1, len(rows) // MOST_NUMBERS)
    return Details(
        quality=task.quality_title,
        calibration=_calibration(predictor, answered),
        threshold=_at_threshold(predictor, answered),
        risk_coverage=risk_coverage(confidence, 1 - quality),
        labels=score_labels(counts) if counts else [],
        confusion_names=list(names) if len(names) <= MOST_NAMES else [],
        confusion=matrix.tolist() if len(names) <= MOST_NAMES else [],
        confusions=top_confusions(matrix, names) if confusion else [],
        errors=most_confident_errors(
            task, gold, [(answers, confidence)], list(zip(rows.ids, task.shown(rows), strict=True))
        ),
        slices=scores,
        worst=worst_slice(scores),
        numbers=list(zip(gold[::step], answers[::step], strict=True))[:MOST_NUMBERS] if is_number else [],
        truncated_fraction=predictor.truncated_fraction(rows),
        cut=[
            CutText(name=one.name, rows=one.rows, quality=one.quality)
            for one in scores
            if one.dimension == CUT
        ],
    )


def _at_threshold(predictor: RowPredictor, answered: Answered) -> AtThreshold | None:
    """Count what the model's threshold lets through, and what of that is right."""
    promised = predictor.threshold
    if promised is None:
        return None
    scores, right = predictor.task.graded(answered.gold, answered.predictions)
    has_answer = scores >= 0
    is_given = has_answer & (scores >= promised.least) if promised.least is not None else has_answer & False
    given = is_given.sum(axis=1)
    return AtThreshold(
        promised=promised,
        answers=int(has_answer.sum()),
        given=int(given.sum()),
        coverage=ratio_score(given, has_answer.sum(axis=1)),
        precision=ratio_score((is_given & right).sum(axis=1), given),
    )


def _calibration(predictor: RowPredictor, answered: Answered) -> Calibration | None:
    """Compare scores with what was right, with the temperature and without."""
    task, manifest = predictor.task, predictor.manifest
    if not task.has_probabilities:
        return None
    right = list(map(task.is_right, answered.gold, answered.answers))
    folded = manifest.calibration if manifest else 1.0
    temperature = folded * predictor.temperature
    before = None
    if task.divides_logits and temperature != 1:
        # What is in the weights is taken out again: their logits are those of training divided by it.
        without = task.predictions(answered.features, answered.decoded, 1 / folded)
        right_before = list(map(task.is_right, answered.gold, (one.answer for one in without)))
        before = reliability([float(one.score) for one in without], right_before)
    after = reliability(answered.confidence, right)
    return Calibration(temperature=temperature, before=before, after=after)
