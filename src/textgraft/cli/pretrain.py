"""textgraft pretrain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from textgraft.cli import options
from textgraft.cli.standard_input import TEXTS
from textgraft.cli.surface import give
from textgraft.processes import is_main_process
from textgraft.terminal import open_console

if TYPE_CHECKING:
    from rich.console import Console

    from textgraft.pretraining.config import PretrainOptions
    from textgraft.pretraining.corpus.corpus import Documents
    from textgraft.pretraining.cost import Costs
    from textgraft.pretraining.pretrain import Plan


def pretrain(
    corpus: Annotated[
        Path,
        typer.Argument(
            help="Raw text: a file or a folder of .txt, .jsonl or .parquet, also .gz, .zst, .bz2, .xz or "
            ".zip; - for standard input."
        ),
        TEXTS,
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder of the encoder.")] = None,
    overwrite: options.Overwrite = False,
    arch: Annotated[str, typer.Option(help="bert, roberta, gpt, lstm, gru or rnn.")] = "bert",
    size: Annotated[str, typer.Option(help="tiny, mini, small, medium, base or large.")] = "tiny",
    budget: Annotated[str | None, typer.Option(help="Time for training, as 10m or 2h.")] = None,
    tokens: Annotated[
        str | None,
        typer.Option(
            help="Tokens to train on, as 500k or 100M; unlike --budget, gives the same model every time."
        ),
    ] = None,
    plan: Annotated[bool, typer.Option(help="Show what the training would cost, and train nothing.")] = False,
    vocabulary_size: Annotated[int, typer.Option(help="Entries of the tokenizer at most.")] = 16_000,
    max_length: Annotated[int, typer.Option(help="Tokens of a sequence.")] = 128,
    short_length: Annotated[
        int | None,
        typer.Option(help="Tokens of a sequence in the first nine tenths of the training (bert, roberta)."),
    ] = None,
    characters: Annotated[
        bool, typer.Option(help="Read characters instead of words or pieces of words (gpt, lstm, gru, rnn).")
    ] = False,
    lowercase: Annotated[bool, typer.Option(help="Ignore case (bert, lstm, gru, rnn).")] = True,
    whole_word_masking: Annotated[
        bool, typer.Option(help="Mask all pieces of a word together (bert, roberta).")
    ] = False,
    bidirectional: Annotated[
        bool, typer.Option(help="Train two models, one for each reading direction (lstm, gru, rnn).")
    ] = False,
    dropout: Annotated[float, typer.Option(help="Dropout rate, in all parts of the model.")] = 0.1,
    dev: Annotated[
        Path | None,
        typer.Option(
            help="Corpus to measure on and not to train on; one document in fifty is held out if left out."
        ),
        TEXTS,
    ] = None,
    text: Annotated[str | None, typer.Option("--text", "-t", help="Text column of a table.")] = None,
    documents: Annotated[
        str, typer.Option(help="What separates documents in .txt: blank-lines, or files.")
    ] = "blank-lines",
    machine: Annotated[
        str | None,
        typer.Option(help="Cloud machine whose price --plan takes: m7g.large, c5.2xlarge or g5.xlarge."),
    ] = None,
    price: Annotated[
        float | None, typer.Option(help="For --plan: price of an hour of this machine, in US dollars.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of weights, order, masking and dropout.")] = 0,
    keep: Annotated[int, typer.Option(help="How many checkpoints to keep on disk.")] = 2,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="Set a hyperparameter, as learning_rate=1e-4; may be repeated."),
    ] = None,
    resume: Annotated[bool, typer.Option(help="Resume an unfinished training.")] = False,
) -> None:
    """Turn plain text into an encoder of your own: a language model trained from random weights.

    If it is stopped, run the same command again with --resume: it continues from its last checkpoint. The
    folder is an encoder for every other command, as in compare rows.csv --encoder runs/bert.
    """
    from rich.progress import Progress as Bar
    from rich.progress import SpinnerColumn, TextColumn

    from textgraft.errors import OptionError
    from textgraft.pretraining.pretrain import plan_pretraining
    from textgraft.pretraining.pretrain import pretrain as run
    from textgraft.wording import duration, epochs, parse_seconds

    config: PretrainOptions = {
        "arch": arch,
        "size": size,
        "budget": parse_seconds(budget) if budget else None,
        "tokens": options.count(tokens, "--tokens") if tokens else None,
        "vocabulary_size": vocabulary_size,
        "max_length": max_length,
        "short_length": short_length,
        "characters": characters,
        "lowercase": lowercase,
        "whole_word_masking": whole_word_masking,
        "bidirectional": bidirectional,
        "dropout": dropout,
        "dev": str(dev) if dev else None,
        "text": text,
        "documents": cast("Documents", documents),  # checked with the others
        "machine": machine,
        "price": price,
        "seed": seed,
        "keep": keep,
        "settings": options.settings(setting or []),
    }
    # Under torchrun one process speaks for all.
    console = open_console(stderr=True, quiet=not is_main_process())
    columns = (SpinnerColumn(), TextColumn("reading the corpus: {task.completed:,} documents"))
    bar = Bar(*columns, console=console, transient=True, disable=not console.is_terminal)
    reading = bar.add_task("", total=None)

    def on_documents(count: int) -> None:
        bar.update(reading, completed=count)

    if plan:
        with bar:
            planned = plan_pretraining(corpus, on_documents=on_documents, **config)
        _show_plan(open_console(notes=True, quiet=not is_main_process()), planned)
        if is_main_process():
            give(planned)
        return
    if output is None:
        raise OptionError(
            "no folder for the encoder is named",
            where="textgraft pretrain",
            fix="Write textgraft pretrain corpus/ --budget 2h --output runs/bert, or --plan to see the cost.",
        )

    def on_plan(planned: Plan) -> None:
        bar.stop()
        _show_plan(console, planned)

    with bar, options.training_bar(console) as on_step:
        pretrained = run(
            corpus,
            output,
            resume=resume,
            overwrite=overwrite,
            on_documents=on_documents,
            on_plan=on_plan,
            on_step=on_step,
            **config,
        )
    result = pretrained.result
    figures = ", ".join(f"{name} {value:.4f}" for name, value in pretrained.metrics.items())
    console.print(f"held out: {figures}")
    _show_costs(console, pretrained.costs, "cost")
    console.print(
        f"trained in {duration(result.seconds)} ({epochs(result.epochs, result.stopped_by)}) → {output}",
        soft_wrap=True,
    )
    if is_main_process():
        give(pretrained)


def _show_plan(console: Console, plan: Plan) -> None:
    console.print(
        f"{plan.documents:,} documents of {plan.corpus_tokens:,} tokens, {plan.held_out_documents:,} others "
        f"held out; vocabulary {plan.vocabulary:,}",
    )
    if plan.short_tokens:
        console.print(
            f"the first {plan.short_tokens:,} tokens are learned in short sequences, the rest in full ones",
        )
    if plan.footprint is not None:
        lines = [*plan.footprint.memory_lines(), *plan.footprint.time_lines()]
        console.print(options.table([("memory and time", ""), *lines]))
    _show_costs(console, plan.costs, "plan")


def _show_costs(console: Console, costs: Costs, title: str) -> None:
    from textgraft.pretraining.cost import PUBLISHED, amortization

    console.print(options.table([(title, ""), *costs.lines()]))
    console.print(options.table(amortization(costs), "pre-training once, US dollars a task"))
    for entry in PUBLISHED:
        console.print(f"{entry.name}: {entry.how} ({entry.source})", style="dim")
