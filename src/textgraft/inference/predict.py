"""Predict rows, wherever they come from: what ``textgraft predict`` does with a file, from Python."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from textgraft.bars import Bar, check_progress, open_bar
from textgraft.data.dataset import Dataset, Rejected
from textgraft.data.formats.given import Rows, as_source
from textgraft.files import as_path, check_output
from textgraft.inference.engines.open import check_engine
from textgraft.inference.model_rows import read_to_predict
from textgraft.inference.predict_file import FORMATS, Predictions, RowCache, predict_file
from textgraft.inference.predictor import load
from textgraft.inference.row_predictor import RowPredictor
from textgraft.inference.written_rows import written_rows
from textgraft.models.manifest import MANIFEST, read_manifest
from textgraft.models.shipped import columns_known, model_folder
from textgraft.settings import flag
from textgraft.tables import Table, flat, page, paragraph
from textgraft.tasks.registry import task_class
from textgraft.terminal import visible
from textgraft.wording import counted

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, repr=False)
class Predicted(Sequence[dict[str, Any]]):
    """What was predicted: a dict a row, with its id and the answer, as a line of the written file."""

    answers: list[dict[str, Any]]
    dataset: Dataset
    """The rows, in the same order."""
    source: str
    output: Path | None
    """Where they were written, if they were."""
    truncated_fraction: float
    """Share of the tokens of the rows that lie beyond what the model reads, 0 to 1."""
    index: Any = None
    """The index of the rows, where a DataFrame or a series of pandas was given."""

    @property
    def rejected(self) -> list[Rejected]:
        """Rows that could not be used, each with its line and the reason."""
        return self.dataset.rejected

    def __len__(self) -> int:
        return len(self.answers)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        return self.answers[index]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.answers)

    def __repr__(self) -> str:
        aside = f", {len(self.rejected):,} set aside" if self.rejected else ""
        return visible(f"<Predicted {counted(len(self), 'row')} of {self.source}{aside}>")

    def _repr_html_(self) -> str:
        return page(
            self.table().to_html(), *([paragraph(repr(self)[1:-1], "quiet")] if self.rejected else [])
        )

    def table(self) -> Table:
        """Return a row for each row: its id, its columns, and the answer with a column for each score.

        A column that has the name of one of the answer's values is called ``given_…``.
        """
        rows = self.dataset
        if not rows.beside:
            rows = replace(rows, beside={name: list(values) for name, values in rows.columns.items()})
        return Table.of(list(written_rows(map(flat, self.answers), rows)))

    def to_pandas(self) -> pandas.DataFrame:
        """Return :meth:`table` as a DataFrame, with the index of the rows that were given, if they had one.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        frame = self.table().to_pandas()
        if self.index is not None:
            frame.index = self.index
        return frame


def predict(
    model: str | Path | RowPredictor,
    source: Rows,
    *,
    text: str | Sequence[str] | None = None,
    id_column: str | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
    sets: float | None = None,
    reject: float | None = None,
    engine: str = "auto",
    progress: bool | None = None,
) -> Predicted:
    """Predict every row: label, score and the scores of all labels, or what answers the model's task has.

    Rows that cannot be used, as those without a text, are set aside with a reason; the others keep their
    order. To have an answer for each of some texts, or an error, ask :meth:`RowPredictor.predict`.

    Args:
        model: A model directory or what else :func:`textgraft.load` takes, or a loaded one.
        source: A file, a Hub name, a DataFrame of pandas or Polars, an Arrow table, a ``datasets.Dataset``, a
            list of dicts, or a list of texts.
        text: Text columns; those the model was trained with if left out.
        id_column: Column that names rows; without one they are called by their lines (rows, of what has no
            lines), counted from 1.
        output: A .csv or .jsonl file to write, with the columns of the rows; run again, only what is missing
            is computed.
        overwrite: Whether a file that stands there may be replaced.
        sets: Add the labels that a text may have: the true one is among them in this share, as 0.95.
        reject: Tell texts that fit no label; this share of the others is not told so, as 0.95.
        engine: "auto", "torch", "openvino" or "ctranslate2"; a loaded model keeps its own.
        progress: Whether a bar is shown; if left out, in notebooks and terminals.

    Returns:
        A sequence of dicts, one a row, with ``table()`` and ``to_pandas()``.

    Raises:
        DataError: The rows cannot be read.
        OptionError: A column does not exist, or an option is of another kind.
        ModelError: The model directory is missing or damaged.
        OutputError: The file cannot be written, or one stands there.
    """
    flag(overwrite, "overwrite")
    check_progress(progress)
    check_engine(engine)
    target = None if output is None else as_path(output, "output")
    if target is not None:
        check_output(target, FORMATS, overwrite=overwrite)
    given = as_source(source)
    if not isinstance(model, RowPredictor):
        model = model_folder(model)
        if not (model / MANIFEST).is_file():
            model = load(model, engine=engine)  # of others, or none at all
    if isinstance(model, RowPredictor):
        task, manifest = type(model.task), model.manifest
        if manifest is not None and model.folder is not None:
            manifest = columns_known(manifest, model.folder)
    else:
        manifest = columns_known(read_manifest(model), model)
        task = task_class(manifest.task)
    # Loading the model takes seconds: only once the rows are known to be usable.
    rows = read_to_predict(task, manifest, given, text=text, id_column=id_column)
    predictor = model if isinstance(model, RowPredictor) else load(model, engine=engine)
    before = predictor.promised
    try:
        predictor.give_sets(before.sets if sets is None else sets)
        predictor.tell_unknown(before.reject if reject is None else reject)
        with open_bar(progress) as bar:
            predicted = _predicted(predictor, rows, target, overwrite, bar)
    finally:
        predictor.promised = before
    return replace(predicted, index=_index(source, rows))


def _index(source: Any, rows: Dataset) -> Any:
    """Return the index of the rows of a DataFrame that are used; None of what has none.

    Whoever puts answers beside his own rows goes by it: after a shuffle or a filter it does not count from 0.
    """
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(source, pandas.DataFrame | pandas.Series):
        return None
    return source.index.take([line - 1 for line in rows.lines])


def _predicted(
    predictor: RowPredictor, rows: Dataset, target: Path | None, overwrite: bool, bar: Bar
) -> Predicted:
    done = 0.0

    def advance(finished: float) -> None:
        nonlocal done
        done += finished
        bar.update(done, len(rows), f"predicting {counted(len(rows), 'row')}")

    truncated = 0.0
    if target is not None:
        truncated = predict_file(predictor, rows, target, advance, overwrite=overwrite).truncated_fraction
    # What was written a moment ago is known.
    predictions = Predictions(predictor, rows, RowCache(predictor) if target else None, advance)
    answers = list(predictions)
    return Predicted(answers, rows, rows.source, target, truncated or predictions.truncated_fraction)
