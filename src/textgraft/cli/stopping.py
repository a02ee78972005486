"""What a command says when it is stopped: what is kept, and how to go on."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import typer

from textgraft.interrupts import exit_code, ignored_stops, stop_signals
from textgraft.processes import is_main_process
from textgraft.terminal import visible


def stoppable(command: Callable[..., None], kept: str | Callable[..., str]) -> Callable[..., None]:
    """Let Ctrl-C, SIGTERM and SIGHUP end a command with a word and an exit code of 130, 143 or 129.

    Args:
        command: A function of typer's.
        kept: What is kept and how to go on; or what says so, called with the command's arguments.
    """

    @functools.wraps(command)
    def run(**arguments: Any) -> None:
        with stop_signals():
            try:
                command(**arguments)
            except KeyboardInterrupt as stop:
                with ignored_stops(), contextlib.suppress(OSError):  # the terminal may be gone
                    if is_main_process():
                        told = kept if isinstance(kept, str) else kept(**arguments)
                        typer.echo(visible(f"\nstopped. {told}"), err=True)
                raise typer.Exit(exit_code(stop)) from None

    return run
