"""textgraft label-errors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from textgraft.cli import options
from textgraft.cli.standard_input import LABELLED_ROWS
from textgraft.cli.surface import give
from textgraft.terminal import open_console

_SHOWN = 10


def label_errors(
    source: Annotated[
        str, typer.Argument(help="Labelled rows, one label each; - for standard input."), LABELLED_ROWS
    ],
    text: options.Text = None,
    label: options.Label = None,
    id_column: options.IdColumn = None,
    encoder: options.EncoderName = "bundled",
    revision: options.Revision = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write all doubted rows to a .csv or .jsonl file.")
    ] = None,
    review: Annotated[
        Path | None, typer.Option("--review", help="Add the doubted rows to this review queue.")
    ] = None,
    overwrite: options.Overwrite = False,
    seed: Annotated[int, typer.Option("--seed", help="Random seed of the split into folds.")] = 0,
) -> None:
    """Find rows that are probably labelled wrongly: models that were not trained on them doubt the label."""
    from textgraft import wording
    from textgraft.files import check_output
    from textgraft.review.exchange.files import write_rows
    from textgraft.review.label_errors import doubted_items, doubted_rows, find_label_errors
    from textgraft.review.out_of_fold import encoded
    from textgraft.review.store import ReviewStore
    from textgraft.tasks.registry import task_class

    if output is not None:
        check_output(output, (".csv", ".jsonl"), overwrite=overwrite)
    console = open_console(notes=True)
    dataset = task_class("classification").read(source, text=text, label=label, id_column=id_column)
    found = find_label_errors(dataset, encoded(dataset.texts, encoder, revision, console.print), seed=seed)
    rows = doubted_rows(dataset, found.doubted)
    told = [f"{len(rows):,} of {len(dataset):,} labels are doubted by {' and '.join(found.families)}"]
    for name, count in found.unjudged.items():
        told.append(f"! {name} has {wording.counted(count, 'row')}: too few to judge them")
    for row, one in zip(rows[:_SHOWN], found.doubted, strict=False):
        shown = " ".join(dataset.texts[one.row].split())
        told.append(f"{dataset.numbering} {row['line']}: {one.label} → {one.suggested}?  {shown[:80]}")
    if len(rows) > _SHOWN:
        told.append(f"and {len(rows) - _SHOWN:,} more")
    if output is not None:
        write_rows(output, rows)
        told.append(f"all of them → {output}")
    if review is not None:
        with ReviewStore(review) as store:
            added = store.add(doubted_items(dataset, found.doubted))
        told.append(f"{wording.counted(added.new, 'new item')}, {added.known:,} known already → {review}")
        told.append(f"next: textgraft review next {review} --by NAME")
    give({"rows": len(dataset), "doubted": rows, "unjudged": found.unjudged}, *told)
