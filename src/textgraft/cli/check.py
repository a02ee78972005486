"""textgraft check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from textgraft.cli import options
from textgraft.terminal import open_console


def check(
    source: Annotated[str, typer.Argument(help="The file, the two files or the Hub data set to look at.")],
    task: options.TaskName = None,
    text: options.Text = None,
    label: options.Label = None,
    test: Annotated[Path | None, typer.Option(help="Your own test file.")] = None,
    dev: Annotated[Path | None, typer.Option(help="Your own dev file.")] = None,
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
    console = open_console()
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
    console.print(check_table(found.to_dict()))
    for warning in found.warnings:
        console.print(warned(warning))
    if output:
        write_json(output, found.to_dict())
