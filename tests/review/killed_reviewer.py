"""A reviewer who is killed: copies of one process lease and decide until they are ended, for test_kills.

Run as ``python -m tests.review.killed_reviewer store kills``; prints a JSON object: the decisions that were
acknowledged, each as item and answer.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from textgraft.review.store import ReviewStore


def review(store: Path, number: int, told: int) -> None:
    """Decide one item after the other; every acknowledged decision is told before the next one is begun."""
    with ReviewStore(store, create=False) as found:
        while leases := found.lease(f"reviewer {number}", seconds=0.2):
            item = leases[0].item
            made = found.decide(item.id, f"reviewer {number}", ("yes", "no")[number % 2])
            os.write(told, json.dumps([made.item, made.answer]).encode() + b"\n")


def processor_seconds(process: int) -> float:
    """Return the processor time that another process has had so far, by its clock in Linux."""
    return time.clock_gettime(~process << 3 | 2)


def has_ended(child: int) -> bool:
    """Return whether a child has nothing more to decide; its clock then stands still."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def main(store: Path, kills: int) -> None:
    """Kill reviewers at random moments of their processor time: on a busy machine no sooner in their work."""
    reads, told = os.pipe()
    os.set_blocking(reads, False)
    acknowledged = b""
    rng = np.random.default_rng(kills)
    for number in range(kills):
        child = os.fork()
        if not child:
            review(store, number, told)
            os._exit(0)
        moment = float(rng.uniform(0.001, 0.03))
        while processor_seconds(child) < moment and not has_ended(child):
            time.sleep(0.0003)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while True:
            try:
                acknowledged += os.read(reads, 1 << 16)
            except BlockingIOError:
                break
    print(json.dumps([json.loads(line) for line in acknowledged.splitlines()]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
