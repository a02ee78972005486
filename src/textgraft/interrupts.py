"""Being stopped from outside: by Ctrl-C, and by the signals with which systems and terminals end a process.

All of them become one exception, a kind of KeyboardInterrupt, so that locks are released and temporary files
removed on its way out. Training holds the first one back until its step is whole and saved; a second one acts
at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FrameType

Handler = Callable[[int, FrameType | None], None] | signal.Handlers

STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C, the end that a system asks for, and a terminal that is closed."""
_HELD_BACK = b"\nstopping at the end of this step; once more stops at once\n"


class Stopped(KeyboardInterrupt):
    """The process is to stop.

    Args:
        number: The signal.
    """

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


INTERRUPTED = 128 + signal.SIGINT
"""The exit code of a process that Ctrl-C stopped."""


def exit_code(stop: KeyboardInterrupt) -> int:
    """Return the exit code of a process that a signal stopped: 130 for Ctrl-C, 143 for SIGTERM."""
    return 128 + (stop.number if isinstance(stop, Stopped) else signal.SIGINT)


class Interrupt:
    """Whether, and by which signal, a stop was asked for."""

    number: int | None = None

    @property
    def requested(self) -> bool:
        """Whether one was."""
        return self.number is not None

    def stop(self) -> Stopped:
        """Return the exception to raise when all is saved."""
        return Stopped(self.number or signal.SIGINT)


@contextlib.contextmanager
def stop_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise :class:`Stopped`, unless they are ignored, as under nohup."""

    def raise_stopped(number: int, frame: FrameType | None) -> None:
        del frame
        raise Stopped(number)

    ends = [number for number in STOPS if signal.getsignal(number) is signal.SIG_DFL]
    with _handled(ends, raise_stopped):
        yield


@contextlib.contextmanager
def deferred_interrupt() -> Iterator[Interrupt]:
    """Hold back the first stop, so that weights are never saved half updated; a second one acts at once.

    Held back is what would raise an exception, not what is ignored or ends the process. Outside the main
    thread, where Python delivers no signals, nothing is.
    """
    interrupt = Interrupt()
    raising = {number: handler for number in STOPS if callable(handler := signal.getsignal(number))}

    def remember(number: int, frame: FrameType | None) -> None:
        del frame
        interrupt.number = number
        for held, handler in raising.items():
            signal.signal(held, handler)
        with contextlib.suppress(OSError):  # the terminal may be gone
            os.write(2, _HELD_BACK)  # not by print, which it may have interrupted

    with _handled(raising, remember):
        yield interrupt


@contextlib.contextmanager
def ignored_stops() -> Iterator[None]:
    """Ignore further stops for the last words of a process that is stopping."""
    with _handled(STOPS, signal.SIG_IGN):
        yield


@contextlib.contextmanager
def _handled(numbers: Iterable[int], handler: Handler) -> Iterator[None]:
    """Set a handler for signals and put the former ones back; outside the main thread do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in former.items():
            signal.signal(number, previous)
