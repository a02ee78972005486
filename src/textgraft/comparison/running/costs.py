"""What contenders cost, as a comparison measures it: before there is a plan, and again in doubt."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace as changed

from textgraft.comparison.records.plan import ComparisonPlan, PlannedTrial, Rate
from textgraft.comparison.running.pace import Lap, Pace
from textgraft.comparison.running.planning import SAFETY, TUNING
from textgraft.comparison.running.probing import (
    Glance,
    Tried,
    glance,
    probe,
    rate_by_trials,
    rate_of,
    seconds_of_probe,
    tells_by_trials,
)
from textgraft.comparison.settings import LEAST_BUDGET
from textgraft.wording import duration

if TYPE_CHECKING:
    from textgraft.comparison.contenders.base import Contender
    from textgraft.comparison.preparing import Material
    from textgraft.comparison.records.trials import Trial
    from textgraft.comparison.running.interim import Interim
    from textgraft.comparison.running.progress import Reporter
    from textgraft.comparison.running.specifying import Specs
    from textgraft.comparison.running.trial_jobs import Outcome
    from textgraft.comparison.running.trials import TrialSpec
    from textgraft.errors import OptionError

WORTH_PROBING = 4.0
"""Seconds of a core: where less is left and there are results, nothing more is measured."""
FIRST_USE = 12.0
"""On a busy machine the same of what needs an encoder while none is open: it may be its first use of all."""
AGAIN = 0.1
"""Of the time left, a second probe takes no more."""
ONCE = 0.5
"""Of the time left: what is done once for an encoder, as distilling its tokens, takes no more."""
DEAR = 0.25
"""Of the time left: what takes more of it on all rows, and cannot be cut short, has them before others are
measured, whose probes might leave no time for it."""


class Running(Protocol):
    """What is asked of a run whose contenders are measured."""

    contenders: dict[str, Contender]
    material: Material
    reporter: Reporter
    record: ComparisonPlan
    finished: dict[str, Trial]
    interim: Interim
    specs: Specs

    @property
    def left(self) -> float:
        """Seconds that are left for trials."""

    def note_rate(self, name: str, rate: Rate | None) -> None:
        """Write down what a contender costs, if that is known."""

    def keep(self, planned: PlannedTrial, trial: Trial) -> None:
        """Note the result of a part of the plan."""

    def heed_others(self) -> None:
        """Compute on as many threads as are fastest now."""

    def run_timed(self, spec: TrialSpec, planned: PlannedTrial) -> Outcome:
        """Run one trial and write down what became of it."""

    def too_small(self) -> OptionError:
        """Say which budget would do."""


class Costs:
    """Measures contenders for one run, and the share of a core that it gets.

    Args:
        run: The run, in whose record the rates are written down.
    """

    def __init__(self, run: Running) -> None:
        self.run = run
        self.pace = Pace()
        self._seen: dict[str, Glance] = {}
        """What fits on a few rows told of contenders."""
        self._took: dict[str, float] = {}
        """Seconds that the last probe of each took; none of those that were probed twice."""
        self._once: dict[str, float] = {}
        """Seconds of what each does once for its encoder."""
        self._put_off: list[str] = []
        """Contenders that there seemed to be no time to measure, and that were not turned to since."""

    def measure(self) -> bool:
        """Measure what each contender costs, unless that is known; return whether it was not.

        Where trials themselves are quick they are run: their results are kept, and tell it best.
        """
        run, contenders = self.run, self.run.contenders
        unknown = [name for name in contenders if name not in run.record.rates]
        # What a server refuses is told before anything is trained.
        for name in [name for name in unknown if contenders[name].is_remote]:
            run.note_rate(name, self.by_probe(name))
        self._measure(unknown)
        self._put_off = [name for name in unknown if name not in run.record.rates]
        return bool(unknown)

    def measure_put_off(self) -> bool:
        """Measure contenders for which there is time after all; return whether there were any.

        Whoever was at work beside this process may be done, and trials take less than they might have.
        """
        names = [name for name in self._put_off if not self._is_late(name)]
        self._put_off = [name for name in self._put_off if name not in names]
        self._measure(names)
        return bool(names)

    def _measure(self, names: Sequence[str]) -> None:
        """Measure contenders as far as there is time, by their trials before those that need a probe."""
        run, contenders = self.run, self.run.contenders
        # What is first done once for an encoder leaves less time to whoever could go on at once.
        for name in sorted(names, key=lambda name: contenders[name].first_use is not None):
            if not self._is_late(name) and tells_by_trials(
                contenders[name], run.material.sample(contenders[name])
            ):
                run.note_rate(name, self.by_trials(name) or self._by_dear_trial(name))
                run.heed_others()
                run.interim.judge_if_due()
        self._run_quick(names)
        is_said = False
        for name in sorted(names, key=self._turn):
            if name not in run.record.rates and not self._is_late(name):
                if not is_said:
                    run.reporter.note("measuring what each contender costs on a few rows")
                is_said = True
                rate = self.by_probe(name)
                run.note_rate(name, rate)
                self._run_if_dear(name, rate)
                run.heed_others()
                run.interim.judge_if_due()

    def _run_quick(self, names: Sequence[str]) -> None:
        """Run contenders that first trials told the cost of, on all rows and at the other sizes.

        They come first in any plan, and the probes of others might leave no time for them.
        """
        run = self.run
        if run.left == math.inf:
            return
        told = [name for name in names if name in run.record.rates and not run.contenders[name].is_remote]
        whole = [PlannedTrial(name, run.record.programmes[name].sizes[-1], 0) for name in told]
        others = [
            PlannedTrial(name, size, 0)
            for name in told
            for size in reversed(run.record.programmes[name].sizes[:-1])
        ]
        whole.sort(key=lambda planned: self._needed(planned, 1))
        most = self._quick_configurations(whole)
        for planned in (*whole, *others):
            number = run.record.programmes[planned.contender].configurations
            number, part = (min(most, number), SAFETY) if planned in whole else (number, DEAR)
            needed = self._needed(planned, number)
            if planned.name not in run.record.results and needed <= part * run.left * self.pace.share:
                self._fit_in(planned.contender, number)
                self._tried(planned)
                run.interim.judge_if_due()

    def _quick_configurations(self, whole: Sequence[PlannedTrial]) -> int:
        """Return how many configurations quick contenders fit on all rows: all, where that is soon done."""
        programmes, room = self.run.record.programmes, TUNING * self.run.left * self.pace.share
        most = max((programmes[planned.contender].configurations for planned in whole), default=1)

        def seconds(number: int) -> float:
            return sum(
                self._needed(planned, min(number, programmes[planned.contender].configurations))
                for planned in whole
            )

        return next((number for number in range(most, 1, -1) if seconds(number) <= room), 1)

    def _needed(self, planned: PlannedTrial, configurations: int) -> float:
        """Return the seconds of a core that a contender's next trial takes with so many configurations."""
        rate = self.run.record.rates[planned.contender]
        return rate.shared_seconds(size=planned.size) + rate.seconds(planned.size, configurations)

    def _fit_in(self, name: str, configurations: int) -> None:
        """Have the next trial of a contender choose from so many configurations."""
        plan = self.run.record.plan
        plan = changed(plan, configurations=plan.configurations | {name: configurations})
        self.run.record = changed(self.run.record, plan=plan)

    def _by_dear_trial(self, name: str) -> Rate | None:
        """Run a contender on all rows where that takes much of the time left; tell its cost by that.

        It cannot be cut short, so after others it might find too little time, and a probe of it, of which
        nothing is kept, might take the rest.
        """
        run, seen = self.run, self._seen[name]
        largest = run.record.programmes[name].sizes[-1]
        texts = run.material.read_of(largest) + len(run.material.test)
        tried = self._try_dear(name, lambda number: seen.seconds(largest, number, texts)) if largest else None
        return rate_of([tried], seen) if tried and tried.is_new else None

    def _turn(self, name: str) -> tuple[bool, bool]:
        """Tell in which order contenders are probed: what the clock can end makes do with what is left.

        What learns from no row comes after what does, and finds the test rows encoded.
        """
        contender = self.run.contenders[name]
        return contender.epochs is not None, contender.fixed_sizes == (0,)

    def _run_if_dear(self, name: str, rate: Rate) -> None:
        """Run a contender on all rows at once where the probes of others might leave no time for it."""
        largest = self.run.record.programmes[name].sizes[-1]
        if rate.epochs is None and not rate.reads_long_texts:
            whole = PlannedTrial(name, largest, 0)
            self._try_dear(name, lambda number: self._needed(whole, number))

    def _try_dear(self, name: str, seconds: Callable[[int], float]) -> Tried | None:
        """Run a contender on all rows if that takes much of the time left, with what there is time for.

        Args:
            name: Of the contender.
            seconds: Returns what that takes with so many configurations.
        """
        programme = self.run.record.programmes[name]
        # Where there is no time for all configurations, there may be for the first.
        numbers = range(programme.configurations, 0, -1)
        number = next((number for number in numbers if self._is_dear(seconds(number))), None)
        if number is None:
            return None
        self._fit_in(name, number)
        return self._tried(PlannedTrial(name, programme.sizes[-1], 0))

    def _is_dear(self, needed: float) -> bool:
        """Return whether so many seconds of a core are much of the time left, and there is time for them.

        Nothing is held back for estimates that are too low: the wait is for an encoder, whose pace is known
        best, and what else the time would go to tells less.
        """
        left = self.run.left * self.pace.share
        return DEAR * SAFETY * left < needed <= left < math.inf

    def _is_late(self, name: str) -> bool:
        """Return whether there is no time to measure a contender, as on a busy machine.

        Raises:
            OptionError: Nothing was measured at all: more probes would find nothing else.
        """
        left = self.run.left
        if left <= 0 and not self.run.finished:
            raise self.run.too_small()
        contender = self.run.contenders[name]
        is_first_use = self.pace.is_busy and not self.run.material.shared.has_encoder
        needed = FIRST_USE if contender.needs_encoder and is_first_use else WORTH_PROBING
        if contender.needs_encoder and contender.epochs:
            # It answers every test row anew, which takes no less than encoding it.
            per_text = self._per_text(contender)
            needed += WORTH_PROBING + len(self.run.material.test) * per_text
            needed += seconds_of_probe(contender, per_text)
        if contender.epochs:
            needed += self._owed(left * self.pace.share)
        is_short = bool(self.run.finished) and left * self.pace.share < needed
        return is_short or self._is_dear_at_first(name)

    def _owed(self, left: float) -> float:
        """Return the seconds of a core that contenders without epochs need on more rows than they had so far.

        A contender that had time for a few rows alone tells less than those that are quick with as many as
        there is time for.

        Args:
            left: Seconds of a core, which no trial that counts may exceed by itself.
        """
        run, seconds = self.run, 0.0
        for name, rate in run.record.rates.items():
            # How much is read of long texts is not settled before all are measured.
            if rate.epochs or rate.reads_long_texts or run.contenders[name].is_remote:
                continue
            for size in reversed(run.record.programmes[name].sizes):
                planned = PlannedTrial(name, size, 0)
                if planned.name in run.record.results:
                    break
                needed = self._needed(planned, 1) / rate.slowness
                if needed <= left:
                    seconds += needed
                    break
        return seconds

    @property
    def least(self) -> float:
        """Seconds that the first contender needs where there is no time to measure any."""
        return max(LEAST_BUDGET, min(self._once.values(), default=0.0) / ONCE)

    def _is_dear_at_first(self, name: str) -> bool:
        """Return whether what a contender does once for its encoder would take too much of the time left.

        No clock can end it, and of a large encoder it may take longer than the whole budget.
        """
        left, contender = self.run.left, self.run.contenders[name]
        if contender.first_use is None or left == math.inf:
            return False
        if name not in self._once:
            self._once[name] = contender.first_use(self.run.material.sample(contender))
            if self._once[name] > ONCE * left:
                self.run.reporter.note(
                    f"{name} would first read every token of its encoder, once, which takes about "
                    f"{duration(self._once[name])}: more than half of the time left"
                )
        return self._once[name] > ONCE * left

    def _per_text(self, contender: Contender) -> float:
        """Return the seconds of a core that a text takes a contender's encoder; 0: not known."""
        source = self.run.material.entrants.encoder_of(contender)
        return self.pace.share * self.run.material.shared.seconds_a_text(source) if source else 0.0

    def measure_again(self) -> bool:
        """Measure once more what seems to have no time for all rows; return whether anything was.

        What held up a probe for a moment must not leave a contender out of the comparison.
        """
        run = self.run
        doubtful = [
            name
            for name, rate in run.record.rates.items()
            if rate.epochs
            and not rate.observed
            and PlannedTrial(name, run.record.programmes[name].sizes[-1], 0) in run.record.plan.left_out
            and self._took.pop(name, math.inf) <= AGAIN * run.left
        ]
        for name in doubtful:
            largest, again = run.record.programmes[name].sizes[-1], self.by_probe(name)
            self._took.pop(name)
            both = run.record.rates[name], again
            run.note_rate(name, min(both, key=lambda rate: rate.seconds(largest, 1) / rate.slowness))
        return bool(doubtful)

    def by_probe(self, name: str) -> Rate:
        """Return what a contender costs by fits on a few rows."""
        run, contender = self.run, self.run.contenders[name]
        programme, lap = run.record.programmes[name], Lap()
        rate = probe(
            contender,
            run.material.sample(contender),
            programme,
            tests=len(run.material.test),
            unknown_tests=run.material.unknown_tests(contender),
            texts=run.material.read_of(programme.sizes[-1]),
            seen=self._seen.get(name),
            left=run.left * self.pace.share,
            per_text=self._per_text(contender),
        )
        taken = lap.taken()
        self._took[name] = taken.wall
        if not contender.is_remote:
            self.pace.note(taken)
        return rate

    def by_trials(self, name: str) -> Rate | None:
        """Return what a contender costs by first trials, which are kept; None where none was quick."""
        run, contender, tests = self.run, self.run.contenders[name], len(self.run.material.test)
        # It loads libraries: to wait for a disk is not to share a core. The trials tell what there is of one.
        number, per_text = run.record.programmes[name].configurations, self._per_text(contender)
        self._seen[name] = glance(contender, run.material.sample(contender), number, per_text)

        def tried(size: int, expected: float) -> Tried | None:
            is_late = expected / self.pace.share > run.left
            return None if is_late else self._tried(PlannedTrial(name, size, 0))

        return rate_by_trials(
            run.record.programmes[name],
            self._seen[name],
            lambda size: run.material.read_of(size) + tests,
            tried,
        )

    def _tried(self, planned: PlannedTrial) -> Tried | None:
        """Run a trial before there is a plan, unless its result is there; None where it gave none."""
        run = self.run
        spec = run.specs.of(planned)
        assert spec is not None, "a first seed waits for nothing"
        trial = run.specs.result(planned, spec)
        if trial is not None:
            run.keep(planned, trial)
            return Tried.before(trial)
        outcome = run.run_timed(spec, planned)
        found = run.record.results.get(planned.name)
        if not found:
            return None
        share = outcome.computing.share
        return Tried(run.finished[found], share * (outcome.seconds - outcome.shared), is_new=True)

    def keep_pace(self) -> None:
        """Have all rates say what they come to now: at this share of a core, and after what was shared."""
        for name, rate in self.run.record.rates.items():
            contender = self.run.contenders[name]
            rate.slowness = 1.0 if contender.is_remote else 1 / self.pace.share
            if rate.shared_by_all and not self.run.material.unknown_tests(contender):
                rate.pay_shared(0)
