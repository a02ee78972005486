"""From labelled rows to a model that leaves to a person what it is not sure of.

The threshold is decided by :mod:`textgraft.evaluation.selective`, stands in textgraft.json, and is heeded by
whatever answers with the model: the command line, Python, pipelines, many grafts on one encoder.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Rows, as_source
from textgraft.evaluation.promises import Target, Threshold
from textgraft.evaluation.selective import find_threshold
from textgraft.inference.card_section import keep_decision, with_section
from textgraft.inference.model_rows import read_for_model
from textgraft.inference.predictor import load
from textgraft.inference.row_predictor import RowPredictor
from textgraft.inference.unseen import unseen_rows
from textgraft.models.fingerprint import load_fingerprint
from textgraft.models.manifest import read_manifest
from textgraft.models.shipped import own_folder
from textgraft.settings import real_number
from textgraft.tasks.registry import task_class
from textgraft.tasks.targets import check_holds_back

logger = logging.getLogger(__name__)
_TITLE = "## Answers without a person"


def threshold(
    model: str | Path,
    source: Rows,
    labels: Iterable[Any] | None = None,
    *,
    precision: float | None = None,
    error_cost: float | None = None,
    review_cost: float | None = None,
    text: str | Sequence[str] | None = None,
    label: str | Sequence[str] | None = None,
    id_column: str | None = None,
    offsets: str = "characters",
    note: Callable[[str], None] = logger.info,
) -> Threshold:
    """Have a model answer only what keeps a promise, and write that into its model directory.

    Args:
        model: A model directory; one that has a threshold already gets the new one in its place.
        source: Labelled rows like those to come: a file, a DataFrame of pandas or Polars, an Arrow table, a
            ``datasets.Dataset``, a list of dicts, or a list of texts with ``labels``. Those that the model
            learned from are left out: it is surer of them, and the promise would not hold.
        labels: The label of each row, where no column holds it.
        precision: How many of the answers given are to be right at least, as 0.97.
        error_cost: In place of it, what a wrong answer costs, and
        review_cost: what it costs to have a person answer, in the same currency.
        text: Text columns; those the model was trained with if left out.
        label: Label column; likewise.
        id_column: Column that names rows.
        offsets: What the offsets of spans and answers count: "characters", "utf-16" or "utf-8".
        note: Told what the user should know of the rows.

    Returns:
        The threshold, and what is promised of it.

    Raises:
        DataError: The rows cannot be read, or hold a target that the model does not know.
        ModelError: The model directory is missing or damaged.
        OptionError: The target makes no sense, or answers of this task cannot be held back.
    """
    target = Target(
        precision=None if precision is None else real_number(precision, "--precision"),
        error_cost=None if error_cost is None else real_number(error_cost, "--error-cost"),
        review_cost=None if review_cost is None else real_number(review_cost, "--review-cost"),
    )
    path = own_folder(model)
    manifest = read_manifest(path)
    check_holds_back(task_class(manifest.task), target)
    rows = read_for_model(
        task_class(manifest.task),
        manifest,
        as_source(source, labels, labelled=True),
        text=text,
        label=label,
        id_column=id_column,
        offsets=offsets,
    )
    # Of a cascade each part has learned: what it remembers is what they do.
    rows = unseen_rows(rows, [(str(path), load_fingerprint(path))], note)
    return set_threshold(path, rows, target)


def set_threshold(path: Path, rows: Dataset, target: Target) -> Threshold:
    """Find the threshold of a model directory on labelled rows, and write it there.

    Raises:
        DataError: The rows hold no targets, or one that the model does not know.
        ModelError: It is no model directory, or damaged.
        OptionError: Answers of this task cannot be held back.
        OutputError: It cannot be written.
    """
    found = decide_threshold(load(path), rows, target)
    keep_threshold(path, found)
    return found


def decide_threshold(predictor: RowPredictor, rows: Dataset, target: Target) -> Threshold:
    """Find the threshold of a model on labelled rows that it was not trained on.

    Raises:
        DataError: The rows hold no targets, or one that the model does not know.
        OptionError: Answers of this task cannot be held back.
    """
    task = predictor.task
    check_holds_back(type(task), target)
    gold = task.targets(rows)
    return find_threshold(*task.graded(gold, predictor.predict_rows(rows)), target)


def keep_threshold(path: Path, found: Threshold | None) -> None:
    """Write a threshold into a model directory, into its card too; None takes away the one that is there.

    Raises:
        ModelError: It is no model directory, or damaged.
        OutputError: It cannot be written.
    """
    text = None if found is None else _section(found)
    keep_decision(path, "threshold", found, title=_TITLE, text=text)


def with_threshold(card: str, found: Threshold | None) -> str:
    """Put the section on the threshold into a card, in place of one that is there; None leaves none."""
    return with_section(card, _TITLE, None if found is None else _section(found))


def _section(found: Threshold) -> str:
    sentence = found.sentence
    how = f"The method is {found.method}; it holds for texts like those rows."
    return f"{sentence[0].upper()}{sentence[1:]}.\n{how}"
