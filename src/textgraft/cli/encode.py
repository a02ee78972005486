"""textgraft encode."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from textgraft.cli import options
from textgraft.cli.sharding import in_shards, show_shards
from textgraft.cli.standard_input import TEXTS
from textgraft.cli.surface import give
from textgraft.terminal import open_console
from textgraft.wording import counted


def kept(
    output: Path,
    jobs: int | None,
    ray: str | None,
    share: str | None,
    shard_rows: int | None,
    **options: object,
) -> str:
    """Say what a stopped run leaves."""
    del options
    if in_shards(output, jobs, ray, share, shard_rows):
        return "The shards encoded so far are kept: run the same command again for the rest."
    return "Nothing was written: run the same command again to start over."


def encode(
    source: Annotated[
        str,
        typer.Argument(
            help="A file of texts: CSV, TSV, JSON Lines, Parquet or plain lines; - for standard input."
        ),
        TEXTS,
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="A .npy array; a name without an ending: a folder of shards."),
    ],
    overwrite: options.Overwrite = False,
    text: options.Text = None,
    encoder: options.EncoderName = "bundled",
    revision: options.Revision = None,
    prompt: options.Prompt = None,
    engine: options.Engine = "auto",
    precision: Annotated[str, typer.Option(help="Numbers to compute in: auto, fp32, bf16 or int8.")] = "auto",
    pooling: Annotated[
        str,
        typer.Option(
            help="How the vectors of a text's tokens become one: mean, cls (the first token's) or max."
        ),
    ] = "mean",
    normalize: Annotated[bool, typer.Option(help="Scale every encoding to length one.")] = True,
    max_length: options.MaxLength = None,
    url: Annotated[
        str | None, typer.Option(help="A service that encodes in place of this process: textgraft serve.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="The service's key; also $TEXTGRAFT_KEY.")] = None,
    model: Annotated[str | None, typer.Option(help="Which of the service's models.")] = None,
    jobs: options.Jobs = None,
    ray: options.Ray = None,
    share: options.Share = None,
    shard_rows: options.ShardRows = None,
) -> None:
    """Encode texts as vectors: one float32 row for each row of the file, in its order.

    A row without text is encoded as an empty string is; of a row that cannot be read, the array has NaN. Into
    a folder, or side by side, it is done in shards: run again, only those that are missing are computed.
    """
    from dataclasses import asdict

    from rich.progress import Progress

    from textgraft.client.client import Client
    from textgraft.errors import OptionError
    from textgraft.files import check_output
    from textgraft.inference.encode import Encoder
    from textgraft.inference.encode_file import ENDINGS, encode_file
    from textgraft.inference.shards.work import encoding_work

    if in_shards(output, jobs, ray, share, shard_rows):
        if url is not None:
            raise OptionError(
                "a service encodes one file at a time",
                where="--url",
                fix="Write a .npy file, without --jobs, --ray, --share and --shard-rows.",
            )
        given = {
            "encoder": encoder,
            "revision": revision,
            "prompt": prompt,
            "engine": engine,
            "precision": precision,
            "pooling": pooling,
            "normalize": normalize,
            "max_length": max_length,
        }
        work = encoding_work(source, output, given, text=text, shard_rows=shard_rows, overwrite=overwrite)
        show_shards(source, work, jobs, ray, share)
        return
    check_output(output, ENDINGS, overwrite=overwrite)
    console = open_console(stderr=True)
    chosen: Encoder | Client
    if url is not None:
        # What a service computes with, who started it has said.
        fixed = (
            encoder != "bundled",
            revision,
            prompt is not None,
            engine != "auto",
            precision != "auto",
            pooling != "mean",
        )
        if any(fixed) or max_length is not None or not normalize:
            raise OptionError(
                "a service has its own encoder, engine and length",
                where="--url",
                fix="Leave out what chooses them; --model names one of its models.",
            )
        chosen = Client(url, key=key, model=model)
        chosen.info()  # whether it is there, before the file is read
    else:
        chosen = Encoder(
            encoder,
            revision=revision,
            prompt=prompt,
            engine=engine,
            precision=precision,
            pooling=pooling,
            normalize=normalize,
            max_length=max_length,
        )
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("encoding", total=None)

        def on_progress(done: int, total: int) -> None:
            progress.update(bar, total=total, advance=done)

        found = encode_file(chosen, source, output, text=text, overwrite=overwrite, on_progress=on_progress)
    rows, numbers = found.shape
    by = f" by {chosen.open().note}" if isinstance(chosen, Encoder) else ""
    lines = [f"{counted(rows, 'row')} × {numbers} → {output}{by}"]
    if found.empty:
        lines.append(f"{counted(found.empty, 'row')} without text, encoded as an empty string is")
    if found.unusable:
        lines.append(
            f"{counted(found.unusable, 'row')} cannot be read, which leaves NaN; the first, "
            f"{found.first_unusable}"
        )
    if found.truncated_fraction:
        lines.append(f"{found.truncated_fraction:.1%} of all tokens lie beyond the length limit")
    for line in lines:
        console.print(line, soft_wrap=True)
    give({"output": output, "rows": rows, "numbers": numbers, **asdict(found)})
