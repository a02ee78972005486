"""The memory that a model takes where it answers: measured in a process that does nothing else.

Memory that a process has once had from the system it seldom gives back, so what was trained before decides
how much more a model seems to need. Hence a process of its own for every model: one child loads the
libraries, and where the system can fork, a copy of it loads one model each and answers some rows; elsewhere a
child each does all of it.

While a comparison trains, such a child may run beside it on what processor time nobody else wants.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import msgspec

from textgraft.data.dataset import Dataset
from textgraft.inference.prompting.prompt import FILE as PROMPT

MEGABYTE = 1e6
ROWS = 32
"""Rows that are answered, the first of the test rows."""
LONGEST = 600.0
"""Seconds after which measuring is given up, whatever time there is."""
SPARE = "--spare"
"""Tells a child to take spare time only."""

logger = logging.getLogger(__name__)


class _Measured(msgspec.Struct, frozen=True):
    """A line of what a child answers."""

    path: str
    megabytes: float | None
    """None where the model could not be measured."""


def measure_memory(models: Mapping[str, Path], rows: Dataset, seconds: float = LONGEST) -> dict[str, float]:
    """Measure the peak resident memory of a process that loads a model and answers rows.

    Python and the libraries are in it, as they are wherever the model serves.

    Args:
        models: Model directories by name.
        rows: Of the task of all of them; the first 32 are answered, in batches.
        seconds: After which a child is ended.

    Returns:
        10^6 bytes by name; a model that could not be measured is missing, as is one that answers elsewhere.
    """
    paths = {name: str(path) for name, path in models.items() if not _answers_elsewhere(path)}
    groups = [list(paths.values())] if _can_fork() else [[path] for path in paths.values()]
    peaks: dict[str, float] = {}
    for group in groups:
        if group:
            peaks |= _measured_by_child(group, rows, min(LONGEST, seconds))
    return {name: peaks[path] for name, path in paths.items() if path in peaks}


class MemoryGauge:
    """Measures models one after the other while something else goes on.

    Args:
        rows: Of the task of all models.
    """

    def __init__(self, rows: Dataset) -> None:
        self._rows = rows
        self._child: subprocess.Popen[bytes] | None = None
        self._names: dict[str, str] = {}

    def begin(self, name: str, path: Path) -> None:
        """Measure a model in spare time; nothing is done where the system cannot fork.

        Args:
            name: Of the model in :meth:`finish`.
            path: Its directory; one that is gone when its turn comes has no figure.
        """
        if not _can_fork() or _answers_elsewhere(path):
            return
        with contextlib.suppress(OSError):
            if self._child is None:
                self._child = subprocess.Popen(
                    [sys.executable, "-m", __name__, SPARE],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    # Ctrl-C is for whoever trains. Not a session of its own: Linux gives every session
                    # the same share of a core, however modest its processes are.
                    process_group=0,
                )
                self._tell(_columns(self._rows))
            self._tell(str(path))
            self._names[str(path)] = name

    def _tell(self, order: object) -> None:
        assert self._child is not None, "begin() starts it"
        assert self._child.stdin is not None, "it is a pipe"
        self._child.stdin.write(msgspec.json.encode(order) + b"\n")
        self._child.stdin.flush()

    def finish(self, seconds: float) -> dict[str, float]:
        """Wait for what was begun, and return 10^6 bytes by name of all that was measured.

        Args:
            seconds: To wait at most.
        """
        if self._child is None:
            return {}
        told = b""
        try:
            told, _ = self._child.communicate(timeout=min(LONGEST, max(0.0, seconds)))
        except subprocess.TimeoutExpired as late:
            told = late.output or b""
        except (OSError, ValueError):
            pass  # it has ended before it was told everything
        self.close()
        found: dict[str, float] = {}
        for line in told.splitlines():
            with contextlib.suppress(msgspec.DecodeError):
                measured = msgspec.json.decode(line, type=_Measured)
                if measured.megabytes is not None:
                    found[self._names[measured.path]] = measured.megabytes
        return found

    def close(self) -> None:
        """End the child and its copies, whatever they are at.

        What takes spare time only ends in spare time, too: on a busy core that took nine seconds, so nobody
        waits for it.
        """
        child, self._child = self._child, None
        if child is not None and child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            threading.Thread(target=child.wait, daemon=True).start()


def _answers_elsewhere(path: Path) -> bool:
    return (path / PROMPT).is_file()


def _columns(rows: Dataset) -> dict[str, list[object]]:
    return {name: list(values[:ROWS]) for name, values in rows.columns.items()}


def _measured_by_child(paths: list[str], rows: Dataset, seconds: float) -> dict[str, float]:
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            input=b"".join(msgspec.json.encode(order) + b"\n" for order in (_columns(rows), *paths)),
            capture_output=True,
            timeout=seconds,
            check=True,
        )
        found = [msgspec.json.decode(line, type=_Measured) for line in done.stdout.splitlines()]
        return {one.path: one.megabytes for one in found if one.megabytes is not None}
    except (OSError, subprocess.SubprocessError, msgspec.DecodeError) as error:
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


def _take_spare_time() -> None:
    """Leave the processor to everybody else; where all is done in real time, to all of that."""
    policy = os.sched_getscheduler(0)
    if policy in (os.SCHED_FIFO, os.SCHED_RR):
        os.sched_setscheduler(0, policy, os.sched_param(os.sched_get_priority_min(policy)))
    else:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _main() -> None:
    """Measure the models that standard input names, line by line; answer each with a line."""
    if SPARE in sys.argv and sys.platform == "linux":
        _take_spare_time()
    atexit.register(gc.freeze)  # whoever waits for the end need not wait until Python has looked for garbage
    answers = sys.stdout.buffer
    columns = msgspec.json.decode(sys.stdin.buffer.readline(), type=dict[str, list[object]])
    import textgraft.inference.predictor
    import textgraft.models.auto  # noqa: F401  the libraries are loaded before this process is copied

    measure = _answer_in_copy if _can_fork() else _answer
    for line in sys.stdin.buffer:
        path = msgspec.json.decode(line, type=str)
        measure(path, columns)  # converts the model for its engine, as is done once
        answers.write(msgspec.json.encode(_Measured(path, measure(path, columns))) + b"\n")
        answers.flush()


if __name__ == "__main__":
    _main()
