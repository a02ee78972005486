"""What models of one task score on the same rows, each beside a reference, and the time they take."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from textgraft.data.dataset import Dataset
from textgraft.evaluation.intervals import Scale, Score, left_out_scores, score_interval
from textgraft.evaluation.paired import paired_change
from textgraft.inference.row_predictor import RowPredictor
from textgraft.tasks.base import Task


@dataclass(frozen=True)
class Timed:
    """Predictions, and what they took."""

    predictions: list[Any]
    milliseconds: float
    """Of a text on average, in batches, by the clock."""
    processor_milliseconds: float
    """The same in processor time, over all threads."""


def timed(predictor: RowPredictor, rows: Dataset, on_progress: Callable[[int], None] | None = None) -> Timed:
    """Predict rows, from raw text on; what has run before is not warmed up again."""
    clock, processor = time.perf_counter(), time.process_time()
    predictions = predictor.predict_rows(rows, on_progress)
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    scale = 1000 / max(1, len(rows))
    return Timed(predictions, clock * scale, processor * scale)


def scores_beside(
    task: Task, gold: Sequence[Any], answers: Sequence[Sequence[Any]], reference: int
) -> list[tuple[Score, Score]]:
    """Score models by the task's main metric, and take the difference of each to one of them.

    Args:
        task: Of all of them.
        gold: The target of each row.
        answers: Of each model, for the same rows.
        reference: Which of them the others are held against.

    Returns:
        Of each model its score and the difference, both with 95% intervals over the rows.
    """
    metric = task.main_metric
    evidence = task.evidence(gold).get(metric, len(gold))
    left_out = left_out_scores(
        lambda given, weights: task.weighted_metrics(gold, given, weights), answers, len(gold)
    )[metric]
    values = [task.metrics(gold, given)[metric] for given in answers]
    found = []
    for place, value in enumerate(values):
        score = score_interval(
            [value], left_out[place : place + 1], evidence, task.scales.get(metric, Scale.SHARE)
        )
        difference = Score(0.0, 0.0, 0.0)
        if place != reference:
            difference, _ = paired_change(
                value - values[reference], left_out[place] - left_out[reference], evidence
            )
        found.append((score, difference))
    return found
