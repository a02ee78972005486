"""The clock by which training is timed: that on the wall, or the processor's.

The processor's clock stands still while other programs run, so what it tells of two trainings can be compared
on a busy machine. It counts all threads: with one, it is what an idle core would take.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextvars import ContextVar

_BY_PROCESSOR: ContextVar[bool] = ContextVar("by_processor", default=False)


def training_clock() -> float:
    """Return the seconds of the clock that training is timed by; only differences mean anything."""
    return time.process_time() if _BY_PROCESSOR.get() else time.perf_counter()


@contextlib.contextmanager
def timed_by_processor() -> Iterator[None]:
    """Time training by the processor's clock while the block runs; budgets stay those of the wall."""
    token = _BY_PROCESSOR.set(True)
    try:
        yield
    finally:
        _BY_PROCESSOR.reset(token)
