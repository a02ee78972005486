"""One file a command: parse, call the function of the same name, print.

Nothing heavy is imported before a command runs, so that help and usage errors answer at once.
"""

from __future__ import annotations

import os
import sys

import typer

from textgraft._version import __version__
from textgraft.cli import check, compare, demo, distill, encode, evaluate, predict, pretrain, train, vectors
from textgraft.errors import TextgraftError

app = typer.Typer(
    name="textgraft",
    help="Which generation of NLP does your text need? Measured on your own labelled rows, and handed over "
    "ready to serve.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(name="compare")(compare.compare)
app.command(name="train")(train.train)
app.command(name="evaluate")(evaluate.evaluate)
app.command(name="predict")(predict.predict)
app.command(name="check")(check.check)
app.command(name="encode")(encode.encode)
app.command(name="demo")(demo.demo)
app.command(name="pretrain")(pretrain.pretrain)
app.command(name="vectors")(vectors.vectors)
app.command(name="distill")(distill.distill)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"textgraft {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", help="Print the version.", callback=_print_version, is_eager=True
    ),
) -> None:
    del version


def main() -> None:
    """Run a command; a user's mistake ends in one message and exit code 2, Ctrl-C in exit code 130."""
    try:
        app()
    except TextgraftError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("\nstopped. What is finished is kept: the same command goes on from here.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # The reader went away, as `| head` does. Keep Python from complaining while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
