"""Jobs side by side in processes of this machine, each with its share of the cores."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass

import msgspec

from textgraft.executors.answers import Answer
from textgraft.executors.base import TRIES, Done, Job, lost
from textgraft.executors.worker import Told, receive, send
from textgraft.processor import cores

_LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
"""Environment variables by which numeric libraries and the tokenizers count their threads."""


@dataclass
class _Worker:
    """A process, and the job it is at."""

    process: subprocess.Popen[bytes]
    job: Job | None = None


class ProcessExecutor:
    """Does jobs in as many processes; one that is lost is replaced, and its job done anew.

    Args:
        jobs: How many at a time.
        threads: That each computes on; its share of the cores if None.
    """

    def __init__(self, jobs: int, threads: int | None = None) -> None:
        self.slots = jobs
        self.threads: int | None = threads or share_of_cores(jobs)
        self._waiting: deque[Job] = deque()
        self._workers: list[_Worker] = []
        self._ended: queue.SimpleQueue[tuple[_Worker, bytes | None]] = queue.SimpleQueue()
        self._tries: dict[str, int] = {}

    def submit(self, job: Job) -> None:
        """Take a job on; it begins where a process is free."""
        self._waiting.append(job)
        self._hand_out()

    def _hand_out(self) -> None:
        """Give waiting jobs to free processes, and start as many as are wanted."""
        while self._waiting:
            worker = next((one for one in self._workers if one.job is None), None)
            if worker is None and len(self._workers) < self.slots:
                worker = self._started()
            if worker is None:
                return
            worker.job = job = self._waiting.popleft()
            self._tries[job.name] = self._tries.get(job.name, 0) + 1
            message = msgspec.msgpack.encode(Told(job.function, job.order, self.threads or 1))
            assert worker.process.stdin is not None, "it is a pipe"
            with contextlib.suppress(OSError):  # it is gone: its listener tells
                send(worker.process.stdin, message)

    def _started(self) -> _Worker:
        limits = {name: os.environ.get(name, str(self.threads)) for name in _LIMITS}
        worker = _Worker(
            subprocess.Popen(
                [sys.executable, "-m", "textgraft.executors.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **limits},
                start_new_session=True,  # Ctrl-C is for whoever gave the work
            )
        )
        self._workers.append(worker)
        threading.Thread(target=self._listen, args=(worker,), daemon=True).start()
        return worker

    def _listen(self, worker: _Worker) -> None:
        assert worker.process.stdout is not None, "it is a pipe"
        while (message := receive(worker.process.stdout)) is not None:
            self._ended.put((worker, message))
        self._ended.put((worker, None))

    def wait(self) -> Done:
        """Wait for the first job to end.

        Raises:
            TextgraftError: The job met a mistake of the user's, or its process was lost again and again.
            JobError: It failed otherwise.
        """
        while True:
            worker, message = self._ended.get()
            job, worker.job = worker.job, None
            if message is None:
                self._replace(worker, job)
                continue
            assert job is not None, "only a process with a job answers"
            self._tries.pop(job.name, None)
            self._hand_out()
            return Done(job.name, msgspec.msgpack.decode(message, type=Answer).unpack())

    def _replace(self, worker: _Worker, job: Job | None) -> None:
        """Forget a process that has ended, and have its job done anew."""
        self._workers.remove(worker)
        code = worker.process.wait()
        if job is not None:
            if self._tries[job.name] >= TRIES:
                raise lost(job, f"its process ended with {code}")
            self._waiting.appendleft(job)
        self._hand_out()

    def close(self) -> None:
        """End all processes, whatever they are at."""
        workers, self._workers = self._workers, []
        self._waiting.clear()
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            worker.process.wait()
            # The listener has the other pipe, which ends now.
            with contextlib.suppress(OSError):
                if worker.process.stdin is not None:
                    worker.process.stdin.close()


def share_of_cores(jobs: int) -> int:
    """Return the threads that each of so many jobs computes on; what the user has said holds for each."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isdigit() and int(said) else max(1, cores() // jobs)
