"""Jobs one after the other in this process."""

from __future__ import annotations

from collections import deque

from textgraft.executors.base import Done, Job, imported


class SerialExecutor:
    """Does a job when it is waited for; what it raises is raised as it is."""

    slots = 1
    threads: int | None = None

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """Take a job on."""
        self._waiting.append(job)

    def wait(self) -> Done:
        """Do the next job."""
        job = self._waiting.popleft()
        return Done(job.name, imported(job.function)(job.order))

    def close(self) -> None:
        """Forget what was not begun."""
        self._waiting.clear()
