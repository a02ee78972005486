"""Score a trained model on a file of labelled rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from textgraft.data.dataset import Dataset
from textgraft.evaluation.intervals import Scale, Score, left_out_scores, score_interval
from textgraft.inference.predictor import load
from textgraft.inference.row_predictor import RowPredictor
from textgraft.tasks.reading import with_offsets
from textgraft.tasks.scoring import Scoring


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """What a model scores on some rows."""

    task: str
    rows: int
    skipped: int
    """Rows that could not be used."""
    metric: str
    """The main one."""
    metrics: dict[str, Score]
    """Every metric with its 95% interval over the rows; for written answers also how well the
    true targets are predicted, by perplexity (less is better) and token_accuracy."""
    signatures: dict[str, str] = {}
    """Of metrics of written answers, how exactly they were computed."""


def evaluate(
    model: str | Path | RowPredictor,
    source: str | Path | Dataset,
    *,
    text: list[str] | None = None,
    label: str | Sequence[str] | None = None,
    id_column: str | None = None,
    offsets: str = "characters",
) -> Evaluation:
    """Predict labelled rows and score the answers.

    Args:
        model: A model directory, or a loaded one.
        source: A file of the model's task, or a data set.
        text: Text columns; those the model was trained with if left out.
        label: Label column; likewise.
        id_column: Column that names rows.
        offsets: What the offsets of spans and answers count: "characters", "utf-16" or "utf-8".

    Raises:
        DataError: The rows cannot be read, or hold a target that the model does not know.
        ModelError: The model directory is missing or damaged.
    """
    predictor = model if isinstance(model, RowPredictor) else load(model)
    task, manifest = predictor.task, predictor.manifest
    if isinstance(source, Dataset):
        rows = source
    else:
        tabular = manifest is not None and manifest.label_column is not None
        rows = task.read(
            source,
            text=text or (manifest.text_columns if manifest and tabular else None),
            label=label or (manifest.label_column if manifest else None),
            id_column=id_column,
            **with_offsets(type(task), offsets),
        )
    gold = task.targets(rows)
    answers = [prediction.answer for prediction in predictor.predict_rows(rows)]
    scores = _scores(task, gold, answers)
    metrics = {name: scores[name] for name in task.metric_names}
    forced = predictor.forced(rows)
    if forced is not None:
        scoring, given = forced
        metrics |= _scores(scoring, [None] * len(rows), given)
    return Evaluation(
        task=task.name,
        rows=len(rows),
        skipped=len(rows.rejected),
        metric=task.main_metric,
        metrics=metrics,
        signatures=task.signatures(gold),
    )


def _scores(scoring: Scoring, gold: list[Any], answers: list[Any]) -> dict[str, Score]:
    """Score answers, with intervals over the rows."""
    left_out = left_out_scores(
        lambda given, weights: scoring.weighted_metrics(gold, given, weights), [answers], len(gold)
    )
    evidence = scoring.evidence(gold)
    return {
        name: score_interval(
            [value], left_out[name], evidence.get(name, len(gold)), scoring.scales.get(name, Scale.SHARE)
        )
        for name, value in scoring.metrics(gold, answers).items()
    }
