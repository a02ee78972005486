"""What a classifier remembers of its training texts, and how strange dev rows are to it beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from textgraft.data.dataset import Dataset
from textgraft.evaluation.unknown import Strangeness
from textgraft.inference.predictor import Predictor, load
from textgraft.inference.row_predictor import RowPredictor
from textgraft.models.known import MOST, WIDEST, KnownTexts
from textgraft.models.manifest import read_manifest, stamp
from textgraft.tasks.text.classification import SingleLabelClassification
from textgraft.tasks.text.texts import Encoded

Outputs = Callable[[Dataset], tuple[list[Any], list[Any]]]


def measure_known(
    predictor: RowPredictor, train: Dataset, dev: Dataset, outputs: Outputs | None = None
) -> tuple[KnownTexts, Strangeness] | None:
    """Encode training and dev rows, as the model's output layer reads them.

    Args:
        predictor: The model, calibrated.
        train: The rows that it learned from; of more than :data:`~textgraft.models.known.MOST` some.
        dev: Rows that it did not learn from; likewise.
        outputs: Does what its ``outputs`` does, on what was computed of the rows before.

    Returns:
        What is to be remembered, and the strangeness of the dev rows; None for models that do not choose one
        label, or have no output layer above encodings.
    """
    if not isinstance(predictor, Predictor) or not isinstance(predictor.task, SingleLabelClassification):
        return None
    if not len(train) or not len(dev) or not predictor.keep_encodings():
        return None
    known_rows, _ = _encoded(predictor, train, outputs)
    if known_rows.ndim != 2 or known_rows.shape[1] > WIDEST:
        return None
    known = KnownTexts.of(known_rows)
    encodings, probabilities = _encoded(predictor, dev, outputs)
    strangeness = Strangeness.of(probabilities, known.nearness(encodings))
    return None if strangeness is None else (known, strangeness)


def remember(path: Path, train: Dataset, dev: Dataset) -> None:
    """Add to a model directory what unknown texts are told by; one that has it already stays as it is.

    Args:
        path: The folder.
        train: The rows that the model learned from.
        dev: Rows that it did not learn from.

    Raises:
        ModelError: It is no model directory, or damaged.
        OutputError: It cannot be written.
    """
    manifest = read_manifest(path)
    if manifest.doubt is None or manifest.strangeness is not None:
        return
    found = measure_known(load(path), train, dev)
    if found is not None:
        known, strangeness = found
        known.save(path)
        stamp(path, msgspec.structs.replace(manifest, strangeness=strangeness))


def _encoded(
    predictor: Predictor, rows: Dataset, outputs: Outputs | None
) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
    """Return encodings [rows, size], and the probabilities of every label for each row; of some rows."""
    drawn = np.sort(np.random.default_rng(0).permutation(len(rows))[:MOST])
    features, decoded = (outputs or predictor.outputs)(rows.select(drawn.tolist()))
    probabilities = [one.probabilities for one in predictor.predictions(features, decoded)]
    if isinstance(decoded[0], Encoded):
        found = [one.encoding for one in decoded]
        # A GPT's output layer reads every token, so that a text has no one encoding before it.
        return np.stack(found) if found[0].ndim == 1 else np.empty(0, np.float32), probabilities
    return predictor.taken(), probabilities
