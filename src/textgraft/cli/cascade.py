"""textgraft cascade."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from textgraft.cli import options
from textgraft.cli.standard_input import LABELLED_ROWS
from textgraft.cli.surface import give
from textgraft.terminal import open_console


def cascade(
    models: Annotated[
        list[Path],
        typer.Argument(help="Model directories with the same labels, the cheapest first; up to 8."),
    ],
    source: Annotated[
        str,
        typer.Argument(help="Labelled rows that they were not trained on; - for standard input."),
        LABELLED_ROWS,
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model directory to write.")],
    tolerance: Annotated[
        float,
        typer.Option(
            help="How many fewer texts than with the last model alone may be answered right, as a "
            "share of all texts."
        ),
    ] = 0.02,
    precision: options.Precision = None,
    error_cost: options.ErrorCost = None,
    review_cost: options.ReviewCost = None,
    text: options.Text = None,
    label: options.Label = None,
    id_column: options.IdColumn = None,
    engine: options.Engine = "auto",
    overwrite: options.Overwrite = False,
) -> None:
    """Make one model of several: a cheap one first, a better one where it is unsure, a person last.

    One half of the labelled rows decides how sure is sure enough, on the other half all figures are measured.
    The folder is a model like any other, and holds copies of its parts.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = open_console(stderr=True)
    from textgraft.inference.cascading.cascade import cascade as run
    from textgraft.inference.cascading.terminal import render

    with Progress(
        TextColumn("asking the models"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("", total=None)
        found = run(
            models,
            source,
            output,
            tolerance=tolerance,
            precision=precision,
            error_cost=error_cost,
            review_cost=review_cost,
            text=text,
            label=label,
            id_column=id_column,
            engine=engine,
            overwrite=overwrite,
            note=lambda line: console.print(line, soft_wrap=True),
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    give(found, render(found), f"model: {found.folder}")
