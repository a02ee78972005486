"""What the trials so far say: to the user, who can stop at any time, and to the plan of what is left."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from textgraft.comparison.records.plan import ComparisonPlan, PlannedTrial, Request, save_plan
from textgraft.comparison.records.verdict import Verdict, save_verdict
from textgraft.comparison.running.pace import Lap

if TYPE_CHECKING:
    from textgraft.comparison.records.preferences import Preferences
    from textgraft.comparison.records.trials import TestSet, Trial
    from textgraft.comparison.running.progress import Reporter

FIRST = 60.0
"""Seconds after which there is a first verdict."""
PAUSE = 30.0
"""Seconds that a verdict stands at least before the next."""
SHARE = 0.02
"""Of the time, judging on the way takes no more."""


class Running(Protocol):
    """What is asked of a run whose trials so far are looked at."""

    folder: Path
    request: Request
    record: ComparisonPlan
    reporter: Reporter
    test_set: TestSet
    preferences: Preferences
    started: float
    cut: dict[str, float]

    def planned_trials(self) -> list[Trial]:
        """Return the results of the plan, in their order."""


class Interim:
    """Looks at the trials so far of one run.

    Args:
        run: The run.
    """

    def __init__(self, run: Running) -> None:
        self.run = run
        self.beaten: dict[str, str] = {}
        """Contenders that can no longer win, and the evidence."""
        self.telling: tuple[str, int] | None = None
        """A contender, and how many further seeds of it on all rows the pick hinges on."""
        self.judging = self.drawing = 0.0
        """Seconds of a core that each took last."""
        self._next = run.started + FIRST
        self._judged: tuple[list[str], Verdict] | None = None
        """The last verdict, and the trials that it is of."""

    @property
    def took(self) -> float:
        """Seconds of a core that a verdict and its report took last; 0 before there was one."""
        return self.judging + self.drawing

    def look(self, after: PlannedTrial | None = None) -> None:
        """Look who can no longer win and on whose seeds the pick hinges, once all stand on all rows that can.

        Args:
            after: The trial that was finished last; None: those of an earlier call.
        """
        from textgraft.comparison.judging.dropping import beaten

        run = self.run
        if not self._all_stand():
            return
        if not run.request.thorough and not (after and after.seed):
            self.beaten |= beaten(run.planned_trials(), run.test_set, run.record.largest)
        is_whole = after is None or after.size == run.record.programmes[after.contender].sizes[-1]
        if run.request.budget is not None and is_whole:
            self.telling = self._verdict().telling

    def judge_if_due(self) -> bool:
        """After the first minute, and then at growing intervals, judge what is known and draw the report.

        Returns:
            Whether it was time for it.
        """
        from textgraft.comparison.reporting.report import write_report

        if time.perf_counter() < self._next or not self.run.record.results:
            return False
        verdict = self._verdict()
        lap = Lap()
        # The report is drawn from what is on disk alone.
        save_plan(self.run.folder, self.run.record)
        save_verdict(self.run.folder, verdict)
        write_report(self.run.folder)
        self.run.reporter.interim(verdict)
        self.drawing = lap.taken().alone
        self._next = time.perf_counter() + max(PAUSE, self.took / SHARE)
        return True

    def _verdict(self) -> Verdict:
        from textgraft.comparison.judging.judge import judge

        trials = self.run.planned_trials()
        names = [trial.id for trial in trials]
        if self._judged is None or self._judged[0] != names:
            lap = Lap()
            verdict = judge(trials, self.run.test_set, preferences=self.run.preferences)
            self._judged, self.judging = (names, verdict), lap.taken().alone
        return self._judged[1]

    def _all_stand(self) -> bool:
        """Return whether all have been tried on all rows that can be, and there are further seeds to run."""
        record = self.run.record
        if all(programme.seeds == 1 for programme in record.programmes.values()):
            return False
        done = {*record.results, *self.run.cut}
        left_out = {one.name for one in record.plan.left_out}
        whole = {PlannedTrial(name, own.sizes[-1], 0).name for name, own in record.programmes.items()}
        return whole <= done | left_out and bool(record.results)
