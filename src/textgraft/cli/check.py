"""textgraft check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from textgraft.cli import options
from textgraft.cli.standard_input import LABELLED_ROWS
from textgraft.cli.surface import give
from textgraft.terminal import open_console


def check(
    source: Annotated[
        str,
        typer.Argument(help="The file, the two files or the Hub data set to look at; - for standard input."),
        LABELLED_ROWS,
    ],
    task: options.TaskName = None,
    text: options.Text = None,
    label: options.Label = None,
    test: Annotated[Path | None, typer.Option(help="Your own test file."), LABELLED_ROWS] = None,
    dev: Annotated[Path | None, typer.Option(help="Your own dev file."), LABELLED_ROWS] = None,
    id_column: options.IdColumn = None,
    group: options.Group = None,
    merge_labels: options.MergeLabels = False,
    offsets: options.Offsets = "characters",
    encoder: options.EncoderName = "bundled",
    revision: options.Revision = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Also save it as JSON.")] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Check labelled rows before any training: duplicates, leaks, contradictions, rare labels, encodings."""
    from textgraft.comparison.reporting.terminal import check_table, warned
    from textgraft.files import refuse_to_replace, write_json
    from textgraft.tasks.checking import check_rows
    from textgraft.tasks.named import RowSettings

    if output:
        refuse_to_replace(output, overwrite=overwrite)
    console = open_console(notes=True)
    settings = RowSettings.model_validate(
        {
            "task": task,
            "text": text,
            "label": label,
            "id_column": id_column,
            "group": group,
            "merge_labels": merge_labels,
            "offsets": offsets,
            "test": test,
            "dev": dev,
        }
    )
    found = check_rows(source, settings, encoder=encoder, revision=revision, note=console.print)
    give(found.to_dict(), check_table(found.to_dict()), *map(warned, found.warnings))
    if output:
        write_json(output, found.to_dict())
