"""What careless writing does to the models that a comparison has kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from textgraft.comparison.records.robustness import MeasuredRobustness, load_robustness, save_robustness
from textgraft.comparison.records.trials import Trial
from textgraft.data.dataset import Dataset
from textgraft.inference.evaluating.robustness import measure_robustness
from textgraft.inference.prompting.prompt import FILE as PROMPT


def measure_kept(
    folder: Path,
    models: Sequence[tuple[Trial, Path]],
    test: Dataset,
    has_time: Callable[[], bool],
    note: Callable[[str], None],
) -> None:
    """Have kept models answer perturbed test rows, and write down what that does to their scores.

    Those whose answers are known from an earlier run are left out, as are models that answer elsewhere: every
    text would be sent there some thirty times.

    Args:
        folder: Of the comparison.
        models: Trials and their model directories.
        test: The test rows.
        has_time: Whether there is time for one more.
        note: Told what goes on.
    """
    from textgraft.inference.predictor import load

    known = load_robustness(folder)
    for trial, path in models:
        if trial.id in known.trials or (path / PROMPT).is_file():
            continue
        if not has_time():
            note(
                "out of time: not all models were tried on careless writing; "
                "run the same command again for it"
            )
            return
        note(f"trying {trial.contender} on careless writing")
        found = measure_robustness(load(path), test)
        if found is None:
            note("the rows hold no text that could be written otherwise")
            return
        known = MeasuredRobustness(trials={**known.trials, trial.id: found})
        save_robustness(folder, known)
