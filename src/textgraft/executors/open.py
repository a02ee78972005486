"""Which executor the user asks for by ``--jobs`` and ``--ray``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from textgraft.errors import OptionError
from textgraft.executors.base import Executor
from textgraft.executors.processes import ProcessExecutor
from textgraft.executors.serial import SerialExecutor
from textgraft.settings import whole_number


@contextlib.contextmanager
def open_executor(jobs: int | None = None, ray: str | None = None) -> Iterator[Executor]:
    """Open an executor for a block; whatever runs when it ends is ended.

    Args:
        jobs: How many jobs at a time; None: one, or as many as a cluster has room for.
        ray: Address of a Ray cluster; None: this machine.

    Raises:
        OptionError: ``jobs`` is no whole number from 1.
        MissingExtraError: Ray is asked for and not installed.
        ServiceError: There is no cluster at the address.
    """
    wanted = None if jobs is None else whole_number(jobs, "--jobs", least=1)
    executor: Executor
    if ray is not None:
        if not ray.strip():
            raise OptionError("no address is given", where="--ray", fix="Give one, as auto or host:6379.")
        from textgraft.executors.on_ray import RayExecutor

        executor = RayExecutor(ray, wanted)
    elif wanted is None or wanted == 1:
        executor = SerialExecutor()
    else:
        executor = ProcessExecutor(wanted)
    try:
        yield executor
    finally:
        executor.close()
