"""textgraft predict."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from textgraft.cli import options

FORMATS = ("csv", "tsv", "jsonl", "txt")


def kept(source: str, output: Path | None, **options: object) -> str:
    """Say what a stopped run leaves."""
    del options
    if source == "-" and output is None:
        return "Nothing is kept of standard input: the same command begins anew."
    return "The rows predicted so far are kept: the same command computes the rest."


def predict(
    model: Annotated[Path, typer.Argument(help="A model directory, as runs/<name>/best.")],
    source: Annotated[
        str, typer.Argument(help="CSV, TSV, JSON Lines, Parquet or .txt file; - for standard input.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A .csv or .jsonl file; beside the input if left out."),
    ] = None,
    text: options.Text = None,
    id_column: options.IdColumn = None,
    form: Annotated[
        str, typer.Option("--format", help="Of standard input: csv, tsv, jsonl or txt (one text a line).")
    ] = "txt",
) -> None:
    """Predict every row of a file: label, score and the scores of all labels.

    Run again, it computes only what is missing. Rows that cannot be used are set aside with a reason.
    Standard input is answered on standard output as JSON Lines, unless --output is given.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from textgraft.errors import unknown
    from textgraft.files import output_errors
    from textgraft.models.directory import read_manifest
    from textgraft.wording import duration

    if form not in FORMATS:
        raise unknown("format", form, FORMATS, where="--format")
    manifest = read_manifest(model)
    piped = source == "-"
    columns = text
    if columns is None and not (piped and form == "txt") and not source.endswith(".txt"):
        columns = manifest.text_columns if manifest.label_column else None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"standard input.{form}" if piped else Path(source)
        if piped:
            with output_errors(path):
                path.write_bytes(sys.stdin.buffer.read())
        from textgraft.tasks.registry import task_class

        dataset = task_class(manifest.task).read(path, text=columns, id_column=id_column, labelled=False)
    console = Console(stderr=True)
    # Importing torch takes seconds: only once the input is known to be usable.
    from textgraft.inference.predict_file import RowCache, predict_file, predict_rows, write_predictions
    from textgraft.inference.predictor import load

    predictor = load(model)
    with Progress(
        TextColumn("predicting"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        bar = progress.add_task("", total=len(dataset))
        if piped and output is None:
            cache = RowCache(None, "")
            predict_rows(predictor, dataset, cache, lambda rows: progress.advance(bar, rows))
            write_predictions(sys.stdout.buffer, ".jsonl", dataset, cache)
            for row in dataset.rejected:
                console.print(f"line {row.line} set aside: {row.reason}", highlight=False)
            return
        answer = output or Path(source).with_suffix(".predictions.csv")
        summary = predict_file(predictor, dataset, answer, lambda rows: progress.advance(bar, rows))
    console.print(
        f"{summary.rows:,} rows → {answer} ({summary.computed:,} computed, {summary.skipped:,} set aside) "
        f"in {duration(summary.seconds)}",
        highlight=False,
        soft_wrap=True,
    )
    if lost := predictor.task.truncated_share(dataset, predictor.tokenizer, predictor.max_length):
        console.print(
            f"{lost:.1%} of all tokens lie beyond the {predictor.max_length} that the model reads of a row",
            highlight=False,
        )
    if summary.skipped:
        console.print(f"set aside, with reasons: {answer}.rejected.jsonl", highlight=False, soft_wrap=True)
