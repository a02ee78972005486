"""The trials of one comparison: planned, run where they are missing, judged, and the winning model saved."""

from __future__ import annotations

import functools
import gc
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace as changed

from textgraft.comparison.preparing import Material
from textgraft.comparison.records.memory import Memory, load_memory, save_memory
from textgraft.comparison.records.plan import (
    ComparisonPlan,
    PlannedTrial,
    Rate,
    Request,
    Spent,
    has_plan,
    load_plan,
    save_plan,
)
from textgraft.comparison.records.preferences import Preferences
from textgraft.comparison.records.robustness import load_robustness
from textgraft.comparison.records.trials import TestSet, Trial, load_trials, save_trial
from textgraft.comparison.records.verdict import Verdict, save_verdict
from textgraft.comparison.result import Comparison
from textgraft.comparison.running import memory as memory_of
from textgraft.comparison.running.answered_rows import rows_to_answer
from textgraft.comparison.running.costs import Costs
from textgraft.comparison.running.finishing import hold_back, remember_rows
from textgraft.comparison.running.fresh_plan import new_plan
from textgraft.comparison.running.interim import Interim
from textgraft.comparison.running.kept_models import KeptModels, needed, winning_trial
from textgraft.comparison.running.pace import Pace
from textgraft.comparison.running.planning import SAFETY, cheapest, schedule
from textgraft.comparison.running.probing import whole_training
from textgraft.comparison.running.progress import Reporter
from textgraft.comparison.running.robustness import measure_kept
from textgraft.comparison.running.specifying import Specs
from textgraft.comparison.running.threads import choose_threads
from textgraft.comparison.running.time_limits import allowance, useful
from textgraft.errors import DataError, ModelError, OptionError
from textgraft.processor import cores
from textgraft.wording import counted, duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from textgraft.comparison.running.trial_jobs import Outcome
    from textgraft.comparison.running.trials import TrialSpec

CONCLUDING = 6.0
"""Seconds of a core kept for judging, measuring memory and drawing the report, at most a tenth of the budget,
until judging on the way tells how long that takes."""
MOST_CONCLUDING = 0.25
"""Of the budget, no more is kept."""
SAVING = 2.0
"""Of these, for what comes after memory is measured."""
OVERTIME = 1.5
"""How far a trial may go over its time before it is said."""
THREADS_AGAIN = 8.0
"""Seconds after which it is measured again on how many threads to compute, where another number may be better
now; then whenever the run is twice as old."""
LEAST_LEFT = 0.25
"""Of the time of a trial, its training has at least so much, whatever else was estimated."""


class Run:
    """The trials of one comparison, in one folder.

    Args:
        folder: The folder, which no other process uses.
        request: What is asked for.
        material: What the trials draw on.
        reporter: Told what goes on.
        preferences: What the pick depends on besides the figures.
        started: When the call began, by time.perf_counter: its budget counts from there.
    """

    def __init__(
        self,
        folder: Path,
        request: Request,
        material: Material,
        reporter: Reporter,
        preferences: Preferences,
        started: float,
    ) -> None:
        self.folder = folder
        self.request = request
        self.material = material
        self.reporter = reporter
        self.preferences = preferences
        self.started = started
        self.contenders = {contender.name: contender for contender in material.entrants.contenders}
        self.models = KeptModels(folder)
        self.finished: dict[str, Trial] = {}
        """Every trial in the folder by its id, of whatever plan."""
        self.cut: dict[str, float] = {}
        """Parts of the plan that this call had too little time for, and the share of training they had."""
        self.tried_again: set[str] = set()
        """Those of them that had a second chance, as there was time left at the end."""
        self.measures_robustness = False
        """Whether the kept models are to answer perturbed test rows, once the trials are done."""
        self.not_begun: set[str] = set()
        """Parts of the plan that there was no time left for when their turn came."""
        self.interim = Interim(self)
        self.specs = Specs(self)
        self.costs = Costs(self)
        self.slots = 1
        """Trials that run at a time."""
        self.threads: int | None = None
        """Of each; measured if None."""
        self.is_said_busy = False
        self._threads_again = started + THREADS_AGAIN
        """When threads are measured again, by time.perf_counter."""
        self.gauge = memory_of.MemoryGauge(material.splits.test)

    def open(
        self,
        sizes: list[int],
        held: ComparisonPlan | None,
        test_set: Callable[[Material], TestSet],
        shots: dict[int, int] | None = None,
    ) -> None:
        """Take up the plan of an earlier run and the trials in the folder, or begin a plan.

        Args:
            sizes: Training sizes wanted, ascending.
            held: The plan that an earlier run with the same request made in this folder.
            test_set: Returns what trials are judged on, once it is settled which test rows they answer.
            shots: How many rows of every label a size has, by the size; None where sizes count all rows.
        """
        known = load_trials(
            self.folder, lambda error: self.reporter.note(f"{error.where}: {error.what}; it is run again")
        )
        self.finished = {trial.id: trial for trial in known}
        if held is not None:
            self.reporter.note("resuming where an earlier run stopped")
        before = held or (load_plan(self.folder) if has_plan(self.folder) else None)
        threads = choose_threads(self.reporter.note, before.threads if before else None, self.threads)
        self.record = held or changed(
            new_plan(self.request, self.material, sizes, threads),
            shots=shots or {},
            answered=self._rows_to_answer(sizes[-1]),
        )
        save_plan(self.folder, self.record)
        self.material = self.material.answering(self.record.answered)
        self.test_set = test_set(self.material)
        held_results = {name: known for name, known in self.record.results.items() if known in self.finished}
        self.record = changed(self.record, results=held_results)

    def _rows_to_answer(self, largest: int) -> int | None:
        budget = self.request.budget
        if budget is None or self.request.thorough:
            return None
        return rows_to_answer(self.material, budget, self.left, largest, self.reporter.note)

    def plan(self) -> None:
        """Measure what contenders cost, unless that is known, and plan what is left to do."""
        is_new = self.costs.measure()
        self.heed_others()
        if self.finished:
            self._take_up()
            self.interim.look()
            if self.request.budget is None:
                self._put_back_spared()
        self._schedule()
        if is_new:
            self._measure_again()
        if not self.finished and not self.record.plan.trials:
            raise self.too_small()
        if is_new:
            self.record = changed(self.record, seconds=self.record.spent + self.record.plan.seconds)
        save_plan(self.folder, self.record)
        self.reporter.plan(self.record)

    def heed_others(self) -> None:
        """Compute on as many threads as are fastest now: programs come and go; say so when they come."""
        pace, now = self.costs.pace, time.perf_counter()
        is_due = now > self._threads_again
        if pace.is_busy and not self.is_said_busy:
            self.is_said_busy = is_due = True
            self.reporter.note(
                f"the machine is busy: this process gets {pace.share:.0%} of a core, so all takes about "
                f"{1 / pace.share:.1f} times as long as alone"
            )
        may_change = self.record.threads > 1 if pace.is_busy else self.record.threads < cores()
        if is_due and may_change and self.threads is None:
            self._threads_again = 2 * now - self.started
            self._choose_threads()

    def _choose_threads(self) -> None:
        """Measure on how many threads to go on; where others are at work, not on more, else not on fewer."""
        before, said = self.record.threads, list[str]()
        threads = choose_threads(said.append)
        is_better = threads < before if self.costs.pace.is_busy else threads > before
        if is_better:
            for line in said or [f"computing on {counted(threads, 'thread')} from here: that is faster now"]:
                self.reporter.note(line)
            self.record = changed(self.record, threads=threads)
            self.material.shared.reopen()
            # What several threads had together says little of what one has.
            self.costs.pace = Pace()
        elif threads != before:
            choose_threads(self.reporter.note, before)

    def _measure_again(self) -> None:
        """Measure once more what seems to have no time for all rows, and plan anew."""
        if self.costs.measure_again():
            self._schedule()

    def _measure_put_off(self) -> bool:
        """Measure contenders for which there is time after all; return whether they have trials planned."""
        if not self.costs.measure_put_off():
            return False
        self._schedule()
        return bool(self.record.plan.trials)

    def note_rate(self, name: str, rate: Rate | None) -> None:
        """Write down what a contender costs, if that is known."""
        if rate is not None:
            self.record = changed(self.record, rates={**self.record.rates, name: rate})
            save_plan(self.folder, self.record)

    def _schedule(self) -> None:
        """Plan what is left to do in the time left, as fast as the machine is at present."""
        record = self.record
        self.costs.keep_pace()
        done = {*record.results, *self.cut, *self.not_begun}
        beaten = {} if self.request.thorough else self.interim.beaten
        room = None if self.request.budget is None else SAFETY * max(0.0, self.left) * self.slots
        begun = {trial.contender: 0 for trial in self.results().values()}
        windows = begun | {name: most for name, most in record.plan.windows.items() if name in begun}
        # What there is no time to measure on a few rows has none for a trial either.
        known = {name: own for name, own in record.programmes.items() if name in record.rates}
        plan = schedule(
            known, record.rates, room, done, beaten, windows, self.interim.telling, self.specs.chosen
        )
        left_out = [
            one
            for one in record.everything
            if one.name in self.not_begun or (one.contender not in known and one.name not in done)
        ]
        all_configurations = {name: own.configurations for name, own in record.programmes.items()}
        seconds = sum(plan.estimate(one, record.rates) for one in left_out if one.contender in known)
        plan = changed(
            plan,
            left_out=[*plan.left_out, *left_out],
            missing_seconds=plan.missing_seconds + seconds,
            configurations=all_configurations | plan.configurations,
        )
        self.record = changed(record, plan=plan)
        if not plan.trials and (again := self.cut.keys() - self.tried_again):
            self.tried_again |= again
            self.cut = {name: share for name, share in self.cut.items() if name not in again}
            self._schedule()

    @property
    def left(self) -> float:
        """Seconds that are left for trials."""
        budget = self.request.budget
        if budget is None:
            return math.inf
        # What comes after them takes as long as judging on the way did, and longer where others are at work.
        concluding = max(min(CONCLUDING, 0.1 * budget), self.interim.took + SAVING)
        return self._left() - min(concluding / self.costs.pace.share, MOST_CONCLUDING * budget)

    def too_small(self) -> OptionError:
        """Say which budget would do."""
        record = self.record
        rates = {name: rate for name, rate in record.rates.items() if not self.contenders[name].is_floor}
        least = cheapest(record.programmes, rates) if rates else self.costs.least
        spent = time.perf_counter() - self.started
        return OptionError(
            f"a budget of {self.request.budget:.0f} s is too small: not one trial fits",
            where="--budget",
            fix=f"Give at least {math.ceil((spent + least) / SAFETY + CONCLUDING)}s.",
        )

    def trials(self) -> None:
        """Run every trial without a result that there is time for; judge on the way what is known so far."""
        is_sure = False
        while self._measure_put_off() or self.record.plan.trials:
            planned = self.record.plan.trials[0]
            if not is_sure and self.record.rates[planned.contender].epochs and self.left < math.inf:
                is_sure = True
                self._measure_again()
                continue
            spec = self.specs.of(planned)
            if spec is None:  # its first seed gave no result
                self.cut[planned.name] = 0.0
            elif not self.has_time(planned):
                self.not_begun.add(planned.name)
            else:
                self._run_or_spare(spec, planned)
            self.go_on(planned)

    def _run_or_spare(self, spec: TrialSpec, planned: PlannedTrial) -> None:
        """Run one trial; a server that fails it is asked no more, and what is trained here goes on."""
        try:
            self.run_timed(spec, planned)
        except ModelError as error:
            if not self.contenders[planned.contender].is_remote or all(
                contender.is_remote for contender in self.contenders.values()
            ):
                raise
            plan = self.record.plan
            asking = [one for one in (*plan.trials, *plan.left_out) if one.contender == planned.contender]
            self.cut.update((one.name, 0.0) for one in asking)
            self.tried_again.update(one.name for one in asking)
            name = f"{planned.contender} on {planned.size:,} rows"
            self.reporter.note(f"{name} has no result: {error.where}: {error.what}. {error.fix}")

    def go_on(self, planned: PlannedTrial) -> None:
        """Plan what is left after a trial, and judge on the way what is known so far."""
        self.heed_others()
        self.interim.look(after=planned)
        self._schedule()
        save_plan(self.folder, self.record)
        if self.record.plan.trials and self.interim.judge_if_due():
            self._schedule()

    def _take_up(self) -> None:
        """Take the trials in the folder that are results of this plan, whatever plan they were run for."""
        found = {(trial.contender, trial.size, trial.seed) for trial in self.finished.values()}
        for planned in self.record.everything:
            # To draw the rows of a trial takes a while where there are many.
            place = planned.contender, planned.size, planned.seed
            if planned.name in self.record.results or place not in found:
                continue
            spec = self.specs.of(planned)
            trial = self.specs.result(planned, spec) if spec else None
            if trial is not None:
                self.keep(planned, trial)

    def _put_back_spared(self) -> None:
        """Leave out trials of another request in this folder that would not be run in a fresh one."""
        spared = {
            one.name for one in self.record.everything if one.seed and one.contender in self.interim.beaten
        }
        results = {name: found for name, found in self.record.results.items() if name not in spared}
        self.record = changed(self.record, results=results)

    @property
    def has_results(self) -> bool:
        """Whether there is anything to judge."""
        return bool(self.results())

    def run_timed(self, spec: TrialSpec, planned: PlannedTrial) -> Outcome:
        """Run one trial and write down what became of it."""
        from textgraft.comparison.running.trial_jobs import perform

        seconds = self.begin(planned)
        job = replace(spec.job, max_seconds=seconds, on_step=self.reporter.step)

        def model_path(trial: Trial) -> Path | None:
            is_needed = trial.id in self._needed({**self.results(), planned.name: trial})
            return self.models.path(trial) if is_needed else None

        outcome = perform(replace(spec, job=job), model_path, self.reporter.configuration)
        self.finish(planned, outcome, seconds)
        return outcome

    def has_time(self, planned: PlannedTrial, slots: int = 1) -> bool:
        """Return whether there is time for so much of a trial that it can be a result.

        Args:
            planned: The trial.
            slots: Trials that run at a time.
        """
        return useful(planned, self.record.plan, self.record.rates) <= self._allowed(planned, slots)

    def _allowed(self, planned: PlannedTrial, slots: int) -> float:
        """Return the seconds that a trial may take."""
        left, plan = max(0.0, self.left), self.record.plan
        if self.request.budget is None or planned.contender not in self.record.rates:
            return left
        own = changed(plan, trials=[planned, *(one for one in plan.trials if one != planned)])
        return min(left, allowance(own, self.record.rates, slots * left, self.record.results))

    def begin(self, planned: PlannedTrial, slots: int = 1) -> float | None:
        """Say that a trial begins, and return the seconds that its training may take; None without a clock.

        Args:
            planned: The trial.
            slots: Trials that run at a time.
        """
        record, plan = self.record, self.record.plan
        seconds = None
        if self.request.budget is not None:
            seconds = self._allowed(planned, slots)
            rate = record.rates.get(planned.contender)
            if rate and rate.epochs:
                # The clock ends the training alone: what comes before and after it takes its time as well.
                other = plan.estimate(planned, record.rates, with_shared=True, epochs_share=0.0)
                seconds = max(seconds - other, LEAST_LEFT * seconds)
        self.reporter.trial_started(planned, len(record.results), record.planned, plan.seconds)
        return seconds

    def finish(self, planned: PlannedTrial, outcome: Outcome, seconds: float | None) -> None:
        """Write down what became of a trial that was given so many seconds; its model, if any, is written."""
        trial, took = outcome.trial, outcome.seconds
        waited = outcome.computing.wall - outcome.computing.alone
        self.record = record = changed(
            self.record, spent=self.record.spent + took, waited=self.record.waited + waited
        )
        self._correct(planned, outcome)
        if not outcome.is_result:
            self.cut[planned.name] = outcome.trained
            self.record = changed(record, cut={**record.cut, planned.name: outcome.trained})
            self.reporter.note(
                f"{planned.contender} on {planned.size:,} rows had time for {outcome.trained:.0%} of its "
                "training: no result"
            )
            return
        save_trial(self.folder, trial)
        self.record = changed(record, cut={k: v for k, v in record.cut.items() if k != planned.name})
        if rate := record.rates.get(planned.contender):
            rate.pay_shared(planned.size / max(1, record.programmes[planned.contender].sizes[-1]))
        if seconds is not None and took > OVERTIME * seconds and not trial.limit_seconds:
            self.reporter.note(
                f"{planned.contender} took {duration(took)} where it had {duration(seconds)}: "
                "this contender cannot be cut short"
            )
        self.keep(planned, trial)
        if not planned.seed and planned.size >= record.programmes[planned.contender].sizes[-1]:
            self.gauge.begin(trial.id, self.models.path(trial))
        self.reporter.trial_finished(trial, self.material.task.title(trial.metric))

    def _correct(self, planned: PlannedTrial, outcome: Outcome) -> None:
        """Correct what is known of the machine and of a contender by what became of a trial."""
        contender, rate = self.contenders[planned.contender], self.record.rates.get(planned.contender)
        share = 1.0
        if not contender.is_remote:
            share = outcome.computing.share
            self.costs.pace.note(outcome.computing)
        if rate is None:
            return
        # Writing a model is left out: few trials do it, and there is a part of the time kept for it.
        beside = max(0.0, outcome.computing.wall - outcome.in_steps - outcome.shared)
        training = whole_training(outcome.trial, outcome.in_steps, contender.epochs)
        expected = self.record.plan.expected(planned, self.record.rates)
        took = Spent(share * beside, share * training, share * outcome.shared)
        if contender.epochs is None and not outcome.is_result and sum(took) < sum(expected):
            return  # what it would have taken to its end is not known
        rate.observe(expected, took, outcome.trained)

    def keep(self, planned: PlannedTrial, trial: Trial) -> None:
        """Note the result of a part of the plan; delete the models that no verdict of it needs any more."""
        self.finished[trial.id] = trial
        if self.record.results.get(planned.name) != trial.id:
            # The report is drawn from these trials alone, whatever an earlier plan left in the folder.
            self.record = changed(self.record, results={**self.record.results, planned.name: trial.id})
        results = self.results()
        wanted = self._needed(results)
        self.models.remove(trial for trial in results.values() if trial.id not in wanted)

    def results(self) -> dict[str, Trial]:
        """Return the finished trials of this plan by their place in it."""
        return {
            name: self.finished[found]
            for name, found in self.record.results.items()
            if found in self.finished
        }

    def _needed(self, results: dict[str, Trial]) -> set[str]:
        return needed(list(results.values()))

    def conclude(self, *, in_haste: bool = False) -> Comparison:
        """Judge the results, draw the report and put the winner into ``best/``; in haste only that."""
        from textgraft.comparison.judging.judge import judge
        from textgraft.comparison.reporting.report import write_report

        while True:
            trials = self.planned_trials()
            if not trials:
                raise DataError(
                    "no trial was finished", where=str(self.folder), fix="Give a larger --budget."
                )
            verdict = judge(trials, self.test_set, preferences=self.preferences)
            winner = winning_trial(verdict, trials)
            if winner is None or self.models.has(winner):
                break
            self._run_again(winner)
        verdict = self._with_robustness(self._measured(verdict, trials), trials)
        save_plan(self.folder, self.record)
        save_verdict(self.folder, verdict)
        write_report(self.folder)
        dev, note = self.material.splits.dev, self.reporter.note
        if winner is not None and not in_haste:
            spec = self.specs.fitting(PlannedTrial(winner.contender, winner.size, winner.seed), ())
            remember_rows(self.models.path(winner), winner, spec.job, self._left() - SAVING)
        self.models.hand_over(winner, functools.partial(hold_back, self.preferences.target, dev, note))
        comparison = Comparison(self.folder, verdict, trials)
        self.reporter.finished(comparison, self.record, time.perf_counter() - self.started)
        return comparison

    def _measured(self, verdict: Verdict, trials: list[Trial]) -> Verdict:
        """Return the verdict with the memory that a model of each contender takes where it answers.

        Most were measured while others were trained.
        """
        judged = [trial for trial in trials if verdict.is_judged(trial)]
        known = load_memory(self.folder).megabytes
        known |= self.gauge.finish(self._left() - SAVING)
        measured = {trial.contender for trial in judged if trial.id in known}
        paths = {
            trial.id: self.models.path(trial)
            for trial in judged
            if trial.contender not in measured and self.models.has(trial)
        }
        if paths and self._left() > CONCLUDING:
            known |= memory_of.measure_memory(paths, self.material.splits.test, self._left() - SAVING)
        elif paths:
            self.reporter.note("out of time: memory is not measured; run the same command again for it")
        memory = Memory(megabytes=known)
        save_memory(self.folder, memory)
        return memory.in_verdict(verdict, trials)

    def _with_robustness(self, verdict: Verdict, trials: list[Trial]) -> Verdict:
        """Return the verdict with what careless writing does to the kept models, where that was asked for."""
        if self.measures_robustness:
            kept = [trial for trial in trials if verdict.is_judged(trial) and self.models.has(trial)]
            measure_kept(
                self.folder,
                [(trial, self.models.path(trial)) for trial in kept],
                self.material.test,
                lambda: self._left() > CONCLUDING / 2,
                self.reporter.note,
            )
        return load_robustness(self.folder).in_verdict(verdict, trials)

    def close(self) -> None:
        """Leave no process behind."""
        self.gauge.close()
        gc.unfreeze()

    def _left(self) -> float:
        """Return the seconds that are left of the budget."""
        if self.request.budget is None:
            return math.inf
        return self.started + self.request.budget - time.perf_counter()

    def planned_trials(self) -> list[Trial]:
        """Return the results of the plan, ordered by contender, size and seed."""
        return sorted(self.results().values(), key=lambda trial: (trial.contender, trial.size, trial.seed))

    def _run_again(self, trial: Trial) -> None:
        """Train a model again that is not kept any more: an earlier plan in this folder did not need it."""
        from textgraft.comparison.running.trial_jobs import perform

        planned = PlannedTrial(trial.contender, trial.size, trial.seed)
        contender = self.contenders[trial.contender]
        fitted = tuple(contender.configured(entry.settings) for entry in trial.configurations)
        spec = self.specs.fitting(planned, fitted)
        self.reporter.note(f"the model of {planned.contender} is not kept: it is trained again")
        job = replace(spec.job, max_seconds=trial.limit_seconds, on_step=self.reporter.step)
        again = perform(replace(spec, job=job), self.models.path, self.reporter.configuration).trial
        save_trial(self.folder, again)
        self.keep(planned, again)
