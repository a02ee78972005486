"""On how many threads to compute: measured, since with a busy neighbour two are many times slower than one.

Threads that compute one product together wait for the slowest of them. Where another program holds a core,
that is always the same one, and each of thousands of products waits for it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from statistics import median

import torch
from threadpoolctl import threadpool_limits

from textgraft.processor import cores, use_threads

ROUNDS = 5
CLEARLY = 0.9
"""More threads are used where they need at most so much of the time."""


def choose_threads(note: Callable[[str], None], chosen: int | None = None, at_most: int | None = None) -> int:
    """Let torch and the engines compute on as many threads as are fastest at present; return their number.

    Nothing is measured where the user has said it by OMP_NUM_THREADS, or there is one core.

    Args:
        note: Told what was chosen, where it is not all cores.
        chosen: What was chosen before for results that are to stay the same to the last bit.
        at_most: Threads, where several trials share the cores.
    """
    most = cores()
    if os.environ.get("OMP_NUM_THREADS", "").isdigit() or most == 1:
        return torch.get_num_threads()
    if at_most is not None:
        chosen = min(chosen or at_most, at_most)
    if chosen is None:
        times = _measure(most)
        chosen = most if times[most] <= CLEARLY * times[1] else 1
        if chosen == 1:
            note(
                f"computing on one thread: at present {most} take {times[most] / times[1]:.1f} times as long "
                "(OMP_NUM_THREADS says otherwise)"
            )
    torch.set_num_threads(chosen)
    threadpool_limits(chosen, user_api="blas")
    use_threads(chosen)
    return chosen


def _measure(most: int) -> dict[int, float]:
    """Time a piece of a training step on one thread and on all, in turn; return the medians."""
    before = torch.get_num_threads()
    taken: dict[int, list[float]] = {1: [], most: []}
    try:
        for _ in range(ROUNDS):
            for threads, times in taken.items():
                torch.set_num_threads(threads)
                _piece()
                start = time.perf_counter()
                _piece()
                times.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(before)
    return {threads: median(times) for threads, times in taken.items()}


@torch.no_grad()
def _piece() -> None:
    """Compute about what a layer of a small BERT computes for a batch: products with something in between."""
    states = torch.ones(256, 384)
    widening, narrowing = torch.full((384, 1536), 1e-3), torch.full((1536, 384), 1e-3)
    for _ in range(3):
        states = torch.layer_norm(torch.nn.functional.gelu(states @ widening) @ narrowing + states, (384,))
