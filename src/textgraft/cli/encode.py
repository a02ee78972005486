"""textgraft encode."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from textgraft.cli import options


def encode(
    source: Annotated[
        str, typer.Argument(help="A file of texts: CSV, TSV, JSON Lines, Parquet or plain lines.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the .npy array.")],
    text: options.Text = None,
    encoder: options.EncoderName = "bundled",
    revision: options.Revision = None,
    engine: Annotated[str, typer.Option(help="auto, torch or openvino.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16 or int8.")] = "auto",
    pooling: Annotated[str, typer.Option(help="mean, cls or max.")] = "mean",
    normalize: Annotated[bool, typer.Option(help="Scale every encoding to length one.")] = True,
    max_length: options.MaxLength = None,
) -> None:
    """Encode texts as vectors: one float32 row a text, in the order of the file."""
    import io

    import numpy as np
    from rich.console import Console
    from rich.progress import Progress

    from textgraft.data.readers.reading import read_dataset
    from textgraft.files import write_atomic
    from textgraft.inference.encode import Encoder

    dataset = read_dataset(source, text=text, labelled=False)
    console = Console(stderr=True)
    chosen = Encoder(
        encoder,
        revision=revision,
        engine=engine,
        precision=precision,
        pooling=pooling,
        normalize=normalize,
        max_length=max_length,
    )
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("encoding", total=len(dataset))
        vectors = chosen.encode(dataset.texts, on_progress=lambda done: progress.advance(bar, done))
    buffer = io.BytesIO()
    np.save(buffer, vectors)
    write_atomic(output, buffer.getvalue())
    console.print(f"{len(vectors):,} texts × {vectors.shape[1]} → {output}", highlight=False)
    if dataset.rejected:
        console.print(f"{len(dataset.rejected)} rows cannot be used; the first: {dataset.rejected[0]}")
    if chosen.truncated_share:
        console.print(f"{chosen.truncated_share:.1%} of all tokens lie beyond the length limit")
