"""textgraft export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from textgraft.cli import options
from textgraft.terminal import open_console


def export(
    model: Annotated[
        Path,
        typer.Argument(help="A model directory, as runs/<name>/best; of a stream also a language model."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    form: Annotated[str, typer.Option("--format", help="onnx.")] = "onnx",
    int8: Annotated[
        bool, typer.Option("--int8", help="Round weights to int8: a quarter of the size.")
    ] = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Write a model for onnxruntime, with a runner of one file that needs no torch.

    The export is refused where it does not answer as the model does.
    """
    console = open_console(stderr=True)
    from textgraft.export.export import export as run

    exported = run(
        model,
        output,
        format=form,
        int8=int8,
        overwrite=overwrite,
        note=lambda line: console.print(f"· {line}", style="dim"),
    )
    console.print(repr(exported), soft_wrap=True)
    console.print(f"textgraft predict {output} rows.csv --light", soft_wrap=True)
