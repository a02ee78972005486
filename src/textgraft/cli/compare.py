"""textgraft compare."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from textgraft.cli import options
from textgraft.cli.standard_input import LABELLED_ROWS
from textgraft.cli.surface import give
from textgraft.terminal import open_console

if TYPE_CHECKING:
    from textgraft.comparison.result import Comparison

Contenders = Annotated[
    str | None,
    typer.Option(
        "--contenders",
        "-c",
        help="Which models compete, separated by commas, as tfidf,lstm; see textgraft list "
        "contenders. The usual ones for the task if left out.",
    ),
]
Budget = Annotated[str | None, typer.Option("--budget", help="Time for everything, as 10m or 2h.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Folder for all results, the report and the winning model; runs/NAME-HASH, made of "
        "data and options, if left out.",
    ),
]
MaxLatency = Annotated[
    float | None,
    typer.Option("--max-latency-ms", help="Pick only a model that answers one text within this."),
]
MaxSize = Annotated[float | None, typer.Option("--max-size-mb", help="Pick only a model up to this size.")]
Prefer = Annotated[
    str,
    typer.Option(
        "--prefer",
        help="What decides the winner: 'score', 'cost' (the cheapest whose score is nearly the "
        "best), or the name of a contender to take whatever it scores.",
    ),
]

Price = Annotated[
    float | None,
    typer.Option(
        "--price",
        help="Price of an hour of this machine, in any currency; the report then says what "
        "training and 1,000 texts cost.",
    ),
]
LlmPriceIn = Annotated[
    float | None,
    typer.Option("--llm-price-in", help="Price of a million tokens that the llm reads."),
]
LlmPriceOut = Annotated[
    float | None, typer.Option("--llm-price-out", help="Price of a million tokens that the llm writes.")
]


def compare(
    source: Annotated[
        str,
        typer.Argument(
            help="CSV, TSV, JSON Lines or Parquet file, two files as train.de,train.en, or a Hub data set; "
            "- for standard input."
        ),
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
    contenders: Contenders = None,
    sizes: Annotated[
        str | None,
        typer.Option(help="How many training rows to learn from, as 100,300,all: a learning curve."),
    ] = None,
    shots: Annotated[
        str | None,
        typer.Option(help="Instead of --sizes, the number of training rows of each label, as 4,8,16."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Repeats at each size, each on rows of its own.")] = 3,
    tuning: Annotated[int, typer.Option(help="Hyperparameter configurations each contender tries.")] = 3,
    encoder: options.EncoderNames = None,
    revision: options.Revision = None,
    prompt: options.Prompts = None,
    max_length: options.MaxLength = None,
    freeze_layers: Annotated[
        int | None,
        typer.Option(
            help="Number of lower encoder layers that fine-tuning leaves unchanged, in all configurations."
        ),
    ] = None,
    vectors: options.Vectors = None,
    language_model: options.LanguageModel = None,
    describe: options.Describe = None,
    llm: options.Llm = None,
    llm_model: options.LlmModel = None,
    llm_examples: options.LlmExamples = 8,
    llm_concurrency: options.LlmConcurrency = 4,
    budget: Budget = None,
    robustness: Annotated[
        bool,
        typer.Option("--robustness", help="Try the models on test rows with typos and other faults, too."),
    ] = False,
    thorough: Annotated[
        bool,
        typer.Option(
            "--thorough",
            help="Run every repeat, also of contenders that can no longer win, and answer all test rows.",
        ),
    ] = False,
    output: Output = None,
    add: Annotated[
        bool,
        typer.Option(
            "--add",
            help="Reuse the folder of a finished comparison of the same rows, and replace its verdict.",
        ),
    ] = False,
    max_latency_ms: MaxLatency = None,
    max_size_mb: MaxSize = None,
    prefer: Prefer = "score",
    precision: options.Precision = None,
    error_cost: options.ErrorCost = None,
    review_cost: options.ReviewCost = None,
    price: Price = None,
    llm_price_in: LlmPriceIn = None,
    llm_price_out: LlmPriceOut = None,
    jobs: options.Jobs = None,
    ray: options.Ray = None,
) -> None:
    """Compare TF-IDF, an LSTM, BERT encodings and fine-tuned BERT on your labelled rows.

    Ctrl-C ends it with a verdict on what is known by then; run the same command again to resume.
    """
    started = time.perf_counter()  # to load libraries takes its time, on a busy machine some of the budget
    from textgraft.comparison.compare import run_comparison
    from textgraft.comparison.running.progress import TerminalReporter
    from textgraft.comparison.settings import CompareSettings

    settings = CompareSettings.model_validate(
        {
            "task": task,
            "text": text,
            "label": label,
            "test": test,
            "dev": dev,
            "id_column": id_column,
            "group": group,
            "merge_labels": merge_labels,
            "offsets": offsets,
            "contenders": contenders,
            "sizes": sizes,
            "shots": shots,
            "seeds": seeds,
            "tuning": tuning,
            "encoder": encoder or ["bundled"],
            "revision": revision,
            "prompt": prompt or None,
            "max_length": max_length,
            "freeze_layers": freeze_layers,
            "vectors": vectors,
            "language_model": language_model,
            "describe": describe,
            "llm": llm,
            "llm_model": llm_model,
            "llm_examples": llm_examples,
            "llm_concurrency": llm_concurrency,
            "budget": budget,
            "thorough": thorough,
            "robustness": robustness,
            "output": output,
            "add": add,
            "max_latency_ms": max_latency_ms,
            "max_size_mb": max_size_mb,
            "prefer": prefer,
            "precision": precision,
            "error_cost": error_cost,
            "review_cost": review_cost,
            "price": price,
            "llm_price_in": llm_price_in,
            "llm_price_out": llm_price_out,
            "jobs": jobs,
            "ray": ray,
        }
    )
    reporter = TerminalReporter(open_console(), open_console(notes=True))
    try:
        conclude(run_comparison(source, settings, reporter, started))
    finally:
        reporter.close()


def conclude(comparison: Comparison) -> None:
    """Give the result of a comparison, which its reporter has shown to people."""
    folder, verdict = comparison.folder, comparison.verdict
    best = folder / "best" if verdict.pick is not None else None
    give({"folder": folder, "report": comparison.report, "best": best, "verdict": verdict})
