"""Options that several commands share, so that they read and mean the same everywhere."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textgraft.cli.standard_input import LABELLED_ROWS, TEXTS
from textgraft.errors import OptionError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from textgraft.training.progress import Progress

ENCODER_HELP = "'bundled', a local model directory, or a Hub id as owner/name."
MODEL_HELP = "A model directory, as runs/<name>/best, or the name of a model that comes along, as sentiment"

Model = Annotated[Path, typer.Argument(help=f"{MODEL_HELP}.")]

TaskName = Annotated[
    str | None,
    typer.Option(
        "--task",
        help="Task, as classification or question-answering; see textgraft list tasks. Guessed if left out.",
    ),
]
Text = Annotated[
    list[str] | None,
    typer.Option("--text", "-t", help="Text column; give it again for several. Guessed if left out."),
]
Label = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        "-l",
        help="Label column; give it again where each label has a column of its own. Guessed if left out.",
    ),
]
IdColumn = Annotated[
    str | None,
    typer.Option("--id", help="Column with the id of each row, which comes back with the answers."),
]
Group = Annotated[
    str | None,
    typer.Option(
        "--group",
        help="Column, as author: rows with the same value stay together in the training, the dev "
        "or the test rows.",
    ),
]
MergeLabels = Annotated[
    bool,
    typer.Option(
        "--merge-labels", help="Treat labels that differ only in spelling, as Food and food, as one label."
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what stands at --output already.")]
Offsets = Annotated[
    str,
    typer.Option(
        "--offsets", help="Unit in which the file counts the offsets of spans: characters, utf-16 or utf-8."
    ),
]
EncoderName = Annotated[str, typer.Option("--encoder", help=ENCODER_HELP)]
EncoderNames = Annotated[
    list[str] | None,
    typer.Option("--encoder", help=f"{ENCODER_HELP} Several compete side by side, as bert-frozen@mpnet."),
]
Revision = Annotated[
    str | None, typer.Option("--revision", help="Branch, tag or commit of an encoder named by its Hub id.")
]
Prompt = Annotated[
    str | None,
    typer.Option(
        "--prompt",
        help="What the encoder reads before every text, as 'query: ', or the name of one of its own prompts; "
        "'' for none. Its default if left out.",
    ),
]
Prompts = Annotated[
    list[str] | None,
    typer.Option(
        "--prompt",
        help="What encoders read before every text, as 'query: ', or the name of one of their own prompts; "
        "'' for none. Of one of several encoders: mpnet='query: '.",
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        help="What computes the answers: auto (the fastest whose answers agree with torch's), "
        "torch, openvino or ctranslate2."
    ),
]
MaxLength = Annotated[
    int | None,
    typer.Option(
        "--max-length", help="Cut texts after this many tokens; each model's own limit if left out."
    ),
]

Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs", help="Number of processes that work at the same time and share the cores; one if left out."
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray", help="Ray cluster to work on, as auto or host:6379. Its nodes need the same files and paths."
    ),
]
Share = Annotated[
    str | None,
    typer.Option(
        "--share",
        help="Compute only one part of the shards, as 3/100 for the third of a hundred; without it, "
        "compute what is left and join all parts.",
    ),
]
ShardRows = Annotated[
    int | None,
    typer.Option(
        "--shard-rows",
        help="Work in shards (files of results) of this many rows; 10,000 where shards are made without it.",
    ),
]

Vectors = Annotated[
    Path | None,
    typer.Option(
        "--vectors", help="File of word vectors (GloVe's or word2vec's) that recurrent networks start from."
    ),
    TEXTS,
]

LanguageModel = Annotated[
    Path | None,
    typer.Option(
        "--language-model",
        help="Folder of a recurrent language model that the contender lstm-pretrained starts from.",
    ),
]

Describe = Annotated[
    Path | None,
    typer.Option(
        "--describe",
        help="Table with the columns label and description: what labels mean, for contenders that "
        "learn without labelled rows.",
    ),
    LABELLED_ROWS,
]

Llm = Annotated[
    str | None,
    typer.Option(
        "--llm",
        help="OpenAI-compatible server that llm sends all texts to, as http://localhost:8000/v1.",
    ),
]
LlmModel = Annotated[str | None, typer.Option("--llm-model", help="Language model, as the server calls it.")]
LlmExamples = Annotated[
    int | None,
    typer.Option("--llm-examples", help="How many training rows the language model is shown as examples."),
]
LlmConcurrency = Annotated[
    int | None, typer.Option("--llm-concurrency", help="How many questions are sent to it at the same time.")
]

Precision = Annotated[
    float | None,
    typer.Option(
        "--precision",
        help="Have the model answer only where this share of its answers is right, as 0.97; other "
        "rows are marked needs_review.",
    ),
]
ErrorCost = Annotated[
    float | None,
    typer.Option(
        "--error-cost", help="Instead of --precision: what a wrong answer costs; needs --review-cost."
    ),
]
ReviewCost = Annotated[
    float | None,
    typer.Option("--review-cost", help="With --error-cost: what it costs to have a person answer."),
]


def count(given: str, option: str) -> int:
    """Read a number as "250000", "500k", "2.5M" or "1B".

    Raises:
        OptionError: It is none of these, or not positive.
    """
    text = given.strip().replace("_", "").replace(",", "")
    factor = {"k": 10**3, "m": 10**6, "b": 10**9}.get(text[-1:].lower(), 1)
    try:
        number = round(float(text[:-1] if factor > 1 else text) * factor)
    except (ValueError, OverflowError):
        number = 0
    if number < 1:
        raise OptionError(f"{given!r} is no number", where=option, fix=f"Write {option} 500k, 2.5M or 1B.")
    return number


def settings(given: Sequence[str]) -> dict[str, Any]:
    """Read "name=value" entries; values are written as in YAML.

    Raises:
        OptionError: An entry has no "=", or its value cannot be read.
    """
    import yaml

    found = {}
    for entry in given:
        name, equals, value = entry.partition("=")
        if not equals or not name.strip():
            raise OptionError(
                f"{entry!r} names no value", where="--set", fix="Write --set learning_rate=1e-4."
            )
        try:
            found[name.strip()] = _number(value.strip()) if value.strip() else None
            if isinstance(found[name.strip()], str):
                found[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise OptionError(f"{value!r} cannot be read", where=f"--set {name}") from error
    return found


def _number(value: str) -> float | int | str:
    """YAML 1.1 takes 1e-4 for text."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(value)
    return value


@contextlib.contextmanager
def training_bar(console: Console) -> Iterator[Callable[[Progress], None]]:
    """Show a bar with the step, the loss and the remaining time; nothing where the output is no terminal."""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("training"), BarColumn(), TextColumn("{task.fields[loss]}"), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None, loss="")

        def on_step(progress: Progress) -> None:
            loss = f"step {progress.step}/{progress.planned_steps}, loss {progress.loss:.3f}"
            bar.update(task, completed=progress.step, total=progress.planned_steps, loss=loss)

        yield on_step


def table(rows: Sequence[Sequence[str]], title: str | None = None) -> Table:
    """Return rows, the first of them a header, as a table to print."""
    from rich.table import Table

    shown = Table(title=title, box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(rows[0]):
        shown.add_column(name, justify="right" if number and len(rows[0]) > 2 else "left")
    for row in rows[1:]:
        shown.add_row(*row)
    return shown
