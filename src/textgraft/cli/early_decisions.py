"""textgraft early-decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from textgraft.cli import options
from textgraft.cli.standard_input import LABELLED_ROWS
from textgraft.cli.surface import give
from textgraft.terminal import open_console


def early_decisions(
    model: Annotated[
        Path,
        typer.Argument(help="A model directory of a recurrent classifier that reads to the right alone."),
    ],
    source: Annotated[
        str | None,
        typer.Argument(help="Labelled rows that it was not trained on; - for standard input."),
        LABELLED_ROWS,
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(
            help="Share of all texts by which fewer may be answered rightly than after the whole text."
        ),
    ] = 0.02,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take the score away: texts are read to their end again.")
    ] = False,
    text: options.Text = None,
    label: options.Label = None,
) -> None:
    """Learn how much of a text has to be read, and from which score on it may be answered before its end.

    One half of the labelled rows decides the score, on the other half all figures are measured. The score is
    kept in the model directory: textgraft stream MODEL --answer-early heeds it.
    """
    from textgraft.errors import OptionError

    console = open_console(stderr=True)
    if remove:
        if source is not None:
            raise OptionError(
                "--remove takes no rows",
                where="--remove",
                fix="Write textgraft early-decisions MODEL --remove.",
            )
        from textgraft.inference.streaming.early import keep_early

        keep_early(model, None)
        give({"model": model, "early": None}, f"{model} is read to a text's end")
        return
    if source is None:
        raise OptionError(
            "no rows are named to decide it on",
            where="textgraft early-decisions",
            fix="Write textgraft early-decisions MODEL dev.csv.",
        )
    from textgraft.inference.streaming.early import early_decisions as run
    from textgraft.inference.streaming.terminal import render

    found = run(
        model,
        source,
        tolerance=tolerance,
        text=text,
        label=label,
        note=lambda line: console.print(line, soft_wrap=True),
    )
    give(found, render(found))
