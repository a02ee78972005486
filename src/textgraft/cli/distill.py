"""textgraft distill."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from textgraft.cli import options
from textgraft.cli.standard_input import TEXTS
from textgraft.cli.surface import give
from textgraft.processes import is_main_process
from textgraft.terminal import open_console
from textgraft.wording import counted

if TYPE_CHECKING:
    from textgraft.pretraining.corpus.tokens import Unit
    from textgraft.training.progress import Progress


def distill(
    teacher: Annotated[str, typer.Argument(help=options.ENCODER_HELP)],
    corpus: Annotated[
        Path,
        typer.Argument(help="Raw text: a file or a folder, as for pretrain; - for standard input."),
        TEXTS,
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the student.")],
    overwrite: options.Overwrite = False,
    student: Annotated[str, typer.Option(help="layers (of the teacher's), lstm, gru or rnn.")] = "layers",
    layers: Annotated[
        int | None, typer.Option(help="Number of layers of the student; half the teacher's if left out.")
    ] = None,
    embedding_size: Annotated[
        int, typer.Option(help="Width of a recurrent student's embedding matrix.")
    ] = 128,
    pooling: Annotated[
        str,
        typer.Option(
            help="How the vectors of a text's tokens become one: mean, cls (the first token's) or max."
        ),
    ] = "mean",
    unit: Annotated[
        str, typer.Option(help="What the student learns to encode: single sentences, or a whole text (text).")
    ] = "sentences",
    texts: Annotated[
        int | None, typer.Option(help="Number of texts to learn from at most, drawn at random.")
    ] = None,
    text: Annotated[str | None, typer.Option("--text", "-t", help="Text column of a table.")] = None,
    max_length: options.MaxLength = None,
    revision: options.Revision = None,
    budget: Annotated[str | None, typer.Option(help="Time for training, as 10m or 2h.")] = None,
    seed: Annotated[
        int, typer.Option(help="Random seed of the order, the masked positions and dropout.")
    ] = 0,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="Set a hyperparameter, as learning_rate=1e-4; may be repeated."),
    ] = None,
) -> None:
    """Train a smaller encoder on raw text to do what a teacher does.

    If it is stopped, run the same command again: it resumes from its last checkpoint.
    """
    from rich.progress import Progress as Bar

    from textgraft.pretraining.distill import distill as run

    console = open_console(stderr=True, quiet=not is_main_process())
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
        reading, training = (bar.add_task(name, total=None) for name in ("teacher reads", "student learns"))

        def on_texts(done: int, total: int) -> None:
            bar.update(reading, completed=done, total=total)

        def on_step(progress: Progress) -> None:
            bar.update(training, completed=progress.step, total=progress.planned_steps)

        distilled = run(
            teacher,
            corpus,
            output,
            student=student,
            layers=layers,
            embedding_size=embedding_size,
            pooling=pooling,
            unit=cast("Unit", unit),
            texts=texts,
            text=text,
            max_length=max_length,
            revision=revision,
            budget=budget,
            seed=seed,
            overwrite=overwrite,
            on_texts=on_texts,
            on_step=on_step,
            note=lambda line: console.print(f"· {line}", style="dim"),
            settings=options.settings(setting or []),
        )
    figures = ", ".join(f"{name} {value:.4f}" for name, value in distilled.metrics.items())
    console.print(f"held out: {figures}")
    console.print(f"{counted(distilled.result.steps, 'step')} → {output}", soft_wrap=True)
    if is_main_process():
        give(distilled)
