"""textgraft check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from textgraft.cli import options


def check(
    source: Annotated[str, typer.Argument(help="The file or Hub data set to look at.")],
    text: options.Text = None,
    label: options.Label = None,
    test: Annotated[Path | None, typer.Option(help="Your own test file.")] = None,
    id_column: options.IdColumn = None,
    group: options.Group = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Also save it as JSON.")] = None,
) -> None:
    """Check labelled rows before any training: duplicates, leaks, contradictions, rare labels, encodings."""
    from rich.console import Console

    from textgraft.comparison.terminal import check_table
    from textgraft.data.check import check_dataset
    from textgraft.data.reading import read_dataset
    from textgraft.data.splits import make_splits
    from textgraft.files import write_json

    dataset = read_dataset(source, text=text, label=label, id_column=id_column, group=group)
    own_test = None
    if test:
        own_test = read_dataset(
            test, text=list(dataset.columns), label=dataset.label_column, id_column=id_column, group=group
        )
    found = check_dataset(dataset, make_splits(dataset, test=own_test))
    console = Console()
    console.print(check_table(found.to_dict()))
    for warning in found.warnings:
        console.print(f"[yellow]![/yellow] {warning}", highlight=False)
    if output:
        write_json(output, found.to_dict())
