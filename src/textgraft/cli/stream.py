"""textgraft stream."""

from __future__ import annotations

import io
import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from textgraft.cli.surface import give, wants_json
from textgraft.terminal import open_console
from textgraft.wording import counted

LONGEST_LINE = 1 << 16
"""Characters of a line; a longer one is answered in parts."""


def kept(state: Path | None, **options: object) -> str:
    """Say what a stopped run leaves."""
    del options
    if state is None:
        return "Nothing is kept of what was read: with --state FILE it can be resumed."
    return f"What was read is kept in {state}: run the same command again to resume."


def stream(
    model: Annotated[
        Path, typer.Argument(help="A recurrent model that reads to the right alone, or a language model.")
    ],
    until: Annotated[
        float | None, typer.Option(help="Stop at the first answer with at least this score, as 0.9.")
    ] = None,
    answer_early: Annotated[
        bool,
        typer.Option(
            "--answer-early",
            help="End at the first answer as sure as textgraft early-decisions found to be enough.",
        ),
    ] = False,
    state: Annotated[
        Path | None,
        typer.Option(help="A .safetensors file to resume from, if it exists, and to write at the end."),
    ] = None,
) -> None:
    """Read standard input as one text that goes on, and answer after every line, as JSON Lines.

    Nothing is read twice, and memory does not grow. Train such a model with
    textgraft train rows.csv -o model --contender lstm --set bidirectional=false
    """
    console = open_console(stderr=True)
    from textgraft.inference.streaming.saved import check_state_path

    if state is not None:
        check_state_path(state, overwrite=state.is_file())
    # Importing torch takes seconds: only once it is known where the state goes.
    from textgraft.inference.streaming.lines import answer_lines, open_stream

    opened = open_stream(model, until=until, answer_early=answer_early)
    if state is not None and state.is_file():
        opened.restore(state)
        console.print(f"· {state}: {counted(opened.read, 'token')} read before", style="dim", soft_wrap=True)
    text = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="replace", newline="")
    lines = iter(lambda: text.readline(LONGEST_LINE), "")
    # Closed when it is stopped: the state is written then.
    with closing(answer_lines(opened, lines, state=state)) as answers:
        if wants_json():
            give(list(answers))
            return
        for answer in answers:
            typer.echo(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace"))
