"""The trials of one comparison: planned, run where they are missing, judged, and the winner handed over."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgraft.comparison.contenders.base import Contender, Job
from textgraft.comparison.records.preferences import Preferences
from textgraft.comparison.records.trials import TestSet, Trial, load_trials, save_struct
from textgraft.comparison.running.measuring import machine
from textgraft.comparison.running.progress import Reporter
from textgraft.data.dataset import Dataset
from textgraft.data.splits import Splits, nested_subsets
from textgraft.embeddings.word_vectors import VectorSource
from textgraft.errors import DataError, OptionError
from textgraft.files import atomic_folder, write_json
from textgraft.models.encoders import EncoderSource
from textgraft.tasks.base import Task

if TYPE_CHECKING:
    from textgraft.comparison.running.planning import Plan, PlannedTrial, Rate
    from textgraft.comparison.running.trials import TrialSpec
from textgraft.comparison.records.verdict import Comparison

DEV_FRACTION = 4
DEV_ROWS_AT_LEAST = 20


@dataclass(frozen=True)
class Request:
    """What the user asked for, apart from the data: two runs with equal requests share one plan."""

    task: str
    contenders: tuple[str, ...]
    sizes: tuple[int, ...] | None
    seeds: int
    tuning: int
    encoder: str
    max_length: int | None
    freeze_layers: int
    vectors: str | None
    """Name and hash of the word vectors."""
    language_model: str | None
    budget: float | None

    def check(self) -> None:
        """Refuse values that cannot be meant.

        Raises:
            OptionError: A number is out of its range.
        """
        for name, value, low in (("--seeds", self.seeds, 1), ("--tuning", self.tuning, 1)):
            if value < low:
                raise OptionError(f"{value} is too few", where=name, fix=f"Give {low} or more.")
        if not self.contenders:
            raise OptionError("no contender is named", where="--contenders", fix="Name at least one.")
        if self.max_length is not None and self.max_length < 4:
            raise OptionError(f"{self.max_length} is too short", where="--max-length", fix="Give 4 or more.")
        if self.freeze_layers < 0:
            raise OptionError(f"{self.freeze_layers} layers cannot be frozen", where="--freeze-layers")
        for size in self.sizes or ():
            if size < 2:
                raise OptionError(f"a size of {size} cannot be learned from", where="--sizes")


def command() -> str:
    """Return the command line where there was one: what to type to get the same again."""
    name, *arguments = sys.argv
    return shlex.join(["textgraft", *arguments]) if Path(name).name == "textgraft" else "textgraft.compare(…)"


class Run:
    """The trials of one comparison, in one folder."""

    def __init__(
        self,
        folder: Path,
        request: Request,
        contenders: list[Contender],
        splits: Splits,
        task: Task,
        encoder: EncoderSource | None,
        vectors: VectorSource | None,
        language_model: EncoderSource | None,
        data_hash: str,
        reporter: Reporter,
        started: float,
    ) -> None:
        self.folder = folder
        self.request = request
        self.contenders = {contender.name: contender for contender in contenders}
        self.splits = splits
        self.encoder = encoder
        self.vectors = vectors
        self.language_model = language_model
        self.data_hash = data_hash
        self.reporter = reporter
        self.started = started
        self.task = task
        self.rates: dict[str, Rate] = {}

    def plan(self, sizes: list[int]) -> Plan:
        """Take up the plan of an earlier run with the same request, or measure and make one."""
        from textgraft.comparison.running.planning import Plan, PlannedTrial, Rate, make_plan, probe

        path = self.folder / "plan.json"
        asked = json.loads(json.dumps(vars(self.request)))
        held = json.loads(path.read_text()) if path.is_file() else {}
        if held.get("request") == asked:
            self.rates = {name: Rate(**rate) for name, rate in held["rates"].items()}
            plan = Plan(
                trials=[PlannedTrial(**planned) for planned in held["planned"]],
                sizes=held["sizes"],
                seeds=held["seeds"],
                tuning=held["tuning"],
                seconds=held["estimate_seconds"],
                notes=held["notes"],
            )
            self.reporter.note("going on where an earlier run stopped")
        else:
            if held:
                self.reporter.note("other settings than before: finished trials that still fit are kept")
            self.reporter.note("measuring what each contender costs on a few rows")
            sample = self.splits.train.select(range(min(100, len(self.splits.train))))
            job = self._job(sample, self.splits.dev, 0)
            self.rates = {
                name: probe(contender, job, len(self.splits.test))
                for name, contender in self.contenders.items()
            }
            plan = make_plan(self.rates, sizes, self.request.seeds, self.request.tuning, self.request.budget)
            write_json(
                path,
                {
                    "request": asked,
                    "title": Path(self.splits.train.source).name,
                    "source": self.splits.train.source,
                    "command": command(),
                    "machine": machine(),
                    "data_hash": self.data_hash,
                    "contenders": {
                        name: {
                            "title": contender.title,
                            "grid": [settings.given() for settings in contender.grid[: plan.tuning]],
                        }
                        for name, contender in self.contenders.items()
                    },
                    "sizes": plan.sizes,
                    "seeds": plan.seeds,
                    "tuning": plan.tuning,
                    "dev_rule": f"a quarter of the training size, at least {DEV_ROWS_AT_LEAST} rows",
                    "estimate_seconds": plan.seconds,
                    "notes": plan.notes,
                    "rates": {name: vars(rate) for name, rate in self.rates.items()},
                    "planned": [vars(planned) for planned in plan.trials],
                },
            )
        self.reporter.plan(plan, self.rates)
        return plan

    def _job(self, train: Dataset, dev: Dataset, seed: int) -> Job:
        request = self.request
        return Job(
            train,
            dev,
            self.task,
            seed,
            self.encoder,
            request.max_length,
            request.freeze_layers,
            vectors=self.vectors,
            language_model=self.language_model,
        )

    def _rows(self, size: int, seed: int, sizes: list[int]) -> tuple[Dataset, Dataset]:
        """Return the training rows of a size and seed, and the dev rows that such a user would have."""
        train, dev = self.splits.train, self.splits.dev
        rows = nested_subsets(train.strata, sizes, seed, train.groups)[size]
        dev_rows = min(len(dev), max(DEV_ROWS_AT_LEAST, size // DEV_FRACTION))
        return train.select(rows), dev.select(nested_subsets(dev.strata, [dev_rows], seed, None)[dev_rows])

    def _spec(self, planned: PlannedTrial, plan: Plan, chosen: dict[tuple[str, int], Any]) -> TrialSpec:
        from textgraft.comparison.running.trials import TrialSpec

        contender = self.contenders[planned.contender]
        settings = chosen.get((planned.contender, planned.size))
        return TrialSpec(
            contender=contender,
            job=self._job(*self._rows(planned.size, planned.seed, plan.sizes), planned.seed),
            test=self.splits.test,
            size=planned.size,
            settings=(contender.configured(settings),)
            if settings is not None
            else contender.grid[: plan.tuning],
            data_hash=self.data_hash,
        )

    def trials(self, plan: Plan, sizes: list[int]) -> None:
        """Run every planned trial without a result; with time to spare, sizes that were left out too."""
        from textgraft.comparison.running.planning import extend_plan

        chosen: dict[tuple[str, int], Any] = {}
        done: dict[str, str] = {}
        finished = {trial.id: trial for trial in load_trials(self.folder)}
        spent = sum(trial.cost.training_seconds + trial.cost.tuning_seconds for trial in finished.values())
        deadline = None if self.request.budget is None else self.started + self.request.budget - spent
        position = 0
        while position < len(plan.trials):
            planned = plan.trials[position]
            spec = self._spec(planned, plan, chosen)
            trial = finished.get(spec.id)
            if trial is None:
                seconds = self._allowance(plan, position, deadline)
                if seconds is not None and seconds <= 0:
                    self.reporter.note(f"out of time: {len(plan.trials) - position} trials are left out")
                    break
                self.reporter.trial_started(
                    planned, position, len(plan.trials), self._remaining(plan, position)
                )
                trial = self._trial(spec, planned, plan, seconds)
            chosen.setdefault((planned.contender, planned.size), trial.settings)
            done[f"{planned.contender}/{planned.size}/{planned.seed}"] = trial.id
            position += 1
            if position == len(plan.trials) and deadline is not None:
                longer = extend_plan(plan, self.rates, sizes, deadline - time.perf_counter())
                if longer:
                    added = max(set(longer.sizes) - set(plan.sizes))
                    self.reporter.note(f"there is time to spare: {added:,} rows are taken up again")
                    plan = longer
                    self._amend({"planned": [vars(planned) for planned in plan.trials], "sizes": plan.sizes})
        # The report is drawn from these trials alone, whatever an earlier plan left in the folder.
        self._amend({"trials": done})

    def _trial(self, spec: TrialSpec, planned: PlannedTrial, plan: Plan, seconds: float | None) -> Trial:
        """Run one trial and write down its result."""
        from textgraft.comparison.running.trials import run_trial, save_if_best

        spec = replace(spec, job=replace(spec.job, max_seconds=seconds, on_step=self.reporter.step))
        start = time.perf_counter()
        trial, attempt = run_trial(spec, self.reporter.setting)
        if planned.size == plan.sizes[-1]:
            save_if_best(self.folder / "models" / planned.contender, spec, trial, attempt)
        save_struct(self.folder / "trials" / f"{trial.id}.json", trial)
        self.rates[planned.contender].observe(plan.estimate(planned, self.rates), time.perf_counter() - start)
        self.reporter.trial_finished(trial)
        return trial

    def _amend(self, values: dict[str, Any]) -> None:
        """Change entries of plan.json."""
        path = self.folder / "plan.json"
        write_json(path, {**json.loads(path.read_text()), **values})

    def _remaining(self, plan: Plan, position: int) -> float:
        return sum(plan.estimate(planned, self.rates) for planned in plan.trials[position:])

    def _allowance(self, plan: Plan, position: int, deadline: float | None) -> float | None:
        """Return the seconds that this trial may take.

        While there is time to spare, that is its estimate and all the spare time: an estimate that was too
        low must not cut a contender short. When time is scarce, it is the trial's share of the work left.
        """
        if deadline is None:
            return None
        left = deadline - time.perf_counter()
        own = plan.estimate(plan.trials[position], self.rates)
        work = self._remaining(plan, position)
        return own + left - work if left > work else left * own / work

    def conclude(self, test_set: TestSet, preferences: Preferences) -> Comparison:
        """Judge the trials of the plan, draw the report and put the winner into ``best/``."""
        from textgraft.comparison.judging.judge import judge
        from textgraft.comparison.reporting.report import write_report

        planned = set(json.loads((self.folder / "plan.json").read_text())["trials"].values())
        trials = [trial for trial in load_trials(self.folder) if trial.id in planned]
        if not trials:
            raise DataError("no trial was finished", where=str(self.folder), fix="Give a larger --budget.")
        verdict = judge(trials, test_set, preferences=preferences)
        save_struct(self.folder / "comparison.json", verdict)
        write_report(self.folder)
        self._hand_over(verdict.pick)
        comparison = Comparison(self.folder, verdict, trials)
        self.reporter.finished(comparison, time.perf_counter() - self.started)
        return comparison

    def _hand_over(self, pick: str | None) -> None:
        """Put the picked contender's model into ``best/``; where limits leave no pick, leave none there."""
        best = self.folder / "best"
        if pick is None:
            shutil.rmtree(best, ignore_errors=True)
            return
        with atomic_folder(best) as folder:
            shutil.copytree(self.folder / "models" / pick, folder, dirs_exist_ok=True)
