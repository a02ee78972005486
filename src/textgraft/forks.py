"""Forked children: a copy of a process without its threads, in which computing on threads waits for ever.

Whoever computes calls :func:`computing` first. In a child of a process that has computed on threads it raises
one clear error, in place of a hang.
"""

from __future__ import annotations

import os
import threading

from textgraft.errors import TextgraftError


class ForkedError(TextgraftError):
    """This process was forked from one whose threads are needed and are gone."""

    def __init__(self) -> None:
        super().__init__(
            "this process was forked from one that had computed on several threads; here they are gone, and "
            "computing would wait for them for ever",
            fix='Start processes by spawn: multiprocessing.get_context("spawn"), mp_context= of '
            "ProcessPoolExecutor; or fork before anything is predicted or encoded.",
        )


class _State:
    on_threads = False
    """Whether this process has computed on more threads than its main one."""
    is_orphan = False
    """Whether it was forked from such a process."""


def computing(threads: int) -> None:
    """Say that a model is about to be run.

    Args:
        threads: Those that the library computes on.

    Raises:
        ForkedError: Its threads did not survive a fork.
    """
    if _State.is_orphan:
        raise ForkedError
    if threads > 1 or threading.current_thread() is not threading.main_thread():
        _State.on_threads = True


def _after_fork() -> None:
    _State.is_orphan = _State.is_orphan or _State.on_threads


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
