"""textgraft serve."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from textgraft.cli import options
from textgraft.cli.standard_input import TEXTS
from textgraft.cli.surface import give, wants_json
from textgraft.terminal import open_console


def serve(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            help="Model directories, as runs/<name>/best, shipped grafts, encoders; NAME=PATH names one. "
            "The bundled encoder if left out."
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but 127.0.0.1 needs keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8765,
    keys: Annotated[
        Path | None,
        typer.Option(help="File of keys: SHA-256, name, requests a minute. Also $TEXTGRAFT_KEYS."),
    ] = None,
    new_key: Annotated[
        str | None, typer.Option("--new-key", help="Print a new key and its line for --keys, and end.")
    ] = None,
    shadow: Annotated[
        list[str] | None,
        typer.Option(
            "--shadow",
            help="NAME=PATH: a second model that is asked what the model NAME is asked, only to "
            "compare their answers.",
        ),
    ] = None,
    review: Annotated[
        Path | None, typer.Option(help="File of a review queue, to be worked on at /review and on the page.")
    ] = None,
    report: Annotated[
        list[Path] | None,
        typer.Option("--report", help="Folder of a comparison whose report the page shows."),
    ] = None,
    engine: options.Engine = "auto",
    precision: Annotated[
        str,
        typer.Option(help="Numbers that encoders compute in: auto, fp32, bf16 or int8."),
    ] = "auto",
    calibration: Annotated[
        Path | None,
        typer.Option(
            help="For int8: a file of a hundred texts or more like those to come, in place of texts that "
            "come with textgraft."
        ),
        TEXTS,
    ] = None,
    limit: Annotated[
        list[str] | None, typer.Option("--set", help="A limit, as --set deadline=10s or --set max_texts=64.")
    ] = None,
) -> None:
    """Serve encodings and answers over HTTP, with a page for people at /.

    Ctrl-C or SIGTERM ends it once the requests that it has taken are answered; SIGHUP loads changed models
    anew.
    """
    from textgraft.serving.keys import new_key as make_key

    if new_key is not None:
        key, line = make_key(new_key)
        give({"line": line, "key": key}, line)
        if not wants_json():
            typer.echo(f"The key, which is kept nowhere: {key}", err=True)
        return
    import logging

    from textgraft.serving.limits import Limits
    from textgraft.serving.serve import serve as run

    chosen = Limits(**options.settings(limit or ()))
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    console = open_console(stderr=True)

    def on_ready(address: str) -> None:
        console.print(f"ready: {address}", soft_wrap=True)
        give({"address": address})

    run(
        models or (),
        host=host,
        port=port,
        keys=keys,
        shadow=shadow or (),
        engine=engine,
        precision=precision,
        calibration=calibration,
        limits=chosen,
        review=review,
        reports=report or (),
        on_ready=on_ready,
    )
