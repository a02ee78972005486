"""textgraft demo."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from textgraft.cli.compare import conclude
from textgraft.terminal import open_console

CHOICES = {"sizes": "25,50,100,all", "seeds": 1, "tuning": 1, "freeze_layers": 5}
"""So that every contender has time for four sizes: few rows are seen many times, and cost much for what they
are; one seed and one configuration; and fine-tuning of the highest of six layers, which scores here what that
of two does, in less than half of the time."""


def demo(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder for the results; named after data and budget if left out."
        ),
    ] = None,
    budget: Annotated[str, typer.Option("--budget", help="Time for everything.")] = "2m",
) -> None:
    """Compare on text that every machine has: the standard library's docstrings, by chapter of its manual."""
    started = time.perf_counter()
    from textgraft.comparison.compare import run_comparison
    from textgraft.comparison.running.progress import TerminalReporter
    from textgraft.comparison.settings import CompareSettings
    from textgraft.data.demo.embedded import demo_dataset

    settings = CompareSettings.model_validate({"budget": budget, "output": output, **CHOICES})
    reporter = TerminalReporter(open_console(), open_console(notes=True))
    try:
        conclude(run_comparison(demo_dataset(), settings, reporter, started))
    finally:
        reporter.close()
