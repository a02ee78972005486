"""Which trials a comparison runs, in which order, and which ones there is no time for.

The order follows what a trial tells. Each contender first trains on all rows with one seed, then at the
sizes that shape its curve (the smallest, then always the one in the widest gap on the log axis), then with
further seeds. Where time is short, contenders whose curves are cheap have them before the costly ones
begin, as far as these can still have all rows afterwards: where a contender stands decides the pick, and a
seed more of one that stands already tells less than any other contender on all rows. So further seeds of the
cheap ones come after that, and then what else there is of the costly ones: their other sizes, a second seed
on all rows, sizes that have time for fewer configurations alone, and other seeds. Where all rows do not fit,
training that the clock can end is planned for a part of its usual length, its schedule with it (Li, Yumer and
Ramanan 2020, "Budgeted training"); where that is too short a part, the others get curves of four sizes, and
then the largest smaller size that fits is taken.

Of the smaller sizes of the costly ones those come first that tell most for a second: how far a size is, on
the log axis, from the nearest one that its contender has, over what it takes at least. So the costliest
training on all rows gives up a part of its length for them. What costs next to nothing beside it is run
before it, as it takes all the time that is left whatever it was estimated at.

Before all of these come the seeds on which the pick hinges: where the best contender on all rows is passed
over for a cheaper one, as its lead may be the luck of one training, further seeds of it on all rows say more
than anything else, if they leave time for the sizes that shape curves.

Before any size is given up, less of long texts is read: fewer windows of each, the costliest contender's
first. A contender reads as many at all sizes, so that its curve is one.

A plan is made anew after every trial, from what is finished, what trials really cost, and the time left.
"""

from __future__ import annotations

import enum
import itertools
import math
from collections.abc import Collection, Mapping, Sequence

from textgraft.comparison.records.plan import PlannedTrial, Programme, Rate, TrialPlan, configurations_of
from textgraft.comparison.running.sizes import LEAST_SIZES, by_worth, farness
from textgraft.comparison.running.time_limits import COMFORT, PETTY, SLACK, shortest

CHEAP = 0.5
"""Contenders that together take up to so much of the time, every size once, have their curves first."""
SAFETY = 0.9
"""Fraction of the time left that estimates may fill: the rest is for their errors."""
MARGIN = 0.95
"""As ``SLACK``, where something else may have what is left over."""
TUNING = 0.5
"""Costly contenders fit several configurations on all rows while that takes up to so much of their time."""
WORTH = 0.05
"""A contender reads less of long texts where that saves at least such a share of the time."""


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
        Phase.SEEDS: [
            (size, seed)
            for seed in range(1, programme.seeds)
            for size in (largest, *smaller)
            if seed in programme.seeds_at(size)
        ],
    }
    trials = {phase: [PlannedTrial(name, *place) for place in found] for phase, found in places.items()}
    return {phase: [one for one in found if one.name not in done] for phase, found in trials.items()}


def cheapest(programmes: Mapping[str, Programme], rates: Mapping[str, Rate]) -> float:
    """Estimate the cheapest trial that there is of the contenders whose rates are given."""
    return min(rate.seconds(programmes[name].sizes[0], 1, windows=rate.least) for name, rate in rates.items())


class _Scheduler:
    """One plan in the making."""

    def __init__(
        self,
        programmes: Mapping[str, Programme],
        rates: Mapping[str, Rate],
        done: Collection[str],
        beaten: Mapping[str, str],
        windows: Mapping[str, int],
        telling: tuple[str, int] | None,
        chosen: Mapping[str, dict[int, int]],
    ) -> None:
        self.programmes, self.rates, self.beaten, self.telling = programmes, rates, beaten, telling
        self.chosen_before = chosen
        self.begun = set(windows)
        self.windows = dict(windows)
        # What is spared takes up no room.
        self.phases = {
            name: {
                phase: [planned for planned in found if not self._is_spared(planned)]
                for phase, found in _phases(name, programme, done).items()
            }
            for name, programme in programmes.items()
        }
        self.configurations = {name: programme.configurations for name, programme in programmes.items()}
        self.chosen: list[PlannedTrial] = []

    def trials(self, name: str) -> list[PlannedTrial]:
        """Return all that is left to do of a contender, in the order of its worth."""
        return list(itertools.chain(*self.phases[name].values()))

    def cost(self, trials: Sequence[PlannedTrial], configurations: int | None = None) -> float:
        """Estimate trials, with what the first of each contender does for all."""
        seconds = 0.0
        for planned in trials:
            windows = self.windows.get(planned.contender, 0)
            fitted = self.fitted(planned, configurations or self.configurations[planned.contender])
            seconds += self.rates[planned.contender].seconds(planned.size, fitted, windows=windows)
        return seconds + self.shared(trials)

    def fitted(self, planned: PlannedTrial, configurations: int) -> tuple[int, ...]:
        """Return the places of the configurations that a trial fits, of so many on the first seed."""
        return configurations_of(planned, configurations, self.chosen_before.get(planned.contender, {}))

    def shared(self, trials: Sequence[PlannedTrial]) -> float:
        """Estimate what trials do for all of their contender, beyond what those do that are chosen."""
        seconds = 0.0
        for name in {planned.contender for planned in trials if self.rates[planned.contender].shared}:
            rate, windows = self.rates[name], self.windows.get(name, 0)
            largest, before = (
                max((one.size for one in some if one.contender == name), default=-1)
                for some in (trials, self.chosen)
            )
            if largest > before:
                seconds += rate.shared_seconds(windows, largest)
                seconds -= rate.shared_seconds(windows, before) if before >= 0 else 0.0
        return seconds

    def least(self, planned: PlannedTrial, slack: float = SLACK) -> float:
        """Estimate a trial of one configuration whose training is as short as it may be, or a little shorter.

        The clock ends it in time, whatever it takes.

        Args:
            planned: The trial.
            slack: Of the shortest training, so much is taken for enough.
        """
        windows, fitted = self.windows.get(planned.contender, 0), self.fitted(planned, 1)
        slack = slack if self.rates[planned.contender].epochs else 1.0
        return self.shared([planned]) + slack * shortest(planned, self.rates, windows, fitted)

    def spared(self, planned: PlannedTrial) -> float:
        """Return the seconds that a trial saves if its training is as short as it may comfortably be."""
        windows = self.windows.get(planned.contender, 0)
        rate, fitted = (
            self.rates[planned.contender],
            self.fitted(planned, self.configurations[planned.contender]),
        )
        usual, shortened = (
            rate.seconds(planned.size, fitted, windows=windows, epochs_share=share)
            for share in (1.0, COMFORT)
        )
        return usual - shortened

    def take(self, phase: Sequence[PlannedTrial], room: float) -> float:
        """Choose the trials of a phase that fit one after the other; return the room that they leave."""
        for planned in phase:
            seconds = self.cost([planned])
            if seconds <= room and planned not in self.chosen:
                self.chosen.append(planned)
                room -= seconds
        return room

    def split(self, room: float) -> tuple[list[str], list[str]]:
        """Return the contenders that have their curves first, the cheapest first, and the others.

        What the clock can end is among the others: where time is short it is shortened.
        """
        order = sorted(self.phases, key=lambda name: self.cost(self.trials(name)))
        spent, cheap = 0.0, []
        for name in order:
            if self.rates[name].epochs is None:
                spent += self.cost(self._once(name))
                if spent > CHEAP * room:
                    break
                cheap.append(name)
        return cheap, [name for name in order if name not in cheap]

    def settle_windows(self, room: float) -> None:
        """Have less of long texts read, until every size of every contender can be measured once.

        The costly contenders give up windows first, the one that costs most now before the others; none
        does for next to nothing.
        """
        worth = {name for name in self.phases if self._saved(name) >= WORTH * room} - self.begun
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
                if fewer is not None and name in worth:
                    self.windows[name] = fewer
                    break
            else:
                return

    def _saved(self, name: str) -> float:
        """Return the seconds that the fewest windows of a text would save, all sizes measured once."""
        most, once = self.windows.get(name, 0), self._once(name)
        before = self.cost(once, 1)
        self.windows[name] = self.rates[name].least
        after = self.cost(once, 1)
        self.windows[name] = most
        return before - after

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

    def needed(self, costly: Sequence[str], room: float) -> float:
        """Return what all rows take costly contenders at least, as far as they fit.

        Where there is room they are left a little more than what is just a result: estimates err.
        """
        return min(room, sum(self.least(planned, MARGIN) for planned in self.fitting(costly, room)))

    def fitting(self, costly: Sequence[str], room: float) -> list[PlannedTrial]:
        """Return the trials on all rows that there is time for, their training as short as it may be.

        Where that is not all of them, those come first that the clock cannot end, and of the others those
        that begin with what an encoder has learned: in no set that was measured is a network best that
        learned from its rows alone (docs/results.md).
        """
        whole = [planned for name in costly for planned in self.phases[name][Phase.WHOLE]]
        found = []
        for planned in sorted(whole, key=self._promise):
            if self.least(planned) <= room:
                room -= self.least(planned)
                found.append(planned)
        return found

    def _promise(self, planned: PlannedTrial) -> tuple[bool, bool, float]:
        is_elastic, least = self._turn(planned.contender)
        return is_elastic, not self.programmes[planned.contender].is_pretrained, least

    def settle_cheap(self, cheap: Sequence[str], costly: Sequence[str], room: float) -> None:
        """Give the cheap contenders the most configurations with which no costly one loses all rows."""
        whole = [planned for name in cheap for planned in self.phases[name][Phase.WHOLE]]
        most = max((self.programmes[name].configurations for name in cheap), default=1)
        wanted = self.needed(costly, room - self.cost(whole, 1))
        number = next((n for n in range(most, 1, -1) if self.cost(whole, n) + wanted <= room), 1)
        for name in cheap:
            self.configurations[name] = min(number, self.programmes[name].configurations)

    def take_largest(self, costly: Sequence[str], room: float) -> float:
        """Choose each costly contender's largest size that can be measured; return the room left.

        What the clock cannot end comes first, as a frozen encoder: it is done quickly or not at all, and what
        the clock can end is shortened to what is left. Then the cheapest of those that :meth:`fitting` has:
        all rows for one of them say more than a few rows for each. Where there is no time for all rows, the
        curves of those that have it come first: a few rows of a costly contender say little beside curves
        that are none.
        """
        unfinished = [name for name in costly if self.phases[name][Phase.WHOLE]]
        short, behind = room, []
        possible = self.fitting(unfinished, room)
        for name in sorted(unfinished, key=self._turn):
            (whole,) = self.phases[name][Phase.WHOLE]
            if whole not in possible:
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

    def _turn(self, name: str) -> tuple[bool, float]:
        return self.rates[name].epochs is not None, self.least(self.phases[name][Phase.WHOLE][0])

    def take_telling(self, costly: Sequence[str], room: float, petty: float) -> float:
        """Choose the seeds on which the pick hinges, and the sizes that shape curves, if both fit.

        Args:
            costly: The contenders.
            room: Seconds.
            petty: Seconds that are next to nothing.

        Returns:
            The room left.
        """
        name, number = self.telling or ("", 0)
        if name not in self.phases or any(own[Phase.WHOLE] for own in self.phases.values()):
            return room
        largest = self.programmes[name].sizes[-1]
        seeds = [planned for planned in self.phases[name][Phase.SEEDS] if planned.size == largest][:number]
        shapes = [planned for own in self.phases.values() for planned in own[Phase.SHAPE]]
        least = sum(self.least(planned) for planned in shapes)
        if len(seeds) < number or self.cost(seeds) + least > room:
            return room
        return self.take_shapes(costly, self.take(seeds, room), petty)

    def take_shapes(self, costly: Sequence[str], room: float, petty: float) -> float:
        """Choose the sizes that shape curves, those of costly contenders above all; return the room left.

        A few rows cost little. Where there is no time for all of these sizes, those are chosen that tell
        most for a second. Their training is shortened, and that on all rows a little unless the seeds of
        cheap ones have no time either; for what costs next to nothing it is shortened as far as may be.

        Args:
            costly: The contenders.
            room: Seconds.
            petty: Seconds that are next to nothing.
        """
        left = [
            planned
            for name in self.phases
            for planned in self.phases[name][Phase.SHAPE]
            if planned not in self.chosen
        ]
        if self.cost(left) <= room:
            return self.take(left, room)
        own = [planned for planned in self.chosen if planned.contender in costly]
        comfortable = room
        possible = room + sum(self.cost([planned]) - self.least(planned, 1.0) for planned in own)
        if all(
            planned in self.chosen
            for name in self.phases
            if name not in costly
            for planned in self.trials(name)
        ):
            comfortable += sum(self.spared(planned) for planned in own)
        while left:
            planned = max(left, key=self._worth)
            left.remove(planned)
            least = self.least(planned)
            if least <= comfortable or (least <= petty and least <= possible):
                comfortable, possible = comfortable - least, possible - least
                room -= self.cost([planned])
                self.chosen.append(planned)
        return room

    def take_with_fewer(self, costly: Sequence[str], room: float) -> float:
        """Choose sizes of costly contenders that have time for fewer configurations; return the room left.

        As many are fitted in all trials of a plan, so nothing else of the first seed may be chosen.
        """
        if any(one.contender in costly and not one.seed for one in self.chosen):
            return room
        usual = dict(self.configurations)
        for number in range(max((usual[name] for name in costly), default=1) - 1, 0, -1):
            before = len(self.chosen)
            self.configurations |= {name: min(number, usual[name]) for name in costly}
            for name in costly:
                for phase in (Phase.SHAPE, Phase.CURVE):
                    room = self.take(self.phases[name][phase], room)
            if len(self.chosen) > before:
                return room
        self.configurations = usual
        return room

    def _worth(self, planned: PlannedTrial) -> float:
        """Return what a size tells of its contender's curve for a second of the shortest training."""
        name = planned.contender
        missing = {one.size for one in self.trials(name) if not one.seed}
        known = {one.size for one in self.chosen if one.contender == name and not one.seed}
        known |= set(self.programmes[name].sizes) - missing
        return farness(planned.size, known) / max(1e-6, self.least(planned))

    def before_the_costliest(self, petty: float) -> None:
        """Put what costs next to nothing before the last training on all rows that the clock can end."""
        last = max(
            (place for place, one in enumerate(self.chosen) if self._is_elastic_whole(one)), default=None
        )
        if last is None:
            return
        begun = {one.contender for one in self.chosen[:last]} | {
            name for name in self.phases if not self.phases[name][Phase.WHOLE]
        }
        small = [
            one
            for one in self.chosen[last + 1 :]
            if one.contender in begun and not one.seed and self.least(one) <= petty
        ]
        rest = [one for one in self.chosen if one not in small]
        place = rest.index(self.chosen[last])
        self.chosen = [*rest[:place], *small, *rest[place:]]

    def _is_elastic_whole(self, planned: PlannedTrial) -> bool:
        return (
            self.rates[planned.contender].epochs is not None
            and planned in self.phases[planned.contender][Phase.WHOLE]
        )

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
        # What beaten contenders have left of their curves comes last.
        chosen = sorted(self.chosen, key=lambda planned: planned.contender in self.beaten)
        missing = [planned for planned in everything if planned not in chosen]
        self.chosen = []
        # What does not fit otherwise is shortened, so that all of it does.
        seconds, fitted = min(self.cost(chosen), math.inf if room is None else room), self.configurations
        self.configurations = {name: own.configurations for name, own in self.programmes.items()}
        return TrialPlan(
            trials=chosen,
            configurations=fitted,
            seconds=seconds,
            left_out=missing,
            missing_seconds=self.cost(missing),
            beaten=dict(self.beaten),
            windows={name: most for name, most in self.windows.items() if most},
            chosen=dict(self.chosen_before),
        )

    def _choose(self, left: float) -> None:
        """Choose what tells most in the time that is left."""
        self.settle_windows(left)
        wholes = [one for own in self.phases.values() for one in own[Phase.WHOLE]]
        petty = PETTY * max(
            (self.cost([one], 1) for one in wholes if self._is_elastic_whole(one)), default=0.0
        )
        cheap, costly = self.split(left)
        self.settle_cheap(cheap, costly, left)
        for name in cheap:
            left = self.take(self.phases[name][Phase.WHOLE], left)
        spare = max(0.0, left - self.needed(costly, left))
        left -= spare
        for phase in (Phase.SHAPE, Phase.CURVE):
            for name in cheap:
                spare = self.take(self.phases[name][phase], spare)
        left += spare
        seeds = [planned for name in cheap for planned in self.phases[name][Phase.SEEDS]]
        self.settle_configurations(costly, left - self.cost(seeds))
        left = self.take_largest(costly, left)
        left = self.take_telling(costly, left, petty)
        for name in cheap:
            left = self.take(self.trials(name), left)
        left = self.take_shapes(costly, left, petty)
        for name in costly:
            left = self.take(self.phases[name][Phase.CURVE], left)
        for name in costly:
            again = [
                one for one in self.phases[name][Phase.SEEDS] if one.size == self.programmes[name].sizes[-1]
            ]
            left = self.take(again[:1], left)
        left = self.take_with_fewer(costly, left)
        for name in costly:
            left = self.take(self.phases[name][Phase.SEEDS], left)
        self.before_the_costliest(petty)

    def _is_spared(self, planned: PlannedTrial) -> bool:
        """Return whether a trial is not run because its contender can no longer win."""
        is_largest = planned.size == self.programmes[planned.contender].sizes[-1]
        return planned.contender in self.beaten and (planned.seed > 0 or is_largest)


def schedule(
    programmes: Mapping[str, Programme],
    rates: Mapping[str, Rate],
    room: float | None,
    done: Collection[str] = (),
    beaten: Mapping[str, str] | None = None,
    windows: Mapping[str, int] | None = None,
    telling: tuple[str, int] | None = None,
    chosen: Mapping[str, dict[int, int]] | None = None,
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
        telling: A contender and how many further seeds of it on all rows the pick hinges on.
        chosen: By contender and training rows, the place of the configuration that the first seed chose.
    """
    scheduler = _Scheduler(programmes, rates, done, beaten or {}, windows or {}, telling, chosen or {})
    return scheduler.plan(room)
