"""What the winning model of a comparison has beside those of its trials."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textgraft.comparison.contenders.base import Job
    from textgraft.comparison.records.trials import Trial
    from textgraft.data.dataset import Dataset
    from textgraft.evaluation.promises import Target

LOADING = 3.0
"""Seconds kept for loading a model."""


def remember_rows(model: Path, trial: Trial, job: Job, seconds: float) -> None:
    """Have a kept model remember what unknown texts are told by, as far as it can; it takes seconds, once.

    Args:
        model: Its directory.
        trial: That it is of.
        job: The rows that it was trained on.
        seconds: Those that are left: where they are too few, unknown texts are told by score alone.
    """
    from textgraft.inference.known import remember
    from textgraft.models.known import MOST

    rows = min(MOST, len(job.train)) + min(MOST, len(job.dev))
    if LOADING + rows / max(1e-9, trial.cost.throughput_per_second) < seconds:
        remember(model, job.train, job.dev)


def hold_back(target: Target | None, dev: Dataset, note: Callable[[str], None], folder: Path) -> None:
    """Have a model answer only what keeps the target, which the dev rows tell.

    Args:
        target: None: it gives all answers.
        dev: The dev rows.
        note: Told what is promised.
        folder: Its directory.
    """
    from textgraft.inference.thresholds import set_threshold

    if target is not None:
        note(set_threshold(folder, dev, target).sentence)
