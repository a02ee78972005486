"""Which trials a comparison runs, in which order, and which ones there is no time for.

The order follows what a trial tells. Each contender first trains on all rows with one seed, then at the
sizes that shape its curve (the smallest, then always the one in the widest gap on the log axis), then with
further seeds. Where time is short, contenders that are cheap in all do all of this before the costly ones
begin: whatever the budget, there is a whole answer from them. What time is left goes to the costly ones, all
of them on all rows before any of them anywhere else. Where even that does not fit, training that the clock
can end is planned for a part of its usual length, its schedule with it (Li, Yumer and Ramanan 2020, "Budgeted
training"); where that is too short a part, the others get curves of four sizes, and then the largest smaller
size that fits is taken.

Before any size is given up, less of long texts is read: fewer windows of each, the costliest contender's
first. A contender reads as many at all sizes, so that its curve is one.

A plan is made anew after every trial, from what is finished, what trials really cost, and the time left.
"""

from __future__ import annotations

import enum
import itertools
import math
from collections.abc import Collection, Mapping, Sequence

from textgraft.comparison.records.plan import PlannedTrial, Programme, Rate, TrialPlan

LEAST_SIZES = 4
SMALLEST_SIZE = 25
"""Usual sizes are not smaller: below so many labels a curve is still to find its shape."""
CHEAP = 0.5
"""Contenders that together take up to so much of the time do everything first."""
TUNING = 0.5
"""Costly contenders fit several configurations on all rows while that takes up to so much of their time."""
COMPRESSION = 2.5
"""How far training may be shortened to fit; below that a smaller size says more."""


def default_sizes(rows: int, labels: int = 0) -> list[int]:
    """Return 100, 300, 1000, 3000, … below ``rows``, and ``rows`` itself.

    Where that makes fewer than four, halves of the smallest are put before it, as long as they have two rows
    for each of the ``labels``.
    """
    steps = [base * 10**power for power in range(2, 8) for base in (1, 3)]
    sizes = [*(size for size in steps if size <= 0.75 * rows), rows]
    while len(sizes) < LEAST_SIZES and sizes[0] // 2 >= max(SMALLEST_SIZE, 2 * labels):
        sizes.insert(0, sizes[0] // 2)
    return sizes


def by_worth(sizes: Sequence[int]) -> list[int]:
    """Order sizes by what they tell: the largest, the smallest, then always the middle of the widest gap."""
    left = sorted(sizes)
    chosen = [left.pop()]
    if left:
        chosen.append(left.pop(0))
    while left:
        best = max(left, key=lambda size: min(abs(math.log(size / other)) for other in chosen if other))
        left.remove(best)
        chosen.append(best)
    return chosen


class Phase(enum.Enum):
    """What trials of one contender are for, in the order of their worth."""

    WHOLE = enum.auto()
    """All rows with the first seed: where the contender stands."""
    SHAPE = enum.auto()
    """The first of the smaller sizes: with them its curve has a shape."""
    CURVE = enum.auto()
    """The other sizes."""
    SEEDS = enum.auto()
    """Further seeds at all sizes."""


_Left = dict[Phase, list[PlannedTrial]]
"""What is left to do of one contender."""


def _phases(name: str, programme: Programme, done: Collection[str]) -> _Left:
    largest, *smaller = by_worth(programme.sizes)
    places = {
        Phase.WHOLE: [(largest, 0)],
        Phase.SHAPE: [(size, 0) for size in smaller[: LEAST_SIZES - 1]],
        Phase.CURVE: [(size, 0) for size in smaller[LEAST_SIZES - 1 :]],
        Phase.SEEDS: [(size, seed) for seed in range(1, programme.seeds) for size in (largest, *smaller)],
    }
    trials = {phase: [PlannedTrial(name, *place) for place in found] for phase, found in places.items()}
    return {phase: [one for one in found if one.name not in done] for phase, found in trials.items()}


class _Scheduler:
    """One plan in the making."""

    def __init__(
        self,
        programmes: Mapping[str, Programme],
        rates: Mapping[str, Rate],
        done: Collection[str],
        beaten: Mapping[str, str],
        windows: Mapping[str, int],
    ) -> None:
        self.programmes, self.rates, self.beaten = programmes, rates, beaten
        self.begun = set(windows)
        self.windows = dict(windows)
        self.phases = {name: _phases(name, programme, done) for name, programme in programmes.items()}
        self.configurations = {name: programme.configurations for name, programme in programmes.items()}
        self.chosen: list[PlannedTrial] = []

    def trials(self, name: str) -> list[PlannedTrial]:
        """Return all that is left to do of a contender, in the order of its worth."""
        return list(itertools.chain(*self.phases[name].values()))

    def cost(self, trials: Sequence[PlannedTrial], configurations: int | None = None) -> float:
        """Estimate trials, with what the first of each contender does for all."""
        seconds = 0.0
        for planned in trials:
            fitted = 1 if planned.seed else configurations or self.configurations[planned.contender]
            rate = self.rates[planned.contender]
            windows = self.windows.get(planned.contender, 0)
            seconds += rate.seconds(planned.size, fitted, is_chosen=planned.seed > 0, windows=windows)
        names = {planned.contender for planned in trials} - {planned.contender for planned in self.chosen}
        return seconds + sum(self.rates[name].shared_seconds(self.windows.get(name, 0)) for name in names)

    def least(self, planned: PlannedTrial) -> float:
        """Estimate a trial of one configuration whose training is as short as it may be."""
        seconds = self.cost([planned], 1)
        return seconds / COMPRESSION if self.rates[planned.contender].epochs else seconds

    def take(self, phase: Sequence[PlannedTrial], room: float) -> float:
        """Choose the trials of a phase that fit one after the other; return the room that they leave."""
        for planned in phase:
            seconds = self.cost([planned])
            if seconds <= room and planned not in self.chosen:
                self.chosen.append(planned)
                room -= seconds
        return room

    def split(self, room: float) -> tuple[list[str], list[str]]:
        """Return the contenders that do everything first, the cheapest first, and the others."""
        order = sorted(self.phases, key=lambda name: self.cost(self.trials(name)))
        spent, cheap = 0.0, []
        for name in order:
            spent += self.cost(self.trials(name))
            if spent > CHEAP * room:
                break
            cheap.append(name)
        return cheap, order[len(cheap) :]

    def settle_windows(self, room: float) -> None:
        """Have less of long texts read, until every size of every contender can be measured once.

        The costly contenders give up windows first, the one that costs most now before the others.
        """
        while True:
            cheap, costly = self.split(room)
            once = {name: self._once(name) for name in costly}
            needed = sum(self.cost(self.trials(name)) for name in cheap)
            needed += sum(self.cost(trials, 1) for trials in once.values())
            if needed <= room:
                return
            order = sorted(costly, key=lambda name: -self.cost(once[name], 1))
            order += sorted(cheap, key=lambda name: -self.cost(self.trials(name)))
            for name in order:
                fewer = self.rates[name].fewer(self.windows.get(name, 0))
                if fewer is not None and name not in self.begun:
                    self.windows[name] = fewer
                    break
            else:
                return

    def _once(self, name: str) -> list[PlannedTrial]:
        """Return what is left to do of a contender with its first seed."""
        return [planned for planned in self.trials(name) if not planned.seed]

    def settle_configurations(self, costly: Sequence[str], room: float) -> None:
        """Give all costly contenders as many configurations as fit on all rows, at least one.

        None is tried for which a contender would give up the shape of its curve.
        """
        whole = [planned for name in costly for planned in self.phases[name][Phase.WHOLE]]
        shape = [planned for name in costly for planned in self.phases[name][Phase.SHAPE]]
        most = max((self.programmes[name].configurations for name in costly), default=1)
        fitting = (
            number
            for number in range(2, most + 1)
            if self.cost(whole, number) <= TUNING * room and self.cost([*whole, *shape], number) <= room
        )
        number = max(fitting, default=1)
        for name in costly:
            self.configurations[name] = min(number, self.programmes[name].configurations)

    def take_largest(self, costly: Sequence[str], room: float) -> float:
        """Choose each costly contender's largest size that can be measured; return the room left.

        The cheapest comes first: all rows for one of them say more than a few rows for each. Where there is
        no time for all rows, the curves of those that have it come first: a few rows of a costly contender
        say little beside curves that are none.
        """
        unfinished = [name for name in costly if self.phases[name][Phase.WHOLE]]
        short, behind = room, []
        for name in sorted(unfinished, key=lambda name: self.least(self.phases[name][Phase.WHOLE][0])):
            (whole,) = self.phases[name][Phase.WHOLE]
            if self.least(whole) > short:
                behind.append(name)
                continue
            short -= self.least(whole)
            room -= self.cost([whole])
            self.chosen.append(whole)
        if behind:
            before = room
            for name in costly:
                room = room if name in behind else self.take(self.phases[name][Phase.SHAPE], room)
            short -= before - room
        for name in behind:
            smaller = [*self.phases[name][Phase.SHAPE], *self.phases[name][Phase.CURVE]]
            by_size = sorted(smaller, key=lambda planned: -planned.size)
            fitting = next((planned for planned in by_size if self.least(planned) <= short), None)
            if fitting is not None:
                short -= self.least(fitting)
                room -= self.cost([fitting])
                self.chosen.append(fitting)
        return room

    def plan(self, room: float | None) -> TrialPlan:
        """Choose trials that take up to ``room`` seconds; None: all of them."""
        everything = [planned for name in self.phases for planned in self.trials(name)]
        if room is None or self.cost(everything) <= room:
            order = sorted(self.phases, key=lambda name: self.cost(self.trials(name)))
            self.chosen = [
                planned for phase in Phase for name in order for planned in self.phases[name][phase]
            ]
        else:
            self._choose(room)
        chosen = self._without_beaten()
        missing = [
            planned for planned in everything if planned not in chosen and not self._is_spared(planned)
        ]
        self.chosen = []
        seconds, fitted = self.cost(chosen), self.configurations
        self.configurations = {name: own.configurations for name, own in self.programmes.items()}
        return TrialPlan(
            trials=chosen,
            configurations=fitted,
            seconds=seconds,
            left_out=missing,
            missing_seconds=self.cost(missing),
            beaten=dict(self.beaten),
            windows={name: most for name, most in self.windows.items() if most},
        )

    def _choose(self, left: float) -> None:
        """Choose what tells most in the time that is left."""
        self.settle_windows(left)
        cheap, costly = self.split(left)
        for name in cheap:
            left = self.take(self.trials(name), left)
        self.settle_configurations(costly, left)
        left = self.take_largest(costly, left)
        for phase in (Phase.SHAPE, Phase.CURVE, Phase.SEEDS):
            for name in costly:
                left = self.take(self.phases[name][phase], left)

    def _is_spared(self, planned: PlannedTrial) -> bool:
        """Return whether a trial is not run because its contender can no longer win."""
        is_largest = planned.size == self.programmes[planned.contender].sizes[-1]
        return planned.contender in self.beaten and (planned.seed > 0 or is_largest)

    def _without_beaten(self) -> list[PlannedTrial]:
        """Return what was chosen but for what beaten contenders are spared; their curves come last."""
        kept = [planned for planned in self.chosen if not self._is_spared(planned)]
        return sorted(kept, key=lambda planned: planned.contender in self.beaten)


def schedule(
    programmes: Mapping[str, Programme],
    rates: Mapping[str, Rate],
    room: float | None,
    done: Collection[str] = (),
    beaten: Mapping[str, str] | None = None,
    windows: Mapping[str, int] | None = None,
) -> TrialPlan:
    """Plan what is left to do.

    Args:
        programmes: What is to be measured of each contender if time allows.
        rates: What each contender costs.
        room: Seconds for all of it; None: as long as it takes.
        done: Names of the planned trials that need not run any more.
        beaten: Contenders that can no longer win, and the evidence: they get no further seeds, and the rest
            of their curves comes last.
        windows: Of contenders that have results, how many windows they read of a text at most; 0: as many as
            without a clock. They go on so.
    """
    return _Scheduler(programmes, rates, done, beaten or {}, windows or {}).plan(room)


def is_vital(planned: PlannedTrial, plan: TrialPlan) -> bool:
    """Return whether a trial is the one at its contender's largest size that decides where it stands."""
    own = [one.size for one in plan.trials if one.contender == planned.contender and one.seed == 0]
    return planned.seed == 0 and planned.size == max(own, default=0)


def allowance(plan: TrialPlan, rates: Mapping[str, Rate], left: float) -> float:
    """Return the seconds that the first trial of a plan may take.

    An estimate that was too low must not cut a trial short: it may take all the time that is left but for
    what the other contenders need at their largest sizes. Where not even that is there, they share it. What
    cannot be shortened may take all of it: cut, it would be no result.
    """
    first, *others = plan.trials
    left = max(0.0, left)
    if rates[first.contender].epochs is None:
        return left
    own = plan.estimate(first, rates)
    vital = sum(
        plan.estimate(one, rates)
        for one in others
        if one.contender != first.contender and is_vital(one, plan)
    )
    return left - vital if own + vital <= left else own * left / (own + vital)
