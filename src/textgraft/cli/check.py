"""textgraft check."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from textgraft.cli import options
from textgraft.terminal import open_console

if TYPE_CHECKING:
    from textgraft.data.check import EncoderCheck


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
    from textgraft.data.check import check_dataset
    from textgraft.data.splits import make_splits
    from textgraft.errors import DataError
    from textgraft.files import refuse_to_replace, write_json
    from textgraft.tasks.named import RowSettings
    from textgraft.tasks.reading import named_task, read_files

    if output:
        refuse_to_replace(output, overwrite=overwrite)
    console = open_console()
    settings = RowSettings(
        task=task,
        text=text,
        label=label,
        id_column=id_column,
        group=group,
        merge_labels=merge_labels,
        offsets=offsets,
        test=str(test) if test else None,
        dev=str(dev) if dev else None,
    )
    kind = named_task(source, settings, console.print)
    dataset, own_test, own_dev = read_files(kind, source, settings, console.print)
    splits = None
    try:
        splits = make_splits(dataset, test=own_test, dev=own_dev)
    except DataError as problem:
        # What stands in the file is worth seeing even where nothing can be learned from it.
        console.print(f"! {problem}")
    found = check_dataset(dataset, splits, encoder_check=_encoder_check(encoder, revision))
    console.print(check_table(found.to_dict()))
    for warning in found.warnings:
        console.print(warned(warning))
    if output:
        write_json(output, found.to_dict())


def _encoder_check(encoder: str, revision: str | None) -> EncoderCheck | None:
    """Return what tells whether the encoder reads the texts; None where the bundled one is not installed."""
    from textgraft.errors import MissingExtraError
    from textgraft.models.encoder_languages import encoder_warning
    from textgraft.models.encoders import BUNDLED, resolve_encoder

    try:
        return functools.partial(encoder_warning, resolve_encoder(encoder, revision))
    except MissingExtraError:
        if encoder == BUNDLED:
            return None
        raise
