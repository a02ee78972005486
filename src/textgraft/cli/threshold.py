"""textgraft threshold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from textgraft.cli import options
from textgraft.cli.standard_input import LABELLED_ROWS
from textgraft.cli.surface import give


def threshold(
    model: Annotated[Path, typer.Argument(help="A model directory, as runs/<name>/best.")],
    source: Annotated[
        str | None,
        typer.Argument(
            help="Labelled rows of the model's task that it was not trained on; - for standard input."
        ),
        LABELLED_ROWS,
    ] = None,
    precision: options.Precision = None,
    error_cost: options.ErrorCost = None,
    review_cost: options.ReviewCost = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take the threshold away: every answer is given again.")
    ] = False,
    text: options.Text = None,
    label: options.Label = None,
    id_column: options.IdColumn = None,
    offsets: options.Offsets = "characters",
) -> None:
    """Have a trained model answer only where it is right often enough, and leave the rest to a person.

    The labelled rows decide from which score on. It is kept in the model directory, and whatever predicts
    with the model heeds it: other rows come back with needs_review.
    """
    from textgraft.errors import OptionError
    from textgraft.evaluation.promises import Target

    if remove:
        if source is not None or (precision, error_cost, review_cost) != (None, None, None):
            raise OptionError(
                "--remove takes no rows and no target",
                where="--remove",
                fix="Write textgraft threshold MODEL --remove.",
            )
        from textgraft.inference.thresholds import keep_threshold

        keep_threshold(model, None)
        give({"model": model, "threshold": None}, f"{model} gives every answer")
        return
    Target(precision=precision, error_cost=error_cost, review_cost=review_cost)
    if source is None:
        raise OptionError(
            "no rows are named to decide it on",
            where="textgraft threshold",
            fix="Write textgraft threshold MODEL dev.csv --precision 0.97.",
        )
    from textgraft.inference.thresholds import threshold as run

    found = run(
        model,
        source,
        precision=precision,
        error_cost=error_cost,
        review_cost=review_cost,
        text=text,
        label=label,
        id_column=id_column,
        offsets=offsets,
    )
    give(found, found.sentence)
