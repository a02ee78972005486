"""The trials of one comparison: planned, run where they are missing, judged, and the winner handed over."""

from __future__ import annotations

import math
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace as changed

from textgraft.comparison.contenders.base import RecipeSettings
from textgraft.comparison.preparing import Material
from textgraft.comparison.records.memory import Memory, load_memory, save_memory
from textgraft.comparison.records.plan import (
    ComparisonPlan,
    PlannedContender,
    PlannedTrial,
    Request,
    save_plan,
)
from textgraft.comparison.records.preferences import Preferences
from textgraft.comparison.records.trials import TestSet, Trial, load_trials, save_trial
from textgraft.comparison.records.verdict import Comparison, Verdict, save_verdict
from textgraft.comparison.running import memory as memory_of
from textgraft.comparison.running.kept_models import KeptModels, best_seed, needed
from textgraft.comparison.running.measuring import machine
from textgraft.comparison.running.planning import extend_plan, make_plan, probe
from textgraft.comparison.running.progress import Reporter
from textgraft.data.dataset import Dataset
from textgraft.data.splits import nested_subsets
from textgraft.errors import DataError
from textgraft.wording import duration

if TYPE_CHECKING:
    from textgraft.comparison.running.trials import TrialSpec

DEV_FRACTION = 4
DEV_ROWS_AT_LEAST = 20
CONCLUDING = 10.0
"""Seconds that are kept for measuring memory and drawing the report, at most a tenth of the budget."""
OVERTIME = 1.5
"""How far a trial may go over its time before it is said."""


def command() -> str:
    """Return the command line where there was one: what to type to get the same again."""
    name, *arguments = sys.argv
    return shlex.join(["textgraft", *arguments]) if Path(name).name == "textgraft" else "textgraft.compare(…)"


class Run:
    """The trials of one comparison, in one folder.

    Args:
        folder: The folder, which no other process uses.
        request: What is asked for.
        material: What the trials draw on.
        reporter: Told what goes on.
        started: When the call began, by time.perf_counter: its budget counts from there.
    """

    def __init__(
        self, folder: Path, request: Request, material: Material, reporter: Reporter, started: float
    ) -> None:
        self.folder = folder
        self.request = request
        self.material = material
        self.reporter = reporter
        self.started = started
        self.contenders = {contender.name: contender for contender in material.entrants.contenders}
        self.models = KeptModels(folder)
        self.finished: dict[str, Trial] = {}
        """Every trial in the folder by its id, of whatever plan."""

    def plan(self, sizes: list[int], held: ComparisonPlan | None) -> None:
        """Take up the plan of an earlier run, or measure and make one.

        Args:
            sizes: Training sizes wanted, ascending.
            held: The plan that an earlier run with the same request made in this folder.
        """
        if held is not None:
            self.reporter.note("resuming where an earlier run stopped")
        self.record = held or self._new_plan(sizes)
        save_plan(self.folder, self.record)
        self.reporter.plan(self.record.plan, self.record.rates)

    def _new_plan(self, sizes: list[int]) -> ComparisonPlan:
        """Measure what each contender costs, and plan."""
        self.reporter.note("measuring what each contender costs on a few rows")
        splits, request = self.material.splits, self.request
        sample = splits.train.select(range(min(100, len(splits.train))))
        job = self.material.job(sample, splits.dev, 0)
        rates = {name: probe(contender, job, len(splits.test)) for name, contender in self.contenders.items()}
        plan = make_plan(rates, sizes, request.seeds, request.tuning, request.budget)
        return ComparisonPlan(
            request=request,
            data_hash=self.material.data_hash,
            title=Path(splits.train.source).name,
            source=splits.train.source,
            command=command(),
            machine=machine(),
            contenders={
                name: PlannedContender(
                    contender.title, [settings.given() for settings in contender.grid[: plan.tuning]]
                )
                for name, contender in self.contenders.items()
            },
            dev_rule=f"a quarter of the training size, at least {DEV_ROWS_AT_LEAST} rows",
            rates=rates,
            plan=plan,
        )

    def _rows(self, size: int, seed: int) -> tuple[Dataset, Dataset]:
        """Return the training rows of a size and seed, and the dev rows that such a user would have."""
        train, dev = self.material.splits.train, self.material.splits.dev
        rows = nested_subsets(train.strata, [size], seed, train.groups)[size]
        dev_rows = min(len(dev), max(DEV_ROWS_AT_LEAST, size // DEV_FRACTION))
        return train.select(rows), dev.select(nested_subsets(dev.strata, [dev_rows], seed, None)[dev_rows])

    def _spec(self, planned: PlannedTrial) -> TrialSpec | None:
        """Return what a planned trial is to run; None while the configuration to take is not chosen yet."""
        from textgraft.comparison.running.trials import TrialSpec

        configurations = self._configurations(planned)
        if not configurations:
            return None
        return TrialSpec(
            contender=self.contenders[planned.contender],
            job=self.material.job(*self._rows(planned.size, planned.seed), planned.seed),
            test=self.material.splits.test,
            configurations=configurations,
            data_hash=self.material.data_hash,
        )

    def _configurations(self, planned: PlannedTrial) -> tuple[RecipeSettings, ...]:
        """Return what the first seed chooses from, and what it chose for the others."""
        contender = self.contenders[planned.contender]
        if planned.seed == 0:
            return contender.grid[: self.record.plan.tuning]
        first = self.record.results.get(PlannedTrial(planned.contender, planned.size, 0).name)
        return (contender.configured(self.finished[first].settings),) if first else ()

    def trials(self, sizes: list[int]) -> None:
        """Run every planned trial without a result; with time to spare, sizes that were left out too."""
        known = load_trials(
            self.folder, lambda error: self.reporter.note(f"{error.where}: {error.what}; it is run again")
        )
        self.finished = {trial.id: trial for trial in known}
        budget = self.request.budget
        deadline = None if budget is None else self.started + budget - min(CONCLUDING, 0.1 * budget)
        left_out: list[PlannedTrial] = []
        position = 0
        while position < len(self.record.plan.trials):
            planned = self.record.plan.trials[position]
            spec = self._spec(planned)
            trial = self._result(planned, spec) if spec else None
            if spec and trial is None:
                seconds = self._allowance(position, deadline)
                if seconds is None or seconds > 0:
                    trial = self._run(spec, planned, position, seconds)
            if trial is not None:
                self._keep(planned, trial)
            else:
                left_out.append(planned)
            position += 1
            if position == len(self.record.plan.trials) and deadline is not None and not left_out:
                self._extend(sizes, deadline)
        if left_out:
            self.reporter.note(
                f"out of time: {len(left_out)} trials are left out, the first {left_out[0].contender} "
                f"on {left_out[0].size:,} rows"
            )

    def _result(self, planned: PlannedTrial, spec: TrialSpec) -> Trial | None:
        """Return the trial that has this specification, if there is one.

        One that the clock cut is a result for nobody but the plan that gave it so much time.
        """
        trial = self.finished.get(spec.id)
        if trial is None:
            trial = self.finished.get(self.record.results.get(planned.name, ""))
            if trial is not None and spec.identity(trial.limit_seconds).id != trial.id:
                return None
        return trial

    def _run(self, spec: TrialSpec, planned: PlannedTrial, position: int, seconds: float | None) -> Trial:
        """Run one trial; write down its model, if it may be handed over, and then its result."""
        from textgraft.comparison.running.trials import run_trial, save_model

        plan = self.record.plan
        self.reporter.trial_started(planned, position, len(plan.trials), self._remaining(position))
        spec = replace(spec, job=replace(spec.job, max_seconds=seconds, on_step=self.reporter.step))
        start = time.perf_counter()
        trial, attempt = run_trial(spec, self.reporter.configuration)
        if trial.id in self._needed({**self._results(), planned.name: trial}):
            save_model(self.models.path(trial), spec, trial, attempt)
        save_trial(self.folder, trial)
        took = time.perf_counter() - start
        self.record.rates[planned.contender].observe(plan.estimate(planned, self.record.rates), took)
        if seconds is not None and took > OVERTIME * seconds and not trial.limit_seconds:
            self.reporter.note(
                f"{planned.contender} took {duration(took)} where it had {duration(seconds)}: "
                "this contender cannot be cut short"
            )
        self.reporter.trial_finished(trial, self.material.task.title(trial.metric))
        return trial

    def _keep(self, planned: PlannedTrial, trial: Trial) -> None:
        """Note the result of a part of the plan; delete the models that no verdict of it needs any more."""
        self.finished[trial.id] = trial
        if self.record.results.get(planned.name) != trial.id:
            # The report is drawn from these trials alone, whatever an earlier plan left in the folder.
            self.record = changed(self.record, results={**self.record.results, planned.name: trial.id})
            save_plan(self.folder, self.record)
        results = self._results()
        wanted = self._needed(results)
        self.models.remove(trial for trial in results.values() if trial.id not in wanted)

    def _results(self) -> dict[str, Trial]:
        """Return the finished trials of this plan by their place in it."""
        return {
            name: self.finished[found]
            for name, found in self.record.results.items()
            if found in self.finished
        }

    def _needed(self, results: dict[str, Trial]) -> set[str]:
        return needed(list(results.values()), self.contenders)

    def _extend(self, sizes: list[int], deadline: float) -> None:
        """Take up a size that the budget left out, if there is time."""
        plan = self.record.plan
        longer = extend_plan(plan, self.record.rates, sizes, deadline - time.perf_counter())
        if longer:
            added = max(set(longer.sizes) - set(plan.sizes))
            self.reporter.note(f"there is time to spare: {added:,} rows are taken up again")
            self.record = changed(self.record, plan=longer)
            save_plan(self.folder, self.record)

    def _remaining(self, position: int) -> float:
        plan = self.record.plan
        return sum(plan.estimate(planned, self.record.rates) for planned in plan.trials[position:])

    def _allowance(self, position: int, deadline: float | None) -> float | None:
        """Return the seconds that this trial may take, 0 where it is not to begin; None without a budget.

        While there is time to spare, that is its estimate and all the spare time: an estimate that was too
        low must not cut a contender short. When time is scarce, what cannot be cut is begun if there is time
        for it, and the others share what that leaves.
        """
        if deadline is None:
            return None
        left = max(0.0, deadline - time.perf_counter())
        plan, rates = self.record.plan, self.record.rates
        estimates = [
            (rates[later.contender], plan.estimate(later, rates)) for later in plan.trials[position:]
        ]
        rate, own = estimates[0]
        whole = sum(seconds for rate, seconds in estimates if rate.epochs is None)
        elastic = sum(seconds for rate, seconds in estimates if rate.epochs is not None)
        if left >= whole + elastic:
            return own + left - whole - elastic
        if rate.epochs is None:
            return own if own <= left else 0.0
        return own * max(0.0, left - whole) / elastic

    def conclude(self, test_set: TestSet, preferences: Preferences) -> Comparison:
        """Judge the trials of the plan, draw the report and put the winner into ``best/``."""
        from textgraft.comparison.judging.judge import judge
        from textgraft.comparison.reporting.report import write_report

        while True:
            trials = self._planned_trials()
            if not trials:
                raise DataError(
                    "no trial was finished", where=str(self.folder), fix="Give a larger --budget."
                )
            verdict = judge(trials, test_set, preferences=preferences)
            winner = _winner(verdict, trials)
            if winner is None or self.models.has(winner):
                break
            self._run_again(winner)
        verdict = self._measured(verdict, trials)
        save_verdict(self.folder, verdict)
        write_report(self.folder)
        self.models.hand_over(winner)
        comparison = Comparison(self.folder, verdict, trials)
        self.reporter.finished(comparison, time.perf_counter() - self.started)
        return comparison

    def _measured(self, verdict: Verdict, trials: list[Trial]) -> Verdict:
        """Return the verdict with the memory that each contender's kept model takes where it answers."""
        memory = load_memory(self.folder)
        kept = [trial for trial in trials if trial.size == verdict.size and self.models.has(trial)]
        paths = {trial.id: self.models.path(trial) for trial in kept if trial.id not in memory.megabytes}
        if paths and self._left() > CONCLUDING / 2:
            found = memory_of.measure_memory(paths, self.material.splits.test)
            memory = Memory(megabytes={**memory.megabytes, **found})
            save_memory(self.folder, memory)
        elif paths:
            self.reporter.note("out of time: memory is not measured; the same command does it")
        return memory.in_verdict(verdict, trials)

    def _left(self) -> float:
        """Return the seconds that are left of the budget."""
        if self.request.budget is None:
            return math.inf
        return self.started + self.request.budget - time.perf_counter()

    def _planned_trials(self) -> list[Trial]:
        """Return the results of the plan, ordered by contender, size and seed."""
        trials = self._results().values()
        return sorted(trials, key=lambda trial: (trial.contender, trial.size, trial.seed))

    def _run_again(self, trial: Trial) -> None:
        """Train a model again that is not kept any more: an earlier plan in this folder did not need it."""
        planned = PlannedTrial(trial.contender, trial.size, trial.seed)
        position = self.record.plan.trials.index(planned)
        spec = self._spec(planned)
        assert spec is not None, "the trial was planned in the same way before"
        self.reporter.note(f"the model of {planned.contender} is not kept: it is trained again")
        self._keep(planned, self._run(spec, planned, position, trial.limit_seconds))


def _winner(verdict: Verdict, trials: Sequence[Trial]) -> Trial | None:
    """Return the trial whose model the verdict hands over; None where limits leave no pick."""
    if verdict.pick is None:
        return None
    return best_seed(
        trial for trial in trials if (trial.contender, trial.size) == (verdict.pick, verdict.size)
    )
