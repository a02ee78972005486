"""textgraft evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from textgraft.cli import options
from textgraft.terminal import open_console


def evaluate(
    model: Annotated[Path, typer.Argument(help="A model directory, as runs/<name>/best.")],
    source: Annotated[str, typer.Argument(help="A file of labelled rows of the model's task.")],
    text: options.Text = None,
    label: options.Label = None,
    id_column: options.IdColumn = None,
    offsets: options.Offsets = "characters",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the scores as JSON.")] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Score a trained model on labelled rows: every metric of its task with a 95% interval."""
    import msgspec
    from rich import box
    from rich.table import Table

    from textgraft.files import refuse_to_replace, write_atomic
    from textgraft.inference.evaluate import evaluate as run

    if output:
        refuse_to_replace(output, overwrite=overwrite)
    result = run(model, source, text=text, label=label, id_column=id_column, offsets=offsets)
    table = Table(title=f"{result.task}, {result.rows:,} rows", title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("metric", "value", "95% interval"):
        table.add_column(name, justify="left" if name == "metric" else "right")
    for name, estimate in result.metrics.items():
        is_given = estimate.low is not None and estimate.high is not None
        ends = f"{estimate.low:.4f} to {estimate.high:.4f}" if is_given else "too few rows"
        mark = "bold" if name == result.metric else None
        table.add_row(name, f"{estimate.value:.4f}", ends, style=mark)
    console = open_console()
    console.print(table)
    for name, signature in result.signatures.items():
        console.print(f"{name}: {signature}", soft_wrap=True)
    if result.skipped:
        console.print(f"{result.skipped:,} rows could not be used")
    if output:
        write_atomic(output, msgspec.json.format(msgspec.json.encode(result), indent=1))
