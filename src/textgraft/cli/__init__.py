"""One file a command: parse, call the function of the same name, print.

Nothing heavy is imported before a command runs, so that help and usage errors answer at once.
"""

from __future__ import annotations

import atexit
import gc
import io
import logging
import os
import sys
import warnings

import typer

from textgraft._version import __version__
from textgraft.cli import (
    benchmark,
    cache,
    cascade,
    check,
    compare,
    demo,
    distill,
    early_decisions,
    encode,
    evaluate,
    export,
    inspect,
    label_errors,
    label_next,
    learn,
    monitor,
    predict,
    pretrain,
    review,
    serve,
    stream,
    threshold,
    train,
    vectors,
)
from textgraft.cli import list as listing
from textgraft.cli.surface import complete
from textgraft.errors import OptionError, TextgraftError
from textgraft.processes import refuse_several_processes
from textgraft.terminal import VisibleFormatter, visible

app = typer.Typer(
    name="textgraft",
    help="Which generation of NLP does your text need? Measured on your own labelled rows, and saved "
    "ready to serve.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Without boxes: what draws them takes longer to load than all the rest.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
TRIALS_KEPT = "Finished trials are kept: run the same command again to resume."
STEPS_KEPT = "The steps up to the last checkpoint are kept: run the same command again with --resume."
NOTHING_KEPT = "Nothing was written: run the same command again to start over."
for command, kept in (
    (compare.compare, TRIALS_KEPT),
    (train.train, STEPS_KEPT),
    (evaluate.evaluate, NOTHING_KEPT),
    (predict.predict, predict.kept),
    (stream.stream, stream.kept),
    (threshold.threshold, NOTHING_KEPT),
    (early_decisions.early_decisions, NOTHING_KEPT),
    (cascade.cascade, NOTHING_KEPT),
    (check.check, NOTHING_KEPT),
    (encode.encode, encode.kept),
    (export.export, NOTHING_KEPT),
    (demo.demo, TRIALS_KEPT),
    (benchmark.benchmark, TRIALS_KEPT),
    (pretrain.pretrain, STEPS_KEPT),
    (vectors.vectors, vectors.kept),
    (label_errors.label_errors, NOTHING_KEPT),
    (label_next.label_next, NOTHING_KEPT),
    (monitor.monitor, NOTHING_KEPT),
    (cache.cache, NOTHING_KEPT),
    (listing.list_, NOTHING_KEPT),
    (learn.learn, NOTHING_KEPT),
    (serve.serve, "The service has ended."),
    (distill.distill, "What is finished is kept: run the same command again to resume."),
):
    app.command(name=command.__name__.rstrip("_").replace("_", "-"))(complete(command, kept))
app.add_typer(review.app, name="review")
app.add_typer(inspect.app, name="inspect")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"textgraft {__version__}")
        raise typer.Exit


_SHARED_BY_PROCESSES = ("train", "pretrain", "distill")
"""Commands whose work several processes share under ``torchrun``."""


@app.callback()
def _options(
    context: typer.Context,
    version: bool = typer.Option(
        False, "--version", help="Print the version.", callback=_print_version, is_eager=True
    ),
) -> None:
    del version
    if context.invoked_subcommand and context.invoked_subcommand not in _SHARED_BY_PROCESSES:
        refuse_several_processes(context.invoked_subcommand)


_ALLOCATIONS = 50_000
"""After how many new objects Python looks for garbage. After its usual 700 of them, that takes a fifth of the
time in which libraries are imported, and finds none."""


def main() -> None:
    """Run a command; a user's mistake ends in one message and exit code 2, Ctrl-C in exit code 130."""
    gc.set_threshold(_ALLOCATIONS)
    # Nor at the end, where it would look for two seconds through all that libraries hold.
    atexit.register(gc.freeze)
    if not sys.warnoptions:
        # What libraries warn of is for programmers; what concerns users the command says itself.
        warnings.simplefilter("ignore")
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    for written in (sys.stdout, sys.stderr):
        if isinstance(written, io.TextIOWrapper):
            # Where a terminal's encoding has no such letters, as ASCII, labels are written as \u4e2d.
            written.reconfigure(errors="backslashreplace")
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(VisibleFormatter())
    try:
        for name in (argument.partition("=")[0] for argument in sys.argv[1:]):
            # What the parser says of an option that it does not know is not ours to write out.
            if name.startswith("-") and visible(name) != name:
                raise OptionError(f"there is no option {name}", fix="See textgraft --help.")
        try:
            app()
        finally:
            sys.stdout.flush()
    except TextgraftError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        _silence_output()
        sys.exit(141)  # the reader went away, as `| head` does
    except OSError as error:
        # What a file is written or read by says more; left are the standard streams.
        where = f"{error.filename or 'standard output'}: "
        typer.echo(
            f"error: {visible(where)}cannot be read or written: {os.strerror(error.errno or 0)}", err=True
        )
        _silence_output()
        sys.exit(2)


def _silence_output() -> None:
    """Keep Python from complaining of standard output while it shuts down."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
