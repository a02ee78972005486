"""textgraft monitor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from textgraft.cli import options
from textgraft.cli.standard_input import LABELLED_ROWS, TEXTS
from textgraft.cli.surface import give
from textgraft.terminal import open_console

if TYPE_CHECKING:
    from rich.console import RenderableType

    from textgraft.data.dataset import Dataset
    from textgraft.evaluation.intervals import Score
    from textgraft.inference.row_predictor import RowPredictor
    from textgraft.review.drift import Answers, Drift, Side


def monitor(
    reference: Annotated[
        Path,
        typer.Argument(help="Rows that the model was judged on, and not trained on; - for standard input."),
        LABELLED_ROWS,
    ],
    new: Annotated[
        Path, typer.Argument(help="Rows that came since; they need no labels; - for standard input."), TEXTS
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            help="A model of classification, as runs/<name>/best, or sentiment: its confidence and answers "
            "are compared.",
        ),
    ] = None,
    text: options.Text = None,
    label: options.Label = None,
    encoder: options.EncoderName = "bundled",
    revision: options.Revision = None,
    engine: options.Engine = "auto",
    fail_on_drift: Annotated[
        bool, typer.Option("--fail-on-drift", help="End with exit code 1 where there is drift.")
    ] = False,
) -> None:
    """Tell whether new rows have drifted from old ones: their texts, a model's confidence, its accuracy.

    With labels in REFERENCE and a classifier, the accuracy on the new rows is estimated without their labels.
    """
    from textgraft.errors import OptionError
    from textgraft.models.manifest import read_manifest
    from textgraft.models.shipped import columns_known, model_folder
    from textgraft.review.drift import find_drift
    from textgraft.review.out_of_fold import encoded
    from textgraft.tasks.registry import task_class

    console = open_console(notes=True)
    manifest = None
    if model is not None:
        folder = model_folder(model)
        manifest = columns_known(read_manifest(folder), folder)
    if manifest is not None and manifest.task != "classification":
        raise OptionError(
            f"this model's task is {manifest.task}",
            where="--model",
            fix="Give a model of classification, or leave it out.",
        )
    columns = text or (manifest.text_columns if manifest and manifest.label_column else None)
    task = task_class("classification")
    named = label or (
        [manifest.label_column] if manifest and isinstance(manifest.label_column, str) else None
    )
    known = _labelled(reference, columns, named) if model is not None else None
    old = known or task.read(reference, text=columns, labelled=False)
    now = task.read(new, text=columns or list(old.columns), labelled=False)
    predictor = None
    if model is not None:
        from textgraft.inference.predictor import load

        predictor = load(model, engine=engine)

    def side(dataset: Dataset) -> Side:
        from textgraft.review.drift import Side, sampled

        rows = dataset.select(sampled(len(dataset), 0).tolist())
        answers = None if predictor is None else _answers(predictor, dataset, console.print)
        return Side(rows.texts, encoded(rows.texts, encoder, revision, console.print), answers)

    found = find_drift(side(old), side(now), (len(old), len(now)))
    give(found, *_shown(found))
    if found.drifted and fail_on_drift:
        raise typer.Exit(1)


def _answers(predictor: RowPredictor, dataset: Dataset, note: Callable[[str], None]) -> Answers | None:
    """Return what a model answers to rows that it did not learn from; None, and why, if they are too few."""
    from textgraft.inference.unseen import unseen_places
    from textgraft.models.fingerprint import load_fingerprint
    from textgraft.review.drift import LEAST_ROWS, answers_of, sampled

    folder = predictor.folder
    assert folder is not None, "it was loaded"
    places = unseen_places(dataset, [(str(folder), load_fingerprint(folder))], note)
    if len(places) < LEAST_ROWS:
        note(
            f"confidence and answers are not compared: the model learned from all but {len(places)} rows of "
            f"{dataset.source}"
        )
        return None
    asked = dataset.select([places[at] for at in sampled(len(places), 0)])
    return answers_of(predictor.predict_rows(asked), asked.labels)


def _labelled(path: Path, text: list[str] | None, label: list[str] | None) -> Dataset | None:
    """Return the rows with their labels; None where none are named and none are found."""
    from textgraft.errors import DataError, OptionError
    from textgraft.tasks.registry import task_class

    try:
        return task_class("classification").read(path, text=text, label=label)
    except (DataError, OptionError):
        return None


def _shown(found: Drift) -> Iterator[RenderableType]:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from textgraft.wording import listing, p_value

    title = f"{found.reference_rows:,} reference rows, {found.new_rows:,} new rows"
    if max(found.reference_rows, found.new_rows) > found.compared:
        title += f", {found.compared:,} of either compared at most"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("what", "drift", "p (corrected)", "how"):
        table.add_column(name)
    for shift in found.shifts:
        told = p_value(shift.p_holm).removeprefix("p = ").removeprefix("p ")
        style = "bold" if shift.is_drift else None
        table.add_row(shift.name, "yes" if shift.is_drift else "no", told, shift.told, style=style)
    yield table
    if found.reference_accuracy is not None and found.estimated_accuracy is not None:
        yield (
            f"accuracy: {_score(found.reference_accuracy)} on the reference rows, "
            f"about {_score(found.estimated_accuracy)} on the new ones "
            "(estimated from the model's confidence)"
        )
    drifted = [shift.name for shift in found.shifts if shift.is_drift]
    if not drifted:
        yield "No drift that is more than chance."
    else:
        told = f"Drift in {listing(drifted)}: label some of the new rows, and train again."
        yield Text(told, style="bold")


def _score(score: Score) -> str:
    from textgraft import wording

    return f"{wording.score(score.value)} ({wording.interval(score)})"
