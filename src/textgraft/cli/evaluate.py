"""textgraft evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from textgraft.cli import options
from textgraft.cli.standard_input import LABELLED_ROWS
from textgraft.cli.surface import give


def evaluate(
    model: options.Model,
    source: Annotated[
        str,
        typer.Argument(help="A file of labelled rows of the model's task; - for standard input."),
        LABELLED_ROWS,
    ],
    text: options.Text = None,
    label: options.Label = None,
    id_column: options.IdColumn = None,
    offsets: options.Offsets = "characters",
    report: Annotated[
        Path | None,
        typer.Option(help="Folder for report.html and report.json, or a file ending in .html."),
    ] = None,
    slices: Annotated[
        str | None,
        typer.Option(
            help="Columns by whose values the report splits the rows, as channel,country; all others "
            "if left out."
        ),
    ] = None,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Score texts with typos and other faults, too.")
    ] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the scores as JSON.")] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Score a trained model on labelled rows: every metric of its task with a 95% interval.

    With --report, also where it is worse than elsewhere, whether it is as sure as it should be, and what it
    takes for what. With --robustness, how much worse it is where texts are written carelessly.
    """
    from textgraft import wording
    from textgraft.errors import OptionError
    from textgraft.files import refuse_to_replace
    from textgraft.inference.evaluate import evaluate as run
    from textgraft.inference.evaluating.record import save_evaluation
    from textgraft.inference.evaluating.terminal import render
    from textgraft.reporting.files import report_paths

    if output:
        refuse_to_replace(output, overwrite=overwrite)
    if slices and report is None:
        raise OptionError(
            "slices are shown in a report", where="--slices", fix="Say where with --report FOLDER."
        )
    result = run(
        model,
        source,
        text=text,
        label=label,
        id_column=id_column,
        offsets=offsets,
        report=report,
        slices=slices,
        robustness=robustness,
        overwrite=overwrite,
    )
    if output:
        save_evaluation(output, result)
    told = [f"{name}: {signature}" for name, signature in result.signatures.items()]
    if result.skipped:
        told.append(f"{wording.counted(result.skipped, 'row')} could not be used")
    if report is not None:
        told.append(f"report: {report_paths(report)[0]}")
    give(result, render(result), *told)
