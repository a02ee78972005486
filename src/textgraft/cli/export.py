"""textgraft export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from textgraft.cli import options
from textgraft.cli.surface import give
from textgraft.terminal import open_console


def export(
    model: Annotated[
        Path,
        typer.Argument(help=f"{options.MODEL_HELP}; of a stream also a language model."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="onnx (a model for onnxruntime), web (a page that answers in the browser) or stream "
            "(a recurrent network that reads token by token).",
        ),
    ] = "onnx",
    int8: Annotated[
        bool, typer.Option("--int8", help="Round weights to int8: a quarter of the size.")
    ] = False,
    runtime: Annotated[
        str | None,
        typer.Option(
            help="For --format web: the folder of onnxruntime-web, or 'download' to fetch it once; an "
            "earlier download if left out."
        ),
    ] = None,
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
        runtime=runtime,
        overwrite=overwrite,
        note=lambda line: console.print(f"· {line}", style="dim"),
    )
    console.print(repr(exported), soft_wrap=True)
    if form == "web":
        served = f"python -m http.server --bind 127.0.0.1 --directory {output} 8000"
        console.print(f"{served}        # then open http://127.0.0.1:8000", soft_wrap=True)
    if form == "onnx":
        console.print(f"textgraft predict {output} rows.csv --light", soft_wrap=True)
    give(exported)
