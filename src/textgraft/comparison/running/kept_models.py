"""The models of a comparison's trials: one folder a trial, kept as long as the verdict may hand it over."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from textgraft.comparison.contenders.registry import has_fixed_sizes
from textgraft.comparison.judging.judged_size import judged_size
from textgraft.comparison.records.trials import Trial
from textgraft.comparison.records.verdict import Verdict, best_seed
from textgraft.errors import ModelError
from textgraft.files import atomic_folder, remove_folder
from textgraft.integrity import check_files
from textgraft.models.manifest import read_manifest


class KeptModels:
    """The model directories below ``models/``, named by the ids of their trials.

    Args:
        folder: Of the comparison.
    """

    def __init__(self, folder: Path) -> None:
        self._models = folder / "models"
        self._best = folder / "best"

    def path(self, trial: Trial) -> Path:
        """Return where the model of a trial belongs."""
        return self._models / trial.id

    def has(self, trial: Trial) -> bool:
        """Return whether the model of a trial is kept, and every file of it as it was written."""
        path = self.path(trial)
        try:
            check_files(path, read_manifest(path).files, fix="")
        except ModelError:
            return False
        return True

    def remove(self, trials: Iterable[Trial]) -> None:
        """Delete the models of trials, where they are kept."""
        for trial in trials:
            if self.path(trial).is_dir():
                remove_folder(self.path(trial))

    def hand_over(self, trial: Trial | None, finish: Callable[[Path], None] = lambda folder: None) -> None:
        """Put the model of a trial into ``best/``; where there is none to hand over, leave none there.

        Args:
            trial: The one.
            finish: Called with the folder before it takes its place.
        """
        if trial is None:
            if self._best.is_dir():
                remove_folder(self._best)
            return
        with atomic_folder(self._best) as folder:
            shutil.copytree(self.path(trial), folder, dirs_exist_ok=True)
            finish(folder)


def needed(trials: Sequence[Trial]) -> set[str]:
    """Return the ids of the trials that a verdict on these and on later ones may hand over.

    The size that contenders are judged at can only grow: of each contender the best seed is needed, there and
    above, and on the most rows that it was trained on, with which it may score more than others with more.

    Args:
        trials: Those that are finished.
    """
    judged = judged_size((trial.contender, trial.size) for trial in trials)
    largest: dict[str, int] = {}
    for trial in trials:
        largest[trial.contender] = max(trial.size, largest.get(trial.contender, 0))
    groups: dict[tuple[str, int], list[Trial]] = {}
    for trial in trials:
        if trial.size >= min(judged, largest[trial.contender]) or has_fixed_sizes(trial.contender):
            groups.setdefault((trial.contender, trial.size), []).append(trial)
    return {best_seed(group).id for group in groups.values()}


def winning_trial(verdict: Verdict, trials: Iterable[Trial]) -> Trial | None:
    """Return the trial whose model the verdict hands over; None where limits leave no pick."""
    if verdict.pick is None:
        return None
    return best_seed(
        trial for trial in trials if trial.contender == verdict.pick and verdict.is_judged(trial)
    )
