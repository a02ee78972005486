"""How much worse a model answers where texts are written as careless people and broken systems write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from textgraft.data.dataset import Dataset
from textgraft.data.perturbations import LEVELS, PERTURBATIONS
from textgraft.data.perturbed_rows import perturbed_rows
from textgraft.evaluation.corrections import holm
from textgraft.evaluation.intervals import Metrics, Score, Weights, left_out_scores
from textgraft.evaluation.paired import SIGNIFICANT, paired_change

if TYPE_CHECKING:
    from textgraft.inference.row_predictor import RowPredictor

MOST_ROWS = 500
"""Of more rows so many, evenly spaced, are perturbed: each of them is read some thirty times."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What one perturbation at one level does."""

    perturbation: str
    """A key of :data:`~textgraft.data.perturbations.PERTURBATIONS`."""
    level: str
    rows: int
    """Rows whose text it changes."""
    score: float
    """The main metric then, on all rows that were looked at."""
    change: Score
    """To the score of the texts as they stand, paired row by row, with a 95% interval of its own."""
    p_holm: float
    """That there is no change, corrected over all perturbations and levels (Holm)."""

    @property
    def is_worse(self) -> bool:
        """Whether the score falls by more than chance, after all perturbations were tried."""
        return self.change.value < 0 and self.p_holm < SIGNIFICANT


class Robustness(msgspec.Struct, frozen=True, kw_only=True):
    """What perturbed texts do to a model's score."""

    metric: str
    """The main one, as people call it."""
    rows: int
    """That were looked at."""
    clean: float
    """The score of the texts as they stand."""
    changes: list[Change]
    """By perturbation and level."""
    not_applicable: list[str]
    """Perturbations under which targets would not stay true."""
    columns: list[str]
    """That were perturbed."""
    seed: int

    def of(self, perturbation: str, level: str) -> Change | None:
        """Return one change; None where the perturbation is not applicable."""
        asked = (perturbation, level)
        return next((one for one in self.changes if (one.perturbation, one.level) == asked), None)

    @property
    def worst(self) -> Change | None:
        """The largest change for the worse, of those that are more than chance; None: there is none."""
        certain = [one for one in self.changes if one.is_worse]
        return min(certain, key=lambda one: one.change.value, default=None)


def measure_robustness(
    predictor: RowPredictor,
    dataset: Dataset,
    *,
    seed: int = 0,
    on_change: Callable[[str, str], None] | None = None,
) -> Robustness | None:
    """Perturb labelled rows in every way and score the answers.

    Args:
        predictor: The model.
        dataset: Rows with targets.
        seed: Fixes the edits.
        on_change: Called with perturbation and level before each is measured.

    Returns:
        None where nothing of the rows can be perturbed, as vectors.
    """
    task = predictor.task
    few = np.linspace(0, len(dataset) - 1, min(len(dataset), MOST_ROWS)).round().astype(int)
    rows = dataset.select(few.tolist())
    gold = task.targets(rows)
    clean: list[Any] = [prediction.answer for prediction in predictor.predict_rows(rows)]
    value = task.metrics(gold, clean)[task.main_metric]
    evidence = task.evidence(gold).get(task.main_metric, float(len(gold)))

    def weighted(given: Any, weights: Weights) -> Metrics:
        return task.weighted_metrics(gold, given, weights)

    changes, not_applicable = [], []
    for name in PERTURBATIONS:
        for level in LEVELS:
            other = perturbed_rows(rows, name, level, columns=task.typed_columns, seed=seed)
            if other is None:
                not_applicable.append(name)
                break
            if on_change is not None:
                on_change(name, level)
            answers, changed = _answers(predictor, rows, other, clean)
            score = task.metrics(gold, answers)[task.main_metric]
            left_out = left_out_scores(weighted, [answers, clean], len(gold))[task.main_metric]
            # Where no text differs, no answer can.
            change, p_value = Score(0.0, 0.0, 0.0), 1.0
            if changed:
                change, p_value = paired_change(score - value, left_out[0] - left_out[1], evidence)
            changes.append(
                Change(
                    perturbation=name,
                    level=level,
                    rows=changed,
                    score=score,
                    change=change,
                    p_holm=p_value,
                )
            )
    if not changes:
        return None
    texts = [name for name, values in rows.columns.items() if values and isinstance(values[0], str)]
    return Robustness(
        metric=task.title(task.main_metric),
        rows=len(rows),
        clean=value,
        changes=[
            msgspec.structs.replace(one, p_holm=p_value)
            for one, p_value in zip(changes, holm([one.p_holm for one in changes]), strict=True)
        ],
        not_applicable=not_applicable,
        columns=[name for name in texts if task.typed_columns is None or name in task.typed_columns],
        seed=seed,
    )


def _answers(
    predictor: RowPredictor, rows: Dataset, other: Dataset, clean: list[Any]
) -> tuple[list[Any], int]:
    """Return the answers to perturbed rows, and how many of them differ from what they were."""
    changed = [
        row
        for row in range(len(rows))
        if any(other.columns[name][row] != values[row] for name, values in rows.columns.items())
    ]
    answers = list(clean)
    if changed:
        for row, prediction in zip(changed, predictor.predict_rows(other.select(changed)), strict=True):
            answers[row] = prediction.answer
    return answers, len(changed)
