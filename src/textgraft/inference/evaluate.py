"""Score a trained model on a file of labelled rows."""

from __future__ import annotations

from pathlib import Path

import msgspec

from textgraft.data.dataset import Dataset
from textgraft.evaluation.intervals import Estimate, percentile_interval, resampled_scores
from textgraft.inference.predict import Predictor, load


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """What a model scores on some rows."""

    task: str
    rows: int
    skipped: int
    """Rows that could not be used."""
    metric: str
    """The main one."""
    metrics: dict[str, Estimate]
    """Every metric with its 95% interval over the rows (bootstrap)."""


def evaluate(
    model: str | Path | Predictor,
    source: str | Path | Dataset,
    *,
    text: list[str] | None = None,
    label: str | None = None,
    id_column: str | None = None,
) -> Evaluation:
    """Predict labelled rows and score the answers.

    Args:
        model: A model directory, or a loaded one.
        source: A file of the model's task, or a data set.
        text: Text columns; those the model was trained with if left out.
        label: Label column; likewise.
        id_column: Column that names rows.

    Raises:
        DataError: The rows cannot be read, or hold a target that the model does not know.
        ModelError: The model directory is missing or damaged.
    """
    predictor = model if isinstance(model, Predictor) else load(model)
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
        )
    gold = task.targets(rows)
    answers = [prediction.answer for prediction in predictor.predict_rows(rows)]
    draws = resampled_scores(
        lambda given, weights: task.weighted_metrics(gold, given, weights), [answers], len(rows)
    )
    values = task.metrics(gold, answers)
    return Evaluation(
        task=task.name,
        rows=len(rows),
        skipped=len(rows.rejected),
        metric=task.main_metric,
        metrics={name: percentile_interval(draws[name][0], values[name]) for name in task.metric_names},
    )
