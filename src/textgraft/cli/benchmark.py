"""textgraft benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from textgraft.cli import options
from textgraft.cli.surface import give
from textgraft.terminal import open_console


def benchmark(
    suite: Annotated[str, typer.Argument(help="glue, squad, swag, conll or seed-claims.")],
    data: Annotated[
        Path,
        typer.Option(
            help="Folder with a sub-folder for each set; sets that are missing are named, and the others run."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of trials and page; runs/benchmark-SUITE if left out."),
    ] = None,
    sets: Annotated[str | None, typer.Option(help="Only these sets, as CoLA,RTE.")] = None,
    contenders: Annotated[
        str | None,
        typer.Option("--contenders", "-c", help="Comma-separated, as tfidf,lstm; the suite's if left out."),
    ] = None,
    encoder: options.EncoderNames = None,
    vectors: options.Vectors = None,
    rows: Annotated[
        int | None, typer.Option(help="Training rows at most; all, and 1,000 for the claims, if left out.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Repeats; 1, and 2 for the claims, if left out.")] = None,
    tuning: Annotated[int, typer.Option(help="Hyperparameter configurations each contender tries.")] = 1,
    budget: Annotated[str | None, typer.Option(help="Time for each set, as 10m or 2h.")] = None,
    max_length: options.MaxLength = None,
    label_seconds: Annotated[
        float,
        typer.Option(help="Seconds that a person needs to label a text, for the claim on development time."),
    ] = 10.0,
    submission: Annotated[
        Path | None,
        typer.Option(help="Also write this .zip for GLUE's server, with the best contenders' answers."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what stands at --submission already.")
    ] = False,
) -> None:
    """Train and score contenders on public sets, in a table beside published figures.

    Runs what the folder holds, one comparison a set, with the official scoring. seed-claims holds the claims
    "F1 0.84 with 1,000 samples, 20 times less time, 100 times less data" on a dozen sets.
    """
    from textgraft.benchmarking.benchmark import run_benchmark
    from textgraft.benchmarking.settings import BenchmarkSettings
    from textgraft.benchmarking.terminal import render
    from textgraft.comparison.running.progress import TerminalReporter

    settings = BenchmarkSettings.model_validate(
        {
            "data": data,
            "output": output,
            "sets": sets,
            "contenders": contenders,
            "encoder": encoder or ["bundled"],
            "vectors": vectors,
            "rows": rows,
            "seeds": seeds,
            "tuning": tuning,
            "budget": budget,
            "max_length": max_length,
            "label_seconds": label_seconds,
            "submission": submission,
            "overwrite": overwrite,
        }
    )
    reporter = TerminalReporter(open_console(), open_console(notes=True))
    try:
        found = run_benchmark(suite, settings, reporter)
    finally:
        reporter.close()
    give(found, *render(found))
