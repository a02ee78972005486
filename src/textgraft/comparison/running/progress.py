"""What a running comparison tells, and how a terminal shows it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from textgraft.wording import duration

if TYPE_CHECKING:
    from rich.console import Console

    from textgraft.comparison.records.plan import PlannedTrial, Rate, TrialPlan
    from textgraft.comparison.records.trials import Trial
    from textgraft.comparison.records.verdict import Comparison
    from textgraft.data.check import DataCheck
    from textgraft.training.progress import Progress


class Reporter(Protocol):
    """Told what goes on, in this order."""

    def note(self, text: str) -> None:
        """Something the user should know happened."""

    def data(self, check: DataCheck, folder: Path) -> None:
        """The data was read and checked; results will go to ``folder``."""

    def plan(self, plan: TrialPlan, rates: dict[str, Rate]) -> None:
        """This will be run."""

    def trial_started(self, planned: PlannedTrial, position: int, total: int, remaining: float) -> None:
        """A trial begins; ``remaining`` seconds are estimated for it and all after it."""

    def configuration(self, position: int) -> None:
        """A trial begins to fit the configuration at this position."""

    def step(self, progress: Progress) -> None:
        """A training step was made."""

    def trial_finished(self, trial: Trial, metric: str) -> None:
        """A trial has a result, and it is on disk; ``metric`` is how people call what it is scored by."""

    def finished(self, comparison: Comparison, seconds: float) -> None:
        """All is done."""


class SilentReporter:
    """Tells nothing."""

    def note(self, text: str) -> None:
        """Ignore it."""

    def data(self, check: DataCheck, folder: Path) -> None:
        """Ignore it."""

    def plan(self, plan: TrialPlan, rates: dict[str, Rate]) -> None:
        """Ignore it."""

    def trial_started(self, planned: PlannedTrial, position: int, total: int, remaining: float) -> None:
        """Ignore it."""

    def configuration(self, position: int) -> None:
        """Ignore it."""

    def step(self, progress: Progress) -> None:
        """Ignore it."""

    def trial_finished(self, trial: Trial, metric: str) -> None:
        """Ignore it."""

    def finished(self, comparison: Comparison, seconds: float) -> None:
        """Ignore it."""


class TerminalReporter(SilentReporter):
    """Shows tables and live progress on a terminal; plain lines where the output is no terminal."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self.console = console
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[detail]}", style="dim", markup=False),
            console=console,
            transient=True,
            # Without a terminal a bar is noise: finished trials are printed line by line anyway.
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=1, left="", detail="")
        self._configuration = 0

    def note(self, text: str) -> None:
        """Print it, dimmed."""
        self.console.print(f"· {text}", style="dim")

    def data(self, check: DataCheck, folder: Path) -> None:
        """Print the data check and every warning."""
        from textgraft.comparison.reporting.terminal import check_table, warned

        self.console.print(check_table(check.to_dict()))
        for warning in check.warnings:
            self.console.print(warned(warning))
        self.note(f"results go to {folder}")

    def plan(self, plan: TrialPlan, rates: dict[str, Rate]) -> None:
        """Print what will be run and how long it will take, by contender and size."""
        from rich import box
        from rich.table import Table

        table = Table(title="Plan: one configuration, one seed", title_justify="left", box=box.SIMPLE_HEAD)
        table.add_column("contender")
        for size in plan.sizes:
            table.add_column(f"{size:,} rows", justify="right")
        for name, rate in rates.items():
            seconds = (rate.seconds(size, 1) for size in plan.sizes)
            table.add_row(name, *(f"~{duration(value)}" for value in seconds))
        self.console.print(table)
        self.console.print(
            f"{len(plan.trials)} trials: {plan.seeds} seeds a size, {plan.tuning} configurations fitted by "
            f"each contender at each size. Estimated {duration(plan.seconds)} in all.",
            highlight=False,
        )
        for text in plan.notes:
            self.note(text)

    def trial_started(self, planned: PlannedTrial, position: int, total: int, remaining: float) -> None:
        """Move the bar on."""
        self._bar.start()
        self._configuration = 0
        self._bar.update(
            self._task,
            description=f"{planned.contender} · {planned.size:,} rows · seed {planned.seed}",
            completed=position,
            total=total,
            left=f"~{duration(remaining)} left",
            detail="",
        )

    def configuration(self, position: int) -> None:
        """Remember which configuration is being fitted."""
        self._configuration = position + 1

    def step(self, progress: Progress) -> None:
        """Show the step and the loss."""
        self._bar.update(
            self._task,
            detail=f"configuration {self._configuration}, step {progress.step}/{progress.planned_steps}, "
            f"loss {progress.loss:.3f}",
        )

    def trial_finished(self, trial: Trial, metric: str) -> None:
        """Print one line with the trial's scores."""
        self.console.print(
            f"  {trial.contender:<15}{trial.size:>9,} rows  seed {trial.seed}  "
            f"{metric} {trial.score:.3f}  {duration(trial.cost.training_seconds):>12}",
            highlight=False,
            soft_wrap=True,
        )

    def finished(self, comparison: Comparison, seconds: float) -> None:
        """Print the verdict and where everything lies."""
        from textgraft.comparison.reporting.terminal import render

        self.close()
        self.console.print(render(comparison.verdict))
        self.console.print(f"Report  {comparison.report}", highlight=False, soft_wrap=True)
        if comparison.verdict.pick is not None:
            self.console.print(f"Winner  {comparison.folder / 'best'}", highlight=False, soft_wrap=True)
        self.note(f"took {duration(seconds)}")

    def close(self) -> None:
        """Take the bar off the screen."""
        self._bar.stop()
