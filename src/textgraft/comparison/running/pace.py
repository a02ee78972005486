"""How much of a core a comparison gets: how long its threads wait for one while they could compute.

Where other programs are at work, everything takes longer than it would alone, whoever is trained. So what
contenders cost is kept in seconds of a core of their own, and plans are made for the share of one that the
process has had of late.

Processor time alone does not tell that share. A process of two threads that gets one core of two has as much
of it as one thread alone, and takes more than twice as long; one that waits for a disk has little, and shares
no core. Linux counts for every thread how long it was ready to run and did not. Of threads those count that
compute: others, that libraries keep ready, may wait for a core only to find that there is nothing to do.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from textgraft.comparison.records.plan import BUSY
from textgraft.processor import chosen_threads

HALF_LIFE = 20.0
"""Seconds after which what was measured counts half: programs beside this one come and go."""
LEAST = 0.02
"""A share below this is taken for it: no plan can be made of nothing."""
ENOUGH = 1.0
"""Seconds after which it is known: less may be a moment's wait."""
_STOLEN = 7
"""Which figure of a core in ``/proc/stat`` says what the machines beside a virtual one took of it."""
_USER_TIME = 11
"""Where ``/proc/PID/stat`` has a process's time, after its name; the system's and its children's follow."""
_AT_WORK = (0, 1, 2, 5, 6, _STOLEN)
"""Those that are not of a core without work."""


@dataclass(frozen=True)
class Counts:
    """What Linux has counted until now."""

    ran: dict[str, float]
    """Seconds that each thread of this process has computed, by its id."""
    waited: dict[str, float]
    """Seconds that it was ready to run and had no core."""
    stolen: float
    """Seconds that a virtual machine's cores lost to others."""
    busy: float
    """Seconds that the cores of this process were at work, for whomever but the processes that it began."""


def counted() -> Counts | None:
    """Return what is counted; None where the system does not tell, as those other than Linux."""
    ran: dict[str, float] = {}
    waited: dict[str, float] = {}
    of_children = 0
    try:
        for thread in Path("/proc/self/task").iterdir():
            try:
                computed, ready, _ = (thread / "schedstat").read_text().split()
                of_children += sum(map(_ticks_of, (thread / "children").read_text().split()))
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended meanwhile
            ran[thread.name], waited[thread.name] = int(computed) / 1e9, int(ready) / 1e9
        own = {f"cpu{core}" for core in os.sched_getaffinity(0)}
        lines = (line.split() for line in Path("/proc/stat").read_text().splitlines())
        ticks = [[int(value) for value in line[1:]] for line in lines if line and line[0] in own]
        second = os.sysconf("SC_CLK_TCK")
        stolen = sum(of_core[_STOLEN] for of_core in ticks) / second
        busy = sum(of_core[place] for of_core in ticks for place in _AT_WORK) - of_children
    except (OSError, ValueError, IndexError, AttributeError):
        return None
    ended = os.times()
    if not any(ran.values()):  # a kernel that does not count says 0 of all
        return None
    return Counts(ran, waited, stolen, busy / second - ended.children_user - ended.children_system)


def _ticks_of(process: str) -> int:
    """Return the ticks of the clock that a process has computed for, with those it has waited for."""
    try:
        # A program's name may hold anything, and stands in brackets.
        figures = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(map(int, figures[_USER_TIME : _USER_TIME + 4]))


@dataclass(frozen=True)
class Taken:
    """What a piece of work took."""

    wall: float
    """Seconds on the wall."""
    share: float
    """Of a core, that it had meanwhile, 0 to 1."""

    @property
    def alone(self) -> float:
        """Seconds that it takes where no other program is at work."""
        return self.share * self.wall


@dataclass(frozen=True)
class Lap:
    """A piece of work that has begun."""

    wall: float = field(default_factory=time.perf_counter)
    processor: float = field(default_factory=time.process_time)
    counts: Counts | None = field(default_factory=counted)

    def taken(self) -> Taken:
        """Return what it took until now."""
        wall, processor = time.perf_counter() - self.wall, time.process_time() - self.processor
        before, now = self.counts, counted()
        if before is None or now is None:
            return Taken(wall, clamped(processor / wall) if wall > 0 else 1.0)
        ran = {name: seconds - before.ran.get(name, 0.0) for name, seconds in now.ran.items()}
        computing = sorted(ran, key=lambda name: -ran[name])[: chosen_threads()]
        waits = [now.waited[name] - before.waited.get(name, 0.0) for name in computing]
        lost = now.stolen - before.stolen
        return Taken(wall, share_of(wall, [*waits, lost], now.busy - before.busy - processor))


def share_of(wall: float, waits: Iterable[float], others: float) -> float:
    """Return the share of a core that a piece of work had.

    Threads that compute something together go on only while all of them have a core: where each waits at
    times of its own, that is the product of what each is not waiting for. But threads of a process wait for
    one another, too: it lacks no more than others had.

    Args:
        wall: Seconds that it took.
        waits: Seconds that each of its threads waited for a core.
        others: Seconds that other programs had on its cores, all cores together.
    """
    if wall <= 0:
        return 1.0
    together = math.prod(1.0 - min(1.0, max(0.0, wait) / wall) for wait in waits)
    return clamped(max(together, 1.0 - others / wall))


def clamped(share: float) -> float:
    """Return a share that plans can be made with."""
    return min(1.0, max(LEAST, share))


class Pace:
    """The share of a core that the process has had of late."""

    def __init__(self) -> None:
        self._wall = self._alone = 0.0

    def note(self, taken: Taken) -> None:
        """Take a piece of work into account."""
        kept = 0.5 ** (taken.wall / HALF_LIFE)
        self._wall = kept * self._wall + taken.wall
        self._alone = kept * self._alone + taken.alone

    @property
    def is_busy(self) -> bool:
        """Whether others are at work, as far as that was measured for long enough to be said."""
        return self._wall >= ENOUGH and self.share < BUSY

    @property
    def share(self) -> float:
        """The share of a core; 1 before anything was measured, and near that after moments."""
        unknown = max(0.0, ENOUGH - self._wall)
        return max(LEAST, (self._alone + unknown) / (self._wall + unknown))
