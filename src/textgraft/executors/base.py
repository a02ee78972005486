"""The contract between work that comes in jobs and whoever does it.

A job is the name of a function and bytes for it; its result is bytes. So a job means the same in this
process, in another one and on another machine, and the function need not know where it runs. Whoever runs
jobs may lose a process or a machine: the job is then done anew, so what a job leaves on disk must be written
atomically, and a job that was done must be able to see that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from textgraft.errors import TextgraftError

TRIES = 5
"""How often a job is begun at most, where processes or machines are lost on the way.

Of ten thousand jobs that are lost once in a hundred times each, one in a hundred runs would lose one thrice.
"""


@dataclass(frozen=True)
class Job:
    """Something to do.

    Args:
        name: Tells it from other jobs.
        function: ``"module:name"`` of a function from bytes to bytes that any process can import.
        order: What it is called with.
    """

    name: str
    function: str
    order: bytes


@dataclass(frozen=True)
class Done:
    """A job that has ended well."""

    name: str
    result: bytes


class Executor(Protocol):
    """Does jobs."""

    slots: int
    """How many jobs it does at a time; more than these wait for their turn."""
    threads: int | None
    """That each computes on; None: as many as it likes."""

    def submit(self, job: Job) -> None:
        """Take a job on."""

    def wait(self) -> Done:
        """Wait for any of the jobs that were taken on, and return the first one to end.

        Raises:
            TextgraftError: The job met a mistake of the user's.
            LostWorkError: Processes or machines were lost with it again and again.
            JobError: It failed otherwise: a defect.
        """

    def close(self) -> None:
        """End whatever is still running."""


class LostWorkError(TextgraftError):
    """Processes or machines that work was given to were lost, more often than it is tried."""


class JobError(RuntimeError):
    """A job failed for a reason that is no mistake of the user's; the traceback is that of where it ran."""


def lost(job: Job, reason: str) -> LostWorkError:
    """Return the error for a job that was lost too often.

    Args:
        job: The job.
        reason: What happened to it the last time.
    """
    return LostWorkError(
        f"what worked on {job.name} was lost {TRIES} times: {reason}",
        fix="If memory is short, give fewer --jobs. What is finished is kept: run the same command again to "
        "resume.",
    )


def imported(name: str) -> Any:
    """Return what ``"module:name"`` names, as the function of a job."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)


def run_jobs(executor: Executor, jobs: Iterable[Job], on_done: Callable[[Done], None]) -> None:
    """Have jobs done; no more of them are taken from ``jobs`` than are being done.

    Args:
        executor: Does them.
        jobs: In the order in which they are begun.
        on_done: Called with each as it ends.

    Raises:
        TextgraftError: As for :meth:`Executor.wait`.
    """
    running = 0
    for job in jobs:
        executor.submit(job)
        running += 1
        if running == executor.slots:
            on_done(executor.wait())
            running -= 1
    for _ in range(running):
        on_done(executor.wait())
