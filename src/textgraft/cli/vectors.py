"""textgraft vectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textgraft.cli import options
from textgraft.cli.standard_input import TEXTS
from textgraft.cli.surface import give
from textgraft.terminal import open_console
from textgraft.wording import counted

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from textgraft.evaluation.word_similarity import WordScore


def kept(method: str, output: Path | None, **options: object) -> str:
    """Say what a stopped run leaves."""
    del options
    if output is None or method != "glove":
        return "Nothing was written: run the same command again to start over."
    return "The epochs up to the last checkpoint are kept: run the same command again to resume."


def vectors(
    source: Annotated[
        Path,
        typer.Argument(
            help="A corpus to train on, with --output; else a file of word vectors; - for standard input."
        ),
        TEXTS,
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write: word2vec's format if it ends in .bin or .vec, else GloVe's; packed if"
            " it also ends in .gz.",
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    method: Annotated[str, typer.Option(help="word2vec or glove.")] = "word2vec",
    size: Annotated[int, typer.Option(help="How many numbers a vector has.")] = 100,
    text: Annotated[str | None, typer.Option("--text", "-t", help="Text column of a table.")] = None,
    min_count: Annotated[int, typer.Option(help="Words that occur less often get no vector.")] = 5,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="A setting, as epochs=20; may be repeated.")
    ] = None,
    evaluate: Annotated[
        list[Path] | None,
        typer.Option(
            "--evaluate",
            "-e",
            help="File of rated word pairs or analogies to score the vectors on, or a folder of such "
            "files; may be repeated.",
        ),
        TEXTS,
    ] = None,
    nearest: Annotated[
        list[str] | None,
        typer.Option("--nearest", "-n", help="Print the words nearest to this one; may be repeated."),
    ] = None,
) -> None:
    """Train word vectors on raw text, or look at those of a file.

    To resume a GloVe training that was stopped, run the same command again.
    """
    from rich.progress import Progress

    from textgraft.embeddings.word_vectors import WordVectors
    from textgraft.errors import OptionError
    from textgraft.pretraining.vectors.word_vectors import score_word_vectors, word_vectors

    console = open_console(stderr=True)
    if output is not None:
        chosen: dict[str, Any] = {"size": size, **options.settings(setting or [])}
        with Progress(console=console, transient=True) as progress:
            bar = progress.add_task(method, total=None)
            found = word_vectors(
                source,
                method=method,
                text=text,
                min_count=min_count,
                output=output,
                overwrite=overwrite,
                on_epoch=lambda done, total: progress.update(bar, completed=done, total=total),
                note=lambda line: console.print(f"· {line}", style="dim"),
                **chosen,
            )
        console.print(f"{counted(len(found), 'word')} × {found.size} → {output}", soft_wrap=True)
    elif not (evaluate or nearest):
        raise OptionError(
            "nothing is asked for",
            where="textgraft vectors",
            fix="Train with --output vectors.txt, or look at vectors with --evaluate or --nearest.",
        )
    else:
        found = WordVectors.load(source)
    near = {word: found.nearest(word) for word in nearest or []}
    scores = score_word_vectors(found, evaluate) if evaluate else {}
    told: list[RenderableType] = [
        f"{word}: {', '.join(f'{neighbour} {cosine:.2f}' for neighbour, cosine in listed)}"
        for word, listed in near.items()
    ]
    given = {"output": output, "words": len(found), "size": found.size, "nearest": near, "scores": scores}
    give(given, *told, *([_table(scores)] if scores else []))


def _table(scores: dict[str, WordScore]) -> Table:
    """Draw scores and their coverage."""
    from rich.table import Table

    table = Table("set", box=None)
    for name in ("score", "judged", "of", "coverage"):
        table.add_column(name, justify="right")
    for name, score in scores.items():
        counts = f"{score.judged:,}", f"{score.total:,}", f"{score.coverage:.1%}"
        table.add_row(name, f"{score.value:.3f}", *counts)
    return table
