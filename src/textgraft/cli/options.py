"""Options that several commands share, so that they read and mean the same everywhere."""

from __future__ import annotations

from typing import Annotated

import typer

from textgraft.errors import OptionError

TaskName = Annotated[
    str | None, typer.Option("--task", help="As classification or question-answering. Guessed if left out.")
]
Text = Annotated[
    list[str] | None,
    typer.Option("--text", "-t", help="Text column; give it again for several. Guessed if left out."),
]
Label = Annotated[str | None, typer.Option("--label", "-l", help="Label column. Guessed if left out.")]
IdColumn = Annotated[str | None, typer.Option("--id", help="Column that names rows.")]
Group = Annotated[
    str | None, typer.Option("--group", help="Column whose equal values never straddle the splits.")
]
EncoderName = Annotated[
    str, typer.Option("--encoder", help="'bundled', a local model directory, or a Hub id as owner/name.")
]
Revision = Annotated[str | None, typer.Option("--revision", help="Revision of a Hub id.")]
MaxLength = Annotated[
    int | None, typer.Option("--max-length", help="Cut texts after this many tokens. Each model's own limit.")
]


def numbers(given: str, option: str) -> list[int]:
    """Read "100,300,1000" as numbers.

    Raises:
        OptionError: A part is not a whole number.
    """
    parts = [part.strip().replace("_", "") for part in given.split(",") if part.strip()]
    for part in parts:
        if not part.isdigit():
            raise OptionError(
                f"{part!r} is not a whole number", where=option, fix=f"Write {option} 100,300,1000."
            )
    return [int(part) for part in parts]


def names(given: str) -> list[str]:
    """Read "a,b,c" as names."""
    return [part.strip() for part in given.split(",") if part.strip()]
