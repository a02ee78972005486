"""Who is told what goes on where Python asks: a bar, a function that takes lines, or a whole reporter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from textgraft.bars import Bar
from textgraft.comparison.running.progress import Reporter, SilentReporter
from textgraft.errors import OptionError
from textgraft.wording import count, counted, duration, of_each

if TYPE_CHECKING:
    from textgraft.comparison.records.plan import ComparisonPlan, PlannedTrial
    from textgraft.comparison.records.trials import Trial
    from textgraft.comparison.records.verdict import Verdict
    from textgraft.comparison.result import Comparison
    from textgraft.data.check import DataCheck
    from textgraft.training.progress import Progress

Told = Reporter | Callable[[str], object]
"""A reporter, or a function such as ``print``, which is told lines of text."""


class LineReporter(SilentReporter):
    """Tells all that happens in lines of text.

    Args:
        tell: Called with each line.
    """

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell
        self._shots: dict[int, int] = {}

    def note(self, text: str) -> None:
        """Tell it."""
        self._tell(text)

    def data(self, check: DataCheck, folder: Path) -> None:
        """Tell how many rows there are, every warning, and where results go."""
        sides = ", ".join(f"{count(rows)} {side}" for side, rows in check.sides.items())
        self.note(f"{counted(check.rows, 'row')}: {sides}")
        for warning in check.warnings:
            self.note(warning)
        self.note(f"results go to {folder}")

    def plan(self, plan: ComparisonPlan) -> None:
        """Tell how much will be run, and how long it will take."""
        self._shots = plan.shots
        trials = len(plan.plan.trials)
        self.note(f"{counted(trials, 'trial')}, estimated {duration(plan.plan.seconds)} in all")

    def trial_finished(self, trial: Trial, metric: str) -> None:
        """Tell what it scored."""
        rows = f"{count(trial.size)} rows{of_each(trial.size, self._shots)}"
        self.note(
            f"{trial.contender}, {rows}, seed {trial.seed}: {metric} {trial.score:.3f} "
            f"in {duration(trial.cost.training_seconds)}"
        )

    def interim(self, verdict: Verdict) -> None:
        """Tell the verdict so far."""
        self.note(f"so far: {verdict.sentences[0]}")

    def finished(self, comparison: Comparison, plan: ComparisonPlan, seconds: float) -> None:
        """Tell the verdict, and where the report is."""
        for sentence in comparison.verdict.sentences:
            self.note(sentence)
        self.note(f"report: {comparison.report}")


class BarReporter(SilentReporter):
    """Shows one bar: over the trials of a comparison, or over the steps of a training.

    Args:
        bar: Where it is shown.
    """

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._shots: dict[int, int] = {}
        self._trial: tuple[int, int, str] | None = None

    def note(self, text: str) -> None:
        """Show it beside the bar."""
        self._bar.say(text)

    def plan(self, plan: ComparisonPlan) -> None:
        """Show how long it will take."""
        self._shots = plan.shots
        trials = len(plan.plan.trials)
        self._bar.update(0, trials, f"{counted(trials, 'trial')}, about {duration(plan.plan.seconds)}")

    def trial_started(self, planned: PlannedTrial, position: int, total: int, remaining: float) -> None:
        """Move the bar on."""
        rows = f"{count(planned.size)} rows{of_each(planned.size, self._shots)}"
        told = f"{planned.contender} · {rows} · seed {planned.seed} · about {duration(remaining)} left"
        self._trial = position, total, told
        self._bar.update(position, total, told)

    def step(self, progress: Progress) -> None:
        """Show the step and the loss: in a trial beside the bar, else as the bar itself."""
        told = f"step {progress.step}/{progress.planned_steps}, loss {progress.loss:.3f}"
        if self._trial is None:
            self._bar.update(progress.step, progress.planned_steps, told)
            return
        position, total, trial = self._trial
        self._bar.update(position, total, f"{trial} · {told}")

    def finished(self, comparison: Comparison, plan: ComparisonPlan, seconds: float) -> None:
        """Leave the first sentence of the verdict."""
        del plan
        self._bar.close(f"{comparison.verdict.sentences[0]} (took {duration(seconds)})")


def as_reporter(given: Any, bar: Bar) -> Reporter:
    """Return who is to be told.

    Args:
        given: A reporter, a function that takes lines, or None.
        bar: Shown where nobody else is told.

    Raises:
        OptionError: It is none of these.
    """
    if given is None:
        return BarReporter(bar)
    methods = [name for name in vars(Reporter) if not name.startswith("_")]
    if not isinstance(given, type) and all(callable(getattr(given, name, None)) for name in methods):
        return cast("Reporter", given)
    if callable(given) and not isinstance(given, type):
        return LineReporter(given)
    raise OptionError(
        f"the reporter is {given.__name__ if isinstance(given, type) else type(given).__name__}",
        where="reporter",
        fix="Give a function that takes lines, as print, or a SilentReporter with methods of your own.",
    )
