"""textgraft learn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from textgraft.cli.surface import give

_ON_THE_WAY = (
    "textgraft learn --copy FOLDER writes copies to run and to change, in Jupyter or any other such program."
)


def learn(
    copy: Annotated[
        Path | None, typer.Option("--copy", help="Folder to write copies of all notebooks into.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace notebooks that stand there already.")
    ] = False,
) -> None:
    """List the notebooks that lead from RNN to BERT: what each shows, how long it runs, where it is."""
    import msgspec
    from rich.text import Text

    from textgraft.errors import OptionError
    from textgraft.lessons import copy_lessons, lessons
    from textgraft.wording import duration

    if overwrite and copy is None:
        raise OptionError(
            "there is nothing to replace", where="--overwrite", fix="Give --copy FOLDER with it."
        )
    found = lessons()
    if copy is not None:
        paths = copy_lessons(copy, overwrite=overwrite)
        found = [
            msgspec.structs.replace(lesson, path=path) for lesson, path in zip(found, paths, strict=True)
        ]
    shown = []
    for number, lesson in enumerate(found, start=1):
        extras = f", extra {', '.join(lesson.needs)}" if lesson.needs else ""
        heading = Text(f"{number}. {lesson.title}", style="bold")
        shown.append(heading.append(f"  {duration(lesson.seconds)}{extras}", style="dim"))
        shown.append(Text(f"   {lesson.shows}\n   {lesson.path}\n"))
    told = f"{duration(sum(lesson.seconds for lesson in found))} in all, on one core, offline."
    give(found, *shown, Text(told if copy is not None else f"{told} {_ON_THE_WAY}"))
