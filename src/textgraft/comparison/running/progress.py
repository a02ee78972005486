"""What a running comparison tells, and how a terminal shows it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from textgraft.comparison.reporting.leftovers import left_out, not_reached, unread
from textgraft.wording import counted, duration, of_each

if TYPE_CHECKING:
    from rich.console import Console

    from textgraft.comparison.records.plan import ComparisonPlan, PlannedTrial
    from textgraft.comparison.records.trials import Trial
    from textgraft.comparison.records.verdict import Verdict
    from textgraft.comparison.result import Comparison
    from textgraft.data.check import DataCheck
    from textgraft.training.progress import Progress


class Reporter(Protocol):
    """Told what goes on, in this order."""

    def note(self, text: str) -> None:
        """Something the user should know happened."""

    def data(self, check: DataCheck, folder: Path) -> None:
        """The data was read and checked; results will go to ``folder``."""

    def plan(self, plan: ComparisonPlan) -> None:
        """This will be run."""

    def trial_started(self, planned: PlannedTrial, position: int, total: int, remaining: float) -> None:
        """A trial begins; ``remaining`` seconds are estimated for it and all after it."""

    def configuration(self, position: int) -> None:
        """A trial begins to fit the configuration at this position."""

    def step(self, progress: Progress) -> None:
        """A training step was made."""

    def trial_finished(self, trial: Trial, metric: str) -> None:
        """A trial has a result, and it is on disk; ``metric`` is how people call what it is scored by."""

    def interim(self, verdict: Verdict) -> None:
        """This is the verdict so far, and it is on disk."""

    def finished(self, comparison: Comparison, plan: ComparisonPlan, seconds: float) -> None:
        """All is done that there was time for."""


class SilentReporter:
    """Tells nothing."""

    def note(self, text: str) -> None:
        """Ignore it."""

    def data(self, check: DataCheck, folder: Path) -> None:
        """Ignore it."""

    def plan(self, plan: ComparisonPlan) -> None:
        """Ignore it."""

    def trial_started(self, planned: PlannedTrial, position: int, total: int, remaining: float) -> None:
        """Ignore it."""

    def configuration(self, position: int) -> None:
        """Ignore it."""

    def step(self, progress: Progress) -> None:
        """Ignore it."""

    def trial_finished(self, trial: Trial, metric: str) -> None:
        """Ignore it."""

    def interim(self, verdict: Verdict) -> None:
        """Ignore it."""

    def finished(self, comparison: Comparison, plan: ComparisonPlan, seconds: float) -> None:
        """Ignore it."""


class TerminalReporter(SilentReporter):
    """Shows tables and live progress on a terminal; plain lines where the output is no terminal.

    Args:
        console: Shows the verdict.
        notes: Shows what goes before it; the same console if left out.
    """

    def __init__(self, console: Console, notes: Console | None = None) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self.console, self.notes = console, notes or console
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[detail]}", style="dim", markup=False),
            console=self.notes,
            transient=True,
            # Without a terminal a bar is noise: finished trials are printed line by line anyway.
            disable=not self.notes.is_terminal,
        )
        self._task = self._bar.add_task("", total=1, left="", detail="")
        self._configuration = 0
        self._shots: dict[int, int] = {}
        self._told: tuple[str | None, int] | None = None

    def note(self, text: str) -> None:
        """Print it, dimmed."""
        self.notes.print(f"· {text}", style="dim")

    def data(self, check: DataCheck, folder: Path) -> None:
        """Print the data check and every warning."""
        from textgraft.comparison.reporting.terminal import check_table, warned

        self.notes.print(check_table(check.to_dict()))
        for warning in check.warnings:
            self.notes.print(warned(warning))
        self.note(f"results go to {folder}")

    def plan(self, plan: ComparisonPlan) -> None:
        """Print what will be run and how long it will take, by contender and size."""
        from rich import box
        from rich.table import Table

        trials, self._shots = plan.plan.trials, plan.shots
        sizes = sorted({size for programme in plan.programmes.values() for size in programme.sizes})
        table = Table(title="Plan: time of a trial × seeds", title_justify="left", box=box.SIMPLE_HEAD)
        table.add_column("contender", no_wrap=True)
        for size in sizes:
            table.add_column(f"{size:,} rows{of_each(size, plan.shots)}", justify="right")
        in_windows = any(rate.reads_long_texts for rate in plan.rates.values())
        if in_windows:
            table.add_column("windows a text", justify="right")
        for name, rate in plan.rates.items():
            windows = plan.plan.windows.get(name, 0)
            cells = []
            for size in sizes:
                seeds = sum((one.contender, one.size) == (name, size) for one in trials)
                fitted = plan.plan.configurations[name]
                seconds = rate.seconds(size, fitted, windows=windows)
                cells.append(f"~{duration(seconds)} × {seeds}" if seeds else "")
            if in_windows:
                read = rate.reading(windows)
                cells.append(read.in_short if read and read.is_of_long_texts else "")
            table.add_row(name, *cells)
        self.notes.print(table)
        self.notes.print(
            f"{counted(len(trials), 'trial')}, estimated {duration(plan.plan.seconds)} in all. "
            f"{left_out(plan)}".strip(),
            highlight=False,
        )

    def trial_started(self, planned: PlannedTrial, position: int, total: int, remaining: float) -> None:
        """Move the bar on."""
        self._bar.start()
        self._configuration = 0
        rows = f"{planned.size:,} rows{of_each(planned.size, self._shots)}"
        self._bar.update(
            self._task,
            description=f"{planned.contender} · {rows} · seed {planned.seed}",
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
        # The first trials may be run before there is a plan.
        each = {} if trial.shots is None else {trial.size: trial.shots}
        rows = f"{trial.size:>8,} rows{of_each(trial.size, each)}"
        self.notes.print(
            f"  {trial.contender:<15} {rows}  seed {trial.seed}  "
            f"{metric} {trial.score:.3f}  {duration(trial.cost.training_seconds):>12}",
            highlight=False,
            soft_wrap=True,
        )

    def interim(self, verdict: Verdict) -> None:
        """Print the pick so far, if it is another than before or is judged on more labels."""
        told = (verdict.pick, verdict.size)
        if told != self._told:
            self._told = told
            self.notes.print(f"· so far: {verdict.sentences[0]}", style="bold", highlight=False)

    def finished(self, comparison: Comparison, plan: ComparisonPlan, seconds: float) -> None:
        """Print the verdict and where everything lies."""
        from textgraft.comparison.records.trials import load_test_set
        from textgraft.comparison.reporting.next_steps import next_steps
        from textgraft.comparison.reporting.terminal import render, render_steps

        self.close()
        self.console.print(render(comparison.verdict))
        self.console.print(f"Report  {comparison.report}", highlight=False, soft_wrap=True)
        if comparison.verdict.pick is not None:
            self.console.print(f"Winner  {comparison.folder / 'best'}", highlight=False, soft_wrap=True)
        for said in (unread(comparison.trials), not_reached(plan), left_out(plan)):
            if said:
                self.note(said)
        test_set = load_test_set(comparison.folder)
        steps = next_steps(comparison.folder, plan, test_set, comparison.trials, comparison.verdict)
        if steps:
            self.console.print(render_steps(steps), soft_wrap=True)
        self.note(f"took {duration(seconds)}")

    def close(self) -> None:
        """Take the bar off the screen."""
        self._bar.stop()
