"""What reaches a terminal: folders, files, labels and texts are data, no markup and no escape sequences."""

from __future__ import annotations

import contextlib
import functools
import logging
import re
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but for tab and line feed, marks that turn the direction of text, and surrogates."""


def visible(text: str) -> str:
    r"""Return text with its control characters written out, as ``\x1b`` where a sequence begins."""
    return _CONTROLS.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


@dataclass(frozen=True)
class Manner:
    """How a command speaks."""

    json: bool = False
    """Standard output has the result as JSON and nothing else."""
    quiet: bool = False
    """Nothing is said but the result, and errors."""


_manner: ContextVar[Manner] = ContextVar("manner", default=Manner())  # noqa: B039  it is frozen


@contextlib.contextmanager
def speaking(manner: Manner) -> Iterator[None]:
    """Let all consoles that are opened meanwhile speak in this manner."""
    former = _manner.set(manner)
    try:
        yield
    finally:
        _manner.reset(former)


def open_console(*, stderr: bool = False, notes: bool = False, quiet: bool = False) -> Console:
    """Return a console that prints text letter by letter: styles are given apart from it.

    Args:
        stderr: Whether it writes to standard error, as what is no result does.
        notes: Whether it writes what is no result to standard output, where a command tells of its work.
        quiet: Whether it prints nothing.
    """
    manner = _manner.get()
    is_result = not (stderr or notes or manner.json)
    return _console_class()(
        stderr=stderr or manner.json,
        quiet=quiet or (manner.quiet and not is_result),
        markup=False,
        emoji=False,
        highlight=False,
    )


@functools.cache
def _console_class() -> type[Console]:
    from rich.console import Console
    from rich.segment import Segment

    class LiteralConsole(Console):
        """Writes control characters out, wherever in a table or a bar they stand."""

        def render(self, renderable: Any, options: Any = None) -> Iterable[Segment]:
            """Return the pieces of what is printed; those that steer the terminal are the console's own."""
            for segment in super().render(renderable, options):
                if segment.control is None and _CONTROLS.search(segment.text):
                    yield Segment(visible(segment.text), segment.style)
                else:
                    yield segment

    return LiteralConsole


class VisibleFormatter(logging.Formatter):
    """Formats warnings for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message with its control characters written out."""
        return visible(super().format(record))
