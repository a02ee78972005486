"""All trials of a comparison scored on the same resamples of the test rows, by contender and size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.comparison.contenders.registry import draws_nothing, has_fixed_sizes
from textgraft.comparison.judging.curves import LearningCurve
from textgraft.comparison.records.trials import TestSet, Trial, task_of
from textgraft.evaluation.bootstrap import over_seeds, resampled_scores
from textgraft.evaluation.intervals import (
    Metrics,
    Scale,
    Score,
    Weights,
    jackknife_covariance,
    left_out_scores,
    score_interval,
)
from textgraft.evaluation.paired import PairedTest, Sample, compare_models
from textgraft.evaluation.seeds import PRIOR_DEVIATION, expected_deviation, seed_variance


@dataclass(frozen=True)
class Cell:
    """One contender at one size: its trials, one a seed, and their scores."""

    trials: list[Trial]
    """Ordered by seed."""
    draws: dict[str, NDArray[np.float64]]
    """Scores on the shared resamples of the test rows, by metric, [seeds, draws]."""
    left_out: dict[str, NDArray[np.float64]]
    """Scores without each part of the test rows, by metric, [seeds, parts]."""
    metric: str
    """The one that everything is decided by."""

    @property
    def seeds(self) -> list[int]:
        """Return the seed of each trial."""
        return [trial.seed for trial in self.trials]

    def values(self, metric: str | None = None) -> NDArray[np.float64]:
        """Return the score of each seed on all test rows, [seeds]; of the main metric if none is named."""
        return np.array([trial.metrics[metric or trial.metric] for trial in self.trials])


class ScoreTable:
    """The cells of a comparison, by contender and size.

    Args:
        trials: Finished trials, in any order.
        test_set: What they were judged on.
    """

    def __init__(self, trials: Sequence[Trial], test_set: TestSet) -> None:
        ordered = sorted(trials, key=lambda trial: (trial.contender, trial.size, trial.seed))
        self.task = task = task_of(test_set)
        self._evidence = task.evidence(test_set.gold)

        def score(answers: Any, weights: Weights) -> Metrics:
            return task.weighted_metrics(test_set.gold, answers, weights)

        predicted, self._rows = [trial.predicted for trial in ordered], len(test_set.gold)
        self._train_rows = test_set.train_rows
        draws = resampled_scores(score, predicted, self._rows)
        left_out = left_out_scores(score, predicted, self._rows)
        places: dict[tuple[str, int], list[int]] = {}
        for position, trial in enumerate(ordered):
            places.setdefault((trial.contender, trial.size), []).append(position)
        self.cells: dict[tuple[str, int], Cell] = {
            place: Cell(
                [ordered[position] for position in positions],
                {name: values[positions] for name, values in draws.items()},
                {name: values[positions] for name, values in left_out.items()},
                task.main_metric,
            )
            for place, positions in places.items()
        }
        # Contenders keep the order of their first trial as given, which is the order the user named them in.
        self.contenders: list[str] = list(dict.fromkeys(trial.contender for trial in trials))

    def sizes(self, contender: str) -> list[int]:
        """Return the sizes a contender was trained at, ascending."""
        return sorted(size for name, size in self.cells if name == contender)

    def size_at(self, contender: str, labels: int) -> int | None:
        """Return the size whose trials say what a contender does with so many labels; None: none was run.

        That is this very size, except for contenders that learn from fewer rows whatever there are.
        """
        sizes = self.sizes(contender)
        if has_fixed_sizes(contender):
            return max((size for size in sizes if size <= labels), default=None)
        return labels if labels in sizes else None

    def curve(self, contender: str) -> LearningCurve:
        """Return a contender's learning curve."""
        sizes = self.sizes(contender)
        cells = [self.cells[contender, size] for size in sizes]
        scores = np.array([cell.values().mean() for cell in cells])
        draws = np.stack([over_seeds(cell.draws[cell.metric]) for cell in cells])
        # Where labels have few rows, the scores of resamples lie below that of the rows themselves.
        draws += (scores - draws.mean(axis=1))[:, None]
        left_out = np.stack([cell.left_out[cell.metric].mean(axis=0) for cell in cells])
        of_seeds = np.array([seed_variance(cell.values()).variance for cell in cells])
        return LearningCurve(
            np.array(sizes, dtype=np.float64), scores, draws, jackknife_covariance(left_out), of_seeds
        )

    def score(self, contender: str, size: int, metric: str | None = None) -> Score:
        """Return the mean over seeds of a metric, the main one if None, with its interval."""
        cell, name = self.cells[contender, size], metric or self.task.main_metric
        scale = self.task.scales.get(name, Scale.SHARE)
        evidence = self._evidence.get(name, self._rows)
        return score_interval(cell.values(name), cell.left_out[name], evidence, scale)

    def compare(
        self, first: tuple[str, int], second: tuple[str, int], further: int = 0, metric: str | None = None
    ) -> PairedTest:
        """Test two cells, each a contender and a size.

        Args:
            first: One.
            second: The other.
            further: Seeds that the first is taken to have besides, see :func:`compare_models`.
            metric: In which; None: the main one.
        """
        name = metric or self.task.main_metric
        evidence = self._evidence.get(name, self._rows) or self._rows
        return compare_models(self._sample(first, name), self._sample(second, name), evidence, further)

    def _sample(self, place: tuple[str, int], metric: str) -> Sample:
        cell, (contender, size) = self.cells[place], place
        values, deviation = cell.values(metric), PRIOR_DEVIATION
        if self._has_no_luck(contender, size, values):
            deviation = 0.0
        elif self.task.scales.get(metric, Scale.SHARE) is Scale.SHARE:
            deviation = expected_deviation(size, self._rows, float(values.mean()))
        return Sample(cell.seeds, values, cell.left_out[metric], deviation)

    def _has_no_luck(self, contender: str, size: int, values: NDArray[np.float64]) -> bool:
        """Return whether another seed would give the same: nothing is drawn, all rows are learned from."""
        learns_from_all = has_fixed_sizes(contender) or size >= self._train_rows
        return draws_nothing(contender) and learns_from_all and bool(np.ptp(values) == 0)

    def score_without(self, contender: str, size: int, rows: Sequence[int], test_set: TestSet) -> float:
        """Return the mean score over seeds when some test rows are left out."""
        weights = np.ones((len(test_set.gold), 1), dtype=np.float32)
        weights[list(rows)] = 0
        scores = [
            self.task.weighted_metrics(test_set.gold, trial.predicted, weights)[self.task.main_metric]
            for trial in self.cells[contender, size].trials
        ]
        return float(np.mean(scores))
