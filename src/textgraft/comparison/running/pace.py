"""How much of a core a comparison gets: processor time against the clock on the wall.

Where other programs are at work, everything takes longer than it would alone, whoever is trained. So what
contenders cost is kept in seconds of a core of their own, and plans are made for the share of one that the
process has had of late.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

HALF_LIFE = 20.0
"""Seconds after which what was measured counts half: programs beside this one come and go."""
LEAST = 0.02
"""A share below this is taken for it: no plan can be made of nothing."""
BUSY = 0.85
"""A machine that gives less of a core than this is called busy."""
ENOUGH = 1.0
"""Seconds after which that is known: less may be a moment's wait."""


@dataclass(frozen=True)
class Lap:
    """A piece of work that has begun."""

    wall: float = field(default_factory=time.perf_counter)
    processor: float = field(default_factory=time.process_time)

    def taken(self) -> tuple[float, float]:
        """Return the seconds since it began: on the wall, and of the processor by all threads."""
        return time.perf_counter() - self.wall, time.process_time() - self.processor


def share_of(wall: float, processor: float) -> float:
    """Return the share of a core that a piece of work had; of several threads, 1 is as much as is told."""
    return min(1.0, max(LEAST, processor / wall)) if wall > 0 else 1.0


class Pace:
    """The share of a core that the process has had of late."""

    def __init__(self) -> None:
        self._wall = self._processor = 0.0

    def note(self, wall: float, processor: float) -> None:
        """Take a piece of work into account.

        Args:
            wall: Seconds that it took.
            processor: Seconds of the processor, of all threads.
        """
        kept = 0.5 ** (wall / HALF_LIFE)
        self._wall = kept * self._wall + wall
        self._processor = kept * self._processor + min(wall, processor)

    @property
    def is_busy(self) -> bool:
        """Whether others are at work, as far as that was measured for long enough to be said."""
        return self._wall >= ENOUGH and self.share < BUSY

    @property
    def share(self) -> float:
        """The share of a core; 1 before anything was measured."""
        return share_of(self._wall, self._processor)
