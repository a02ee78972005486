"""textgraft demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path(
        "runs/demo"
    ),
    budget: Annotated[str, typer.Option("--budget", help="Time for everything.")] = "4m30s",
) -> None:
    """Compare on text that every machine has: the standard library's docstrings, by chapter of its manual."""
    from rich.console import Console

    from textgraft.comparison.compare import compare
    from textgraft.comparison.running.progress import TerminalReporter
    from textgraft.data.demo.embedded import docstrings_dataset
    from textgraft.wording import parse_seconds

    reporter = TerminalReporter(Console())
    try:
        # Fine-tuning all layers would take most of the time; the upper two of six show the same picture.
        compare(
            docstrings_dataset(),
            sizes=[100, 300, 1000],
            output=output,
            budget=parse_seconds(budget),
            freeze_layers=4,
            reporter=reporter,
        )
    finally:
        reporter.close()
