"""Is the share of a core that a comparison believes to get the one that it gets?

    python benchmarks/neighbours.py [--seconds 8] [--threads 1 2] [--neighbours 0 1 2]

Threads compute together, as in training: alone, then beside processes that do nothing but compute. What they
get done a second, over what as many threads get done alone, is the share that they have. Beside it stands the
one that is told from how long they waited for a core, which plans are made with, and processor time over the
time on the wall, which tells of one thread only.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time

import torch
from machine import describe
from planning import neighbours

from textgraft.comparison.running.pace import Lap
from textgraft.processor import use_threads

WARMING = 3.0
"""Seconds until a core that was idle is at its speed."""


@torch.no_grad()
def pieces(threads: int, seconds: float) -> tuple[float, float, float]:
    """Compute on so many threads; return pieces a second, the share told, and that by processor time."""
    torch.set_num_threads(threads)
    use_threads(threads)
    states = torch.ones(256, 384)
    widening, narrowing = torch.full((384, 1536), 1e-3), torch.full((1536, 384), 1e-3)

    def piece() -> None:
        for _ in range(3):
            torch.layer_norm(torch.nn.functional.gelu(states @ widening) @ narrowing + states, (384,))

    began = time.perf_counter()
    while time.perf_counter() - began < WARMING:
        piece()
    lap, done = Lap(), 0
    while time.perf_counter() - lap.wall < seconds:
        piece()
        done += 1
    processor = time.process_time() - lap.processor
    taken = lap.taken()
    return done / taken.wall, taken.share, min(1.0, processor / taken.wall)


def main() -> None:
    """Measure every combination and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--neighbours", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    print(describe("torch"))
    print("| threads | neighbours | pieces/s | share had | share told | by processor time |")
    print("|---|---|---|---|---|---|")
    # In a process of its own: neighbours that a process has begun itself are no others.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        # The first ones of a process are slower, and libraries keep threads ready that computed once.
        pool.apply(pieces, (max(arguments.threads), arguments.seconds))
        for threads in arguments.threads:
            alone = 0.0
            for number in sorted({0, *arguments.neighbours}):
                with neighbours(number):
                    rate, told, by_processor = pool.apply(pieces, (threads, arguments.seconds))
                alone = alone or rate
                cells = (threads, number, *(f"{x:.2f}" for x in (rate, rate / alone, told, by_processor)))
                print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
