"""One bar for long work that Python calls for, in notebooks and terminals; elsewhere nothing is shown."""

from __future__ import annotations

import contextlib
import html
import sys
import time
from collections.abc import Iterator
from typing import Any, Protocol

from textgraft.errors import OptionError

_PAUSE = 0.2
"""Seconds between two pictures in a notebook: each is a message to the browser."""


class Bar(Protocol):
    """Shows how far work has come."""

    def update(self, done: float, total: float | None, text: str = "") -> None:
        """Show that ``done`` of ``total`` is done, None where that is not known, and what is being done."""

    def say(self, text: str) -> None:
        """Show a line that the user should read, beside the bar."""

    def close(self, text: str = "") -> None:
        """Take the bar away, and leave a last line if there is one."""


class NoBar:
    """Shows nothing."""

    def update(self, done: float, total: float | None, text: str = "") -> None:
        """Ignore it."""

    def say(self, text: str) -> None:
        """Ignore it."""

    def close(self, text: str = "") -> None:
        """Ignore it."""


class NotebookBar:
    """A bar in the output of a notebook's cell, drawn anew in its place."""

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self._html = HTML
        self._handle: Any = display(HTML("<span></span>"), display_id=True)
        self._drawn = 0.0
        self._told = ""
        self._closed = False

    def update(self, done: float, total: float | None, text: str = "") -> None:
        """Draw it, unless that was done a moment ago."""
        now = time.monotonic()
        if self._closed or now - self._drawn < _PAUSE:
            return
        self._drawn = now
        length = f' value="{done:g}" max="{total:g}"' if total else ""
        line = f"<br><small>{html.escape(self._told)}</small>" if self._told else ""
        self._show(f'<progress{length} style="width:16em"></progress> {html.escape(text)}{line}')

    def say(self, text: str) -> None:
        """Show it below the bar from now on."""
        self._told, self._drawn = text, 0.0

    def close(self, text: str = "") -> None:
        """Leave the last line in its place."""
        if not self._closed:
            self._closed = True
            self._show(html.escape(text or self._told))

    def _show(self, inner: str) -> None:
        self._handle.update(self._html(f"<div>{inner}</div>"))


class TerminalBar:
    """A bar on standard error, gone when the work is done."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        from textgraft.terminal import open_console

        self._console = open_console(stderr=True)
        self._bar = Progress(
            BarColumn(bar_width=24),
            TextColumn("{task.description}", markup=False),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None)

    def update(self, done: float, total: float | None, text: str = "") -> None:
        """Move it on."""
        self._bar.start()
        self._bar.update(self._task, completed=done, total=total, description=text)

    def say(self, text: str) -> None:
        """Print it above the bar."""
        self._console.print(f"· {text}", style="dim", soft_wrap=True)

    def close(self, text: str = "") -> None:
        """Take it off the screen, and print the last line."""
        self._bar.stop()
        if text:
            self._console.print(text, soft_wrap=True)


def in_notebook() -> bool:
    """Tell whether a kernel of Jupyter runs this code, so that its output is a page."""
    shell = sys.modules.get("IPython")
    running = shell.get_ipython() if shell is not None and hasattr(shell, "get_ipython") else None
    return running is not None and hasattr(running, "kernel")


def check_progress(progress: bool | None) -> None:
    """Refuse what says neither that a bar is shown nor that none is, before any work is done.

    Raises:
        OptionError: ``progress`` is neither True nor False nor None.
    """
    if progress is not None and not isinstance(progress, bool):
        raise OptionError(
            f"progress is {progress!r}", where="progress", fix="Give True or False, or leave it out."
        )


@contextlib.contextmanager
def open_bar(progress: bool | None) -> Iterator[Bar]:
    """Open a bar where one is wanted, and take it away when the work has ended or failed.

    Args:
        progress: Whether one is shown; None: where somebody watches, in a notebook or on a terminal.

    Raises:
        OptionError: ``progress`` is something else.
    """
    check_progress(progress)
    bar: Bar = NoBar()
    if progress is not False and in_notebook():
        bar = NotebookBar()
    elif progress or (progress is None and sys.stderr is not None and sys.stderr.isatty()):
        bar = TerminalBar()
    try:
        yield bar
    finally:
        bar.close()
