"""The memory that a model takes where it answers: measured in a process that does nothing else.

Memory that a process has once had from the system it seldom gives back, so what was trained before decides
how much more a model seems to need. Hence a process of its own for every model: one child loads the
libraries, and where the system can fork, a copy of it loads one model each and answers some rows; elsewhere a
child each does all of it.
"""

from __future__ import annotations

import logging
import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from textgraft.data.dataset import Dataset
from textgraft.inference.prompting.prompt import FILE as PROMPT

MEGABYTE = 1e6
ROWS = 32
"""Rows that are answered, the first of the test rows."""
LONGEST = 600.0
"""Seconds after which a measurement is given up."""

logger = logging.getLogger(__name__)


class _Order(msgspec.Struct, frozen=True):
    """What a child is told on its standard input."""

    models: list[str]
    columns: dict[str, list[object]]


def measure_memory(models: Mapping[str, Path], rows: Dataset) -> dict[str, float]:
    """Measure the peak resident memory of a process that loads a model and answers rows.

    Python and the libraries are in it, as they are wherever the model serves.

    Args:
        models: Model directories by name.
        rows: Of the task of all of them; the first 32 are answered, in batches.

    Returns:
        10^6 bytes by name; a model that could not be measured is missing, as is one that answers elsewhere.
    """
    models = {name: path for name, path in models.items() if not (path / PROMPT).is_file()}
    few = rows.select(range(min(ROWS, len(rows))))
    paths = {name: str(path) for name, path in models.items()}
    groups = [list(paths.values())] if _can_fork() else [[path] for path in paths.values()]
    peaks: dict[str, float] = {}
    for group in groups:
        peaks |= _measured_by_child(_Order(group, few.columns))
    return {name: peaks[path] for name, path in paths.items() if path in peaks}


def _measured_by_child(order: _Order) -> dict[str, float]:
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            input=msgspec.json.encode(order),
            capture_output=True,
            timeout=LONGEST,
            check=True,
        )
        return msgspec.json.decode(done.stdout.splitlines()[-1], type=dict[str, float])
    except (OSError, subprocess.SubprocessError, msgspec.DecodeError, IndexError) as error:
        told = getattr(error, "stderr", None) or str(error).encode()
        logger.warning("memory cannot be measured: %s", told.decode(errors="replace").strip()[-300:])
        return {}


def _can_fork() -> bool:
    """Return whether a process that has loaded the libraries can be copied safely."""
    return sys.platform == "linux"


def _peak_bytes() -> int:
    """Return the most resident memory that this process has had, in bytes."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _answer(path: str, columns: dict[str, list[object]]) -> float:
    """Load a model, answer the rows, and return the peak of this process in 10^6 bytes."""
    from textgraft.inference.predictor import load

    load(path).predict_rows(Dataset.unlabelled(columns))
    return _peak_bytes() / MEGABYTE


def _answer_in_copy(path: str, columns: dict[str, list[object]]) -> float | None:
    """Do the same in a copy of this process; None where that fails."""
    reading, writing = os.pipe()
    copy = os.fork()
    if copy == 0:
        try:
            os.write(writing, msgspec.json.encode(_answer(path, columns)))
        finally:
            # Nothing of the parent's is flushed or closed a second time.
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as handle:
        told = handle.read()
    os.waitpid(copy, 0)
    return msgspec.json.decode(told, type=float) if told else None


def _main() -> None:
    """Measure what standard input asks for; the last line of standard output holds the answer."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=_Order)
    import textgraft.inference.predictor
    import textgraft.models.auto  # noqa: F401  the libraries are loaded before this process is copied

    measure = _answer_in_copy if _can_fork() else _answer
    peaks = {}
    for path in order.models:
        measure(path, order.columns)  # converts the model for its engine, as is done once
        peaks[path] = measure(path, order.columns)
    found = {path: peak for path, peak in peaks.items() if peak is not None}
    sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")


if __name__ == "__main__":
    _main()
