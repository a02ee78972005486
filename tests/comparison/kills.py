"""Runs comparisons in copies of one process that has loaded the libraries, and kills them, for test_kills."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np


def _copy(source: str, output: Path, request: dict[str, Any]) -> int:
    """Begin a comparison in a copy of this process, and return its number."""
    number = os.fork()
    if number:
        return number
    status = 1
    try:
        from textgraft.comparison.compare import compare

        compare(source, output=output, **request)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _ended(number: int) -> bool:
    """Return whether a copy ran to its end; one that was killed did not."""
    _, status = os.waitpid(number, 0)
    if os.WIFSIGNALED(status):
        return False
    assert os.WEXITSTATUS(status) == 0, "the comparison failed"
    return True


def main(source: str, folder: Path, kills: int, request: dict[str, Any]) -> None:
    """Run one comparison unbroken, and the same one killed at random moments before it may end."""
    import textgraft.comparison.running.memory as memory
    import textgraft.inference.predictor  # noqa: F401  the libraries are loaded once, and nothing is computed
    from textgraft.comparison.contenders.base import EpochSchedule
    from textgraft.comparison.running import probing

    memory.measure_memory = lambda *_: {}
    memory.MemoryGauge.begin = lambda *_: None
    probing.BRIEF = 0.0
    EpochSchedule.number = lambda *_: 8
    start = time.monotonic()
    assert _ended(_copy(source, folder / "unbroken", request))
    seconds = time.monotonic() - start
    moments = np.random.default_rng(kills).uniform(0.05, 0.7, kills) * seconds
    for moment in moments:
        number = _copy(source, folder / "killed", request)
        time.sleep(moment)
        os.kill(number, signal.SIGKILL)
        if _ended(number):
            break
    assert _ended(_copy(source, folder / "killed", request))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4]))
