"""Jobs on a Ray cluster, through Ray Core's tasks (Moritz et al. 2018, "Ray: a distributed framework").

Every node needs textgraft, and the same paths: a shared file system holds what jobs read and write.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

import msgspec

from textgraft.errors import MissingExtraError, ServiceError
from textgraft.executors.answers import Answer, answer
from textgraft.executors.base import TRIES, Done, Job, lost


class RayExecutor:
    """Does jobs as tasks of a cluster; one whose process or node is lost is done anew elsewhere.

    Args:
        address: Of the cluster: "host:port", "ray://host:port", "auto" for the one that this machine is part
            of, or "local" for one that is started here and ends with the executor.
        jobs: How many at a time, each on its share of the cores; as many as there are cores if None.

    Raises:
        MissingExtraError: Ray is not installed.
        ServiceError: There is no cluster at the address.
    """

    def __init__(self, address: str, jobs: int | None = None) -> None:
        try:
            import ray
        except ImportError as error:
            raise MissingExtraError("ray", "ray", "--ray") from error
        self._ray: Any = ray
        self._is_ours = not ray.is_initialized()
        try:
            if self._is_ours:
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise ServiceError(
                f"no Ray cluster answers: {reason}",
                where=address,
                fix="Start one with: ray start --head; or check the address that it printed.",
            ) from error
        threads = cores_of_each(jobs, cores)
        self.threads: int | None = threads
        self.slots = jobs or max(1, sum(cores))
        paths = os.environ.get("PYTHONPATH")
        variables = {"OMP_NUM_THREADS": str(threads)} | ({"PYTHONPATH": paths} if paths else {})
        self._answer: Any = ray.remote(answer).options(
            num_cpus=threads, max_retries=0, runtime_env={"env_vars": variables}
        )
        self._running: dict[Any, Job] = {}
        self._tries: dict[str, int] = {}

    def submit(self, job: Job) -> None:
        """Take a job on; Ray begins it where there is room."""
        self._tries[job.name] = self._tries.get(job.name, 0) + 1
        self._running[self._answer.remote(job.function, job.order, self.threads)] = job

    def wait(self) -> Done:
        """Wait for the first job to end.

        Raises:
            TextgraftError: The job met a mistake of the user's, or what worked on it was lost again
                and again.
            JobError: It failed otherwise.
        """
        from ray.exceptions import RayError

        while True:
            (ready, *_), _ = self._ray.wait(list(self._running), num_returns=1)
            job = self._running.pop(ready)
            try:
                message = self._ray.get(ready)
            except RayError as error:  # the answer never raises by itself: something was lost
                if self._tries[job.name] >= TRIES:
                    raise lost(job, str(error).partition("\n")[0]) from error
                self.submit(job)
                continue
            self._tries.pop(job.name, None)
            return Done(job.name, msgspec.msgpack.decode(message, type=Answer).unpack())

    def close(self) -> None:
        """Cancel what is still running, and leave the cluster."""
        for reference in self._running:
            self._ray.cancel(reference, force=True)
        self._running.clear()
        if self._is_ours:
            self._ray.shutdown()


def cores_of_each(jobs: int | None, nodes: Sequence[int]) -> int:
    """Return the cores that a job takes: its share of a cluster's, as far as every node with cores has them.

    Args:
        jobs: At a time; None: one a core.
        nodes: The cores of each node.
    """
    if jobs is None:
        return 1
    return max(1, min([sum(nodes) // jobs, *(cores for cores in nodes if cores)]))
