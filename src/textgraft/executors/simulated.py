"""Jobs on a cluster that is only simulated: a clock of its own, processes that are lost, work left undone.

What is not simulated is everything around the work: what a plan for many machines costs besides it, and
whether it is right, can be told on one.
"""

from __future__ import annotations

import heapq
from collections import deque

import numpy as np

from textgraft.executors.base import TRIES, Done, Job, imported, lost


class SimulatedExecutor:
    """Does jobs on a clock that is set forward to the end of the next one.

    Args:
        slots: Jobs at a time.
        seconds: That a job takes, on average.
        spread: Standard deviation of the logarithm of that time.
        losses: Chance that whoever does a job is lost with it, at a random moment.
        seed: Of what is random.
    """

    threads: int | None = 1

    def __init__(
        self, slots: int, seconds: float, *, spread: float = 0.2, losses: float = 0.0, seed: int = 0
    ) -> None:
        self.slots = slots
        self.now = 0.0
        """Seconds on the clock."""
        self.worked = 0.0
        """Seconds that jobs took in all, what was lost included."""
        self.lost = 0
        """Jobs that were lost and begun again."""
        self._seconds, self._spread, self._losses = seconds, spread, losses
        self._random = np.random.default_rng(seed)
        self._running: list[tuple[float, int, bool, Job]] = []
        self._waiting: deque[Job] = deque()
        self._begun = 0
        self._tries: dict[str, int] = {}

    def submit(self, job: Job) -> None:
        """Take a job on; it begins when there is room."""
        self._waiting.append(job)
        self._begin()

    def _begin(self) -> None:
        while self._waiting and len(self._running) < self.slots:
            job = self._waiting.popleft()
            self._tries[job.name] = self._tries.get(job.name, 0) + 1
            # The mean of a log-normal time is what was asked for.
            took = self._seconds * float(
                self._random.lognormal(-(self._spread**2) / 2, self._spread) if self._spread else 1.0
            )
            is_lost = bool(self._random.random() < self._losses)
            took *= float(self._random.random()) if is_lost else 1.0
            self.worked += took
            self._begun += 1
            heapq.heappush(self._running, (self.now + took, self._begun, is_lost, job))

    def wait(self) -> Done:
        """Set the clock to the end of the next job that is not lost; its function is called then.

        Raises:
            LostWorkError: A job was lost too often.
        """
        while True:
            self.now, _, is_lost, job = heapq.heappop(self._running)
            if is_lost:
                if self._tries[job.name] >= TRIES:
                    raise lost(job, "its process was lost")
                self.lost += 1
                self._waiting.appendleft(job)
                self._begin()
                continue
            del self._tries[job.name]
            self._begin()
            return Done(job.name, imported(job.function)(job.order))

    def close(self) -> None:
        """Forget all jobs."""
        self._running.clear()
        self._waiting.clear()
