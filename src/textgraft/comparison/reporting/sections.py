"""What the report's tables show, computed from the trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft import wording
from textgraft.comparison.records.reading import Reading
from textgraft.comparison.records.trials import TestSet, Trial, task_of
from textgraft.evaluation.metrics import confusion_matrix
from textgraft.inference.attention_maps import AttentionMap
from textgraft.tasks.confident_errors import ConfidentError, most_confident_errors

MOST_SAMPLES = 12


@dataclass(frozen=True)
class Sample:
    """A test row and what every contender wrote for it."""

    id: str
    source: str
    references: str
    outputs: dict[str, str]
    """By contender, of its first seed."""


@dataclass(frozen=True)
class Effort:
    """What one contender was given at one size: the fairness table."""

    contender: str
    size: int
    seeds: int
    configurations: int
    """Fitted, at most."""
    chosen: str
    dev_score: float
    training_seconds: float
    tuning_seconds: float
    stopped_by: str
    truncated_fraction: float
    reading: Reading | None


def total_confusion(trials: Sequence[Trial], test_set: TestSet) -> NDArray[np.int64]:
    """Add up the confusion matrices of several seeds, [labels, labels]."""
    count = len(test_set.labels)
    matrices = [confusion_matrix(test_set.gold, trial.predicted, count) for trial in trials]
    return np.sum(matrices, axis=0, dtype=np.int64)


def confident_errors(trials: Sequence[Trial], test_set: TestSet) -> list[ConfidentError]:
    """List the test rows that the seeds together get wrong with the most confidence: label errors, often."""
    return most_confident_errors(
        task_of(test_set),
        test_set.gold,
        [(trial.predicted, trial.confidence) for trial in trials],
        list(zip(test_set.test_ids, test_set.test_texts, strict=True)),
    )


def samples(trials: Sequence[Trial], test_set: TestSet) -> list[Sample]:
    """Show test rows at even distances, not chosen by how well they went, with what was written for them.

    Args:
        trials: Those that contenders are judged by.
        test_set: What they were judged on.
    """
    if not any(trial.writing for trial in trials):
        return []
    task = task_of(test_set)
    first = {trial.contender: trial for trial in reversed(trials)}
    step = max(1, len(test_set.gold) // MOST_SAMPLES)
    return [
        Sample(
            id=test_set.test_ids[row],
            source=test_set.test_texts[row],
            references=task.show(test_set.gold[row]),
            outputs={name: task.show(trial.predicted[row]) for name, trial in reversed(first.items())},
        )
        for row in range(0, len(test_set.gold), step)[:MOST_SAMPLES]
    ]


def attended(trials: Sequence[Trial], preferred: str) -> tuple[str, list[AttentionMap]]:
    """Return the contender whose attention is shown, the preferred one if it has any, and its maps."""
    seen = [trial for trial in trials if trial.writing and trial.writing.attentions]
    if not seen:
        return preferred, []
    best = max(seen, key=lambda trial: (trial.contender == preferred, trial.score))
    assert best.writing is not None
    return best.contender, best.writing.attentions


def efforts(trials: Sequence[Trial]) -> list[Effort]:
    """Summarise what each contender was given at each size, in the order of the trials."""
    groups: dict[tuple[str, int], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.contender, trial.size), []).append(trial)
    return [
        Effort(
            contender=contender,
            size=size,
            seeds=len(group),
            configurations=max(len(trial.configurations) for trial in group),
            chosen=_chosen(group),
            dev_score=float(np.mean([trial.dev_score for trial in group])),
            training_seconds=float(np.median([trial.cost.training_seconds for trial in group])),
            tuning_seconds=max(trial.cost.tuning_seconds for trial in group),
            stopped_by=_counted([wording.ended(trial.stopped_by) for trial in group]),
            truncated_fraction=max(trial.truncated_fraction for trial in group),
            reading=group[0].reading,
        )
        for (contender, size), group in groups.items()
    ]


def _chosen(trials: Sequence[Trial]) -> str:
    """Write the chosen configuration: only what differed between those fitted, or all of it where one was."""
    fitted = max((trial.configurations for trial in trials), key=len)
    settings = [entry.settings for entry in fitted]
    names = list(dict.fromkeys(name for entry in settings for name in entry))
    differing = [
        name for name in names if any(entry.get(name) != settings[0].get(name) for entry in settings)
    ]
    return _counted([setting_text(trial.settings, differing or names) for trial in trials])


def setting_text(settings: dict[str, Any], names: Sequence[str]) -> str:
    """Write the named settings, as "learning rate 0.001, dropout 0.4"."""
    parts = [f"{name.replace('_', ' ')} {settings[name]}" for name in names if name in settings]
    return ", ".join(parts) or "–"


def _counted(values: Sequence[str]) -> str:
    """Join different values, most frequent first: "all epochs", or "all epochs ×2, time was up ×1"."""
    counts = Counter(values).most_common()
    return (
        counts[0][0] if len(counts) == 1 else ", ".join(f"{value} ×{wording.count(n)}" for value, n in counts)
    )
