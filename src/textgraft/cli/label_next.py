"""textgraft label-next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from textgraft.cli import options
from textgraft.cli.standard_input import TEXTS, is_piped
from textgraft.cli.surface import give
from textgraft.terminal import open_console


def label_next(
    model: Annotated[
        Path, typer.Argument(help="A model of classification, as runs/<name>/best, or sentiment.")
    ],
    source: Annotated[Path, typer.Argument(help="Rows without labels; - for standard input."), TEXTS],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Rows to label.")] = 50,
    text: options.Text = None,
    id_column: options.IdColumn = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A .csv or .jsonl file; beside the input without --review."),
    ] = None,
    review: Annotated[
        Path | None, typer.Option("--review", help="Add the rows to this review queue, in their order.")
    ] = None,
    encoder: options.EncoderName = "bundled",
    revision: options.Revision = None,
    engine: options.Engine = "auto",
    seed: Annotated[int, typer.Option("--seed", help="Random seed.")] = 0,
    overwrite: options.Overwrite = False,
) -> None:
    """Choose which unlabelled rows to label first: what the model is unsure of, and no two of a kind.

    Rows whose text is in the review store already are not chosen again.
    """
    import numpy as np

    from textgraft.errors import OptionError
    from textgraft.files import beside, check_output
    from textgraft.models.manifest import read_manifest
    from textgraft.models.shipped import columns_known, model_folder
    from textgraft.review.exchange.files import write_rows
    from textgraft.review.label_next import choose_rows, different, items_to_label, rows_to_label
    from textgraft.review.out_of_fold import encoded, word_features
    from textgraft.review.store import ReviewStore
    from textgraft.tasks.registry import task_class

    if output is None and review is None:
        if is_piped(source):
            raise OptionError(
                "no file is named for what comes of standard input",
                where="textgraft label-next",
                fix="Say where the rows go: --output next.csv, or --review reviews.db.",
            )
        output = beside(source, ".next.csv")
    if output is not None:
        check_output(output, (".csv", ".jsonl"), overwrite=overwrite)
    console = open_console(notes=True)
    folder = model_folder(model)
    manifest = columns_known(read_manifest(folder), folder)
    if manifest.task not in ("classification", "pairs"):
        raise OptionError(
            f"rows of the task {manifest.task} are not chosen",
            where=str(model),
            fix="Give a model of classification, or import what it is unsure of: textgraft review import.",
        )
    columns = text or (manifest.text_columns if manifest.label_column else None)
    dataset = task_class(manifest.task).read(source, text=columns, id_column=id_column, labelled=False)
    known: list[str] = []
    if review is not None and review.exists():
        with ReviewStore(review) as store:
            known = [item.text for item in store.items()]
    rows = dataset.select(different(dataset, known))
    if not len(rows):
        give({"rows": [], "of": len(dataset)}, "every row is in the review store already")
        return
    from textgraft.inference.predictor import load

    predictions: list[Any] = load(model, engine=engine).predict_rows(rows)
    vectors: Any = encoded(rows.texts, encoder, revision, console.print)
    if vectors is None:
        vectors = word_features(rows.texts)(rows.texts)
    chosen = choose_rows(np.stack([one.probabilities for one in predictions]), vectors, count, seed=seed)
    rows, predictions = rows.select(chosen), [predictions[row] for row in chosen]
    to_label = rows_to_label(rows, predictions)
    told = []
    if output is not None:
        write_rows(output, to_label)
        told.append(f"{len(rows):,} of {len(dataset):,} rows to label → {output}")
    if review is not None:
        with ReviewStore(review) as store:
            store.add(items_to_label(rows, predictions, manifest.task, str(model)))
        told.append(f"{len(rows):,} of {len(dataset):,} rows to label → {review}")
        told.append(f"next: textgraft review next {review} --by NAME")
    give({"rows": to_label, "of": len(dataset), "output": output, "review": review}, *told)
