"""textgraft predict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from textgraft.cli import options
from textgraft.cli.sharding import in_shards, show_shards
from textgraft.cli.standard_input import STANDARD_OUTPUT, TEXTS, is_piped
from textgraft.cli.surface import give, wants_json
from textgraft.terminal import open_console
from textgraft.wording import counted

if TYPE_CHECKING:
    from textgraft.inference.row_predictor import RowPredictor

ANSWERS = (".csv", ".jsonl")


def kept(source: str, output: Path | None, **options: object) -> str:
    """Say what a stopped run leaves."""
    del options
    if output == Path("-") or (is_piped(source) and output is None):
        return "Nothing is kept of what goes to standard output: run the same command again to start over."
    return "The rows predicted so far are kept: run the same command again for the rest."


def predict(
    model: options.Model,
    source: Annotated[
        str,
        typer.Argument(
            help="CSV, TSV, JSON Lines, Parquet, .xlsx, .ods or .txt file, or a folder; - for standard input."
        ),
        TEXTS,
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="A .csv or .jsonl file, beside the input if left out; a name without an ending: a folder of "
            "shards; - for standard output.",
        ),
        STANDARD_OUTPUT,
    ] = None,
    overwrite: options.Overwrite = False,
    text: options.Text = None,
    id_column: options.IdColumn = None,
    sets: Annotated[
        float | None,
        typer.Option(
            help="Add the set of labels that a text may have; the true one is in it for this share of "
            "the texts, as 0.95."
        ),
    ] = None,
    reject: Annotated[
        float | None,
        typer.Option(
            help="Mark texts that fit none of the labels as unknown; of those that do fit, at least "
            "this share is not marked, as 0.95."
        ),
    ] = None,
    engine: options.Engine = "auto",
    light: Annotated[
        bool,
        typer.Option(
            "--light",
            help="Answer without loading torch; MODEL is then a folder that textgraft export wrote.",
        ),
    ] = False,
    jobs: options.Jobs = None,
    ray: options.Ray = None,
    share: options.Share = None,
    shard_rows: options.ShardRows = None,
) -> None:
    """Predict every row of a file: its columns, and beside them label, score and the scores of all labels.

    Run again, it computes only what is missing. Rows that cannot be used are set aside with a reason. Into a
    folder, or side by side, it is done in shards, and memory does not grow with the file.
    Standard input is answered on standard output as JSON Lines, unless --output names a file.
    """
    from dataclasses import asdict

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from textgraft.data.readers.reading import missing_file
    from textgraft.errors import OptionError
    from textgraft.export.light import is_export, load_light
    from textgraft.files import beside, check_output
    from textgraft.inference.engines.open import check_engine
    from textgraft.models.manifest import read_manifest
    from textgraft.models.shipped import columns_known, model_folder
    from textgraft.wording import duration

    check_engine(engine, "--engine")
    if light and engine != "auto":
        raise OptionError(
            "an exported model is run by onnxruntime", where="--engine", fix="Leave --engine or --light out."
        )
    piped = is_piped(source)
    to_output = output == Path("-") or (piped and output is None)  # as a pipe is answered in a pipe
    if output is None and not piped and "://" in source:
        raise missing_file(Path(source))
    answer = None if to_output else output or beside(source, ".predictions.csv")
    sharded = answer is not None and in_shards(answer, jobs, ray, share, shard_rows)
    if answer is None and (jobs, ray, share, shard_rows) != (None,) * 4:
        raise OptionError(
            "standard output takes no shards",
            where="--jobs, --ray, --share, --shard-rows",
            fix="Name a file, or an --output.",
        )
    if answer is not None and not sharded:
        check_output(answer, ANSWERS, overwrite=overwrite)
    model = model_folder(model)
    manifest = columns_known(read_manifest(model), model)
    if is_export(model) and not light:
        raise OptionError(
            "this is an exported model, which torch cannot run", where=str(model), fix="Say --light."
        )
    if answer is not None and sharded:
        from textgraft.inference.shards.work import prediction_work

        opener = "textgraft.export.light:load_light" if light else None
        given = {"engine": engine, "sets": sets, "reject": reject, "opener": opener}
        work = prediction_work(
            model,
            source,
            answer,
            given,
            text=text,
            id_column=id_column,
            shard_rows=shard_rows,
            overwrite=overwrite,
        )
        show_shards(source, work, jobs, ray, share)
        return
    from textgraft.inference.model_rows import read_to_predict
    from textgraft.inference.written_rows import written_rows
    from textgraft.tasks.registry import task_class

    task = task_class(manifest.task)
    dataset = read_to_predict(task, manifest, source, text=text, id_column=id_column)
    console = open_console(stderr=True)
    # Importing torch takes seconds: only once the input is known to be usable.
    from textgraft.inference.predict_file import Predictions, predict_file, write_predictions

    if light:
        predictor: RowPredictor = load_light(model)
    else:
        from textgraft.inference.predictor import load

        predictor = load(model, engine=engine)
    predictor.give_sets(sets)
    predictor.tell_unknown(reject)
    with Progress(
        TextColumn("predicting"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        bar = progress.add_task("", total=len(dataset))

        done = 0.0

        def on_progress(rows: float) -> None:
            nonlocal done
            done += rows
            progress.update(bar, completed=round(done, 3))  # fractions that add up to a row are one

        if answer is None:
            predictions = Predictions(predictor, dataset, on_progress=on_progress)
            if wants_json():
                give(list(written_rows(predictions, dataset)))
            else:
                write_predictions(sys.stdout.buffer, ".jsonl", predictions, dataset)
            for row in dataset.rejected:
                console.print(f"{dataset.numbering} {row.line} set aside: {row.reason}")
            return
        summary = predict_file(predictor, dataset, answer, on_progress, overwrite=overwrite)
    console.print(
        f"{counted(summary.rows, 'row')} → {answer} ({summary.computed:,} computed, {summary.skipped:,} set "
        f"aside) in {duration(summary.seconds)} by {predictor.engine}",
        soft_wrap=True,
    )
    if summary.truncated_fraction:
        console.print(
            f"{summary.truncated_fraction:.1%} of all tokens lie beyond the {predictor.max_length} that the "
            "model reads of a row",
        )
    if summary.skipped:
        where = f"{answer}.rejected.jsonl"
        console.print(f"set aside, with reasons: {where}", soft_wrap=True)
    give({"output": answer, "engine": predictor.engine, **asdict(summary)})
