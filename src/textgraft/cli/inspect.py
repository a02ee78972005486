"""textgraft inspect: gradients, gates, attention, context, tokens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textgraft.cli import options
from textgraft.cli.standard_input import LABELLED_ROWS, TEXTS
from textgraft.cli.surface import complete, give
from textgraft.terminal import open_console
from textgraft.wording import counted

if TYPE_CHECKING:
    from textgraft.inspection.page import Result

app = typer.Typer(
    help="Look into a model: gradients, gates, attention, words in context, and what carries an answer.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

Model = Annotated[str, typer.Argument(help=f"{options.MODEL_HELP}; bundled or another encoder.")]
Classifier = Annotated[str, typer.Argument(help=f"{options.MODEL_HELP}.")]
TextOrFile = Annotated[
    str,
    typer.Argument(
        metavar="TEXT_OR_FILE", help="A text, or a file of which one row is taken; - for standard input."
    ),
    TEXTS,
]
Row = Annotated[int, typer.Option("--row", min=1, help="Which row of a file, counted from 1.")]
Report = Annotated[
    Path | None, typer.Option(help="Folder for report.html and report.json, or a file ending in .html.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a report that stands there already.")]
AskedLabel = Annotated[
    str | None, typer.Option("--label", help="The label to explain; the model's own answer if left out.")
]
Length = Annotated[
    int | None, typer.Option("--max-length", min=3, help="Read at most this many tokens of the text.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Random seed.")]


def gradients(
    model: Annotated[
        str | None, typer.Argument(help=f"{options.MODEL_HELP}. Left out: small networks.")
    ] = None,
    text_or_file: Annotated[
        str | None,
        typer.Argument(
            metavar="[TEXT_OR_FILE]",
            help="A text, or a file of which one row is taken; - for standard input.",
        ),
        TEXTS,
    ] = None,
    row: Row = 1,
    text: options.Text = None,
    label: AskedLabel = None,
    max_length: Length = None,
    task: Annotated[
        str | None, typer.Option("--task", help="Without a model: recall, copy or adding.  [default: recall]")
    ] = None,
    cells: Annotated[
        str | None,
        typer.Option(
            "--cells", help="Networks to train, separated by commas.  [default: rnn,lstm,gru,transformer]"
        ),
    ] = None,
    steps: Annotated[
        str | None,
        typer.Option("--steps", help="Distances in steps, separated by commas.  [default: 10,50,200,1000]"),
    ] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", help="Processor time to train all networks in.  [default: 90s]")
    ] = None,
    seed: Seed = 0,
    report: Report = None,
    overwrite: Overwrite = False,
) -> None:
    """Show the gradient of the loss with respect to every earlier step.

    With MODEL and a text, that of the model. Without, an Elman RNN, an LSTM, a GRU and a Transformer are
    trained on a task of long range, to compare how far they and their gradients reach.
    """
    from textgraft.errors import OptionError
    from textgraft.inspection import inspect

    show = _Shown(report, overwrite=overwrite)
    if model is None:
        for name, value in (("--label", label), ("--max-length", max_length), ("--text", text)):
            if value is not None:
                raise OptionError("there is no model that this could be for", where=name, fix="Name a model.")
        with show.console.status("training") as status:
            found = inspect.reach(
                task or "recall",
                cells=cells,
                steps=steps,
                budget=budget,
                seed=seed,
                on_progress=status.update,
            )
        show(found)
        return
    named = {"--task": task, "--cells": cells, "--steps": steps, "--budget": budget}
    for name, value in named.items():
        if value is not None:
            raise OptionError(
                "this is for small networks on a task of long range, and a model is named",
                where=name,
                fix="Leave it out, or the model.",
            )
    if text_or_file is None:
        raise OptionError("there is no text", where="TEXT_OR_FILE", fix='Give one: "Not bad at all."')
    given = text_of(text_or_file, row, text)
    show(inspect.gradients(model, given, label=label, max_length=max_length))


def gates(
    model: Classifier,
    text_or_file: TextOrFile,
    row: Row = 1,
    text: options.Text = None,
    max_length: Length = None,
    report: Report = None,
    overwrite: Overwrite = False,
) -> None:
    """Show the gates of an LSTM or GRU over a text, and what the forget gate keeps of every token."""
    from textgraft.inspection import inspect

    show = _Shown(report, overwrite=overwrite)
    show(inspect.gates(model, text_of(text_or_file, row, text), max_length=max_length))


def attention(
    model: Model,
    text_or_file: TextOrFile,
    row: Row = 1,
    text: options.Text = None,
    max_length: Length = None,
    report: Report = None,
    overwrite: Overwrite = False,
) -> None:
    """Show where a model looks: the attention of every layer and head, or of attention pooling."""
    from textgraft.inspection import inspect

    show = _Shown(report, overwrite=overwrite)
    show(inspect.attention(model, text_of(text_or_file, row, text), max_length=max_length))


def context(
    encoder: Annotated[str, typer.Argument(metavar="MODEL", help=f"The encoder: {options.ENCODER_HELP}")],
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT_OR_FILE]...",
            help="Sentences that share a word, or one file of them; - for standard input.",
        ),
        TEXTS,
    ] = None,
    word: Annotated[
        str | None, typer.Option("--word", help="The word. The longest that all sentences have, if left out.")
    ] = None,
    tagged: Annotated[
        Path | None,
        typer.Option(
            "--tagged",
            help="In place of sentences a file of tagged entities: how well are senses told apart?",
        ),
        LABELLED_ROWS,
    ] = None,
    seed: Seed = 0,
    report: Report = None,
    overwrite: Overwrite = False,
) -> None:
    """Show the nearest words of one word in each of several sentences, beside those of its static vector.

    With --tagged, a score: can the vectors tell whether a word is of the same type in two sentences?
    """
    from textgraft.inspection import inspect

    show = _Shown(report, overwrite=overwrite)
    sentences = list(texts or ())
    if len(sentences) == 1 and _is_file(sentences[0]):
        sentences = _rows(sentences[0], None)
    with show.console.status("encoding"):
        found = inspect.context(encoder, sentences or None, word=word, tagged=tagged, seed=seed)
    show(found)


def tokens(
    model: Classifier,
    text_or_file: Annotated[
        str,
        typer.Argument(
            metavar="TEXT_OR_FILE",
            help="A text, or a file of texts: then words are left out of them; - for standard input.",
        ),
        TEXTS,
    ],
    text: options.Text = None,
    label: AskedLabel = None,
    method: Annotated[
        str | None, typer.Option("--method", help="occlusion or integrated-gradients; both if left out.")
    ] = None,
    rows: Annotated[
        int | None, typer.Option("--rows", min=10, help="How many texts of a file are taken.  [default: 50]")
    ] = None,
    seed: Seed = 0,
    report: Report = None,
    overwrite: Overwrite = False,
) -> None:
    """Show which words carry a classifier's answer, by occlusion and by integrated gradients.

    Of a file, whether they do: the words ranked first are left out of its texts, and as many at random.
    """
    from rich.progress import Progress

    from textgraft.errors import OptionError
    from textgraft.inspection.tokens.attribution import token_attributions
    from textgraft.inspection.tokens.deletion import ROWS, deletion_test

    show = _Shown(report, overwrite=overwrite)
    if not _is_file(text_or_file):
        if rows is not None:
            raise OptionError(
                "there is one text", where="--rows", fix="Give a file of texts, or leave it out."
            )
        show(token_attributions(model, text_or_file, label=label, method=method))
        return
    if label is not None:
        raise OptionError(
            "of many texts the model's own answers are asked about", where="--label", fix="Leave it out."
        )
    with Progress(console=show.console, transient=True, disable=not show.console.is_terminal) as progress:
        bar = progress.add_task("attributing", total=None)
        found = deletion_test(
            model,
            text_or_file,
            text=text,
            rows=ROWS if rows is None else rows,
            method=method,
            seed=seed,
            on_progress=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    show(found)


class _Shown:
    """Prints a result, and writes its report."""

    def __init__(self, report: Path | None, *, overwrite: bool) -> None:
        from textgraft.reporting.files import refuse_report

        self.console: Any = open_console(stderr=True)
        self.report, self.overwrite = report, overwrite
        if report is not None:
            refuse_report(report, overwrite=overwrite)

    def __call__(self, found: Result) -> None:
        give(found, found.render())
        if self.report is not None:
            page = found.write(self.report, overwrite=self.overwrite)
            self.console.print(f"report: {page}", soft_wrap=True)


_ENDINGS = (
    ".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".ods", ".conll", ".html",
)  # fmt: skip
_LONGEST_NAME = 255


def _is_file(given: str) -> bool:
    """Return whether a file is meant, and not a text.

    Raises:
        DataError: A file is meant, and there is none.
    """
    from textgraft.data.formats.compressed import COMPRESSIONS
    from textgraft.errors import DataError

    if len(given) <= _LONGEST_NAME and "\n" not in given:
        if Path(given).is_file():
            return True
        if " " not in given and given.lower().endswith((*_ENDINGS, *COMPRESSIONS)):
            raise DataError("there is no such file", where=given, fix="Check the path, or give a text.")
    return False


def text_of(given: str, row: int, columns: list[str] | None) -> str:
    """Return a text as it is given, or a row of a file.

    Raises:
        OptionError: The file has no such row.
        DataError: It cannot be read, or is not there.
    """
    from textgraft.errors import OptionError

    if not _is_file(given):
        return given
    texts = _rows(given, columns)
    if row > len(texts):
        raise OptionError(f"{given} has {counted(len(texts), 'row')}", where="--row", fix="Give one of them.")
    return texts[row - 1]


def _rows(path: str, columns: list[str] | None) -> list[str]:
    from textgraft.tasks.registry import task_class

    return list(task_class("classification").read(path, text=columns, labelled=False).texts)


for _command in (gradients, gates, attention, context, tokens):
    app.command(name=_command.__name__)(
        complete(_command, "Nothing was written: run the same command again to start over.")
    )
