"""An exported model is held against the model that it was made of, and against its golden outputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textgraft import runtime
from textgraft.data.dataset import Dataset
from textgraft.data.words import cut_words
from textgraft.errors import ModelError
from textgraft.export.light import runtime_rows
from textgraft.inference.predictor import GOLDEN_TOLERANCE, MAX_SEQUENCES, MAX_TOKENS, Predictor
from textgraft.training.evaluate import run_model

GRAPH_TOLERANCE = 1e-3
"""How far a number of a graph in fp32 may be from torch's: sums in another order move it by less."""
INT8_TOLERANCE = 0.05
"""How far a probability may move by rounding to int8, as long as the answer stays the same."""


@dataclass(frozen=True)
class Agreement:
    """How well an exported model answers as the model does."""

    rows: int
    """Rows that were compared."""
    drift: float
    """The largest difference between the numbers of two answers."""


def golden_rows(predictor: Predictor) -> Dataset:
    """Return the golden inputs of a model.

    Raises:
        ModelError: It has none.
    """
    golden = predictor.manifest.golden if predictor.manifest else []
    if not golden:
        raise ModelError(
            "the model has no golden outputs, so that an export of it cannot be checked",
            where=str(predictor.folder),
            fix="Train it again with this version.",
        )
    return Dataset.unlabelled({name: [row.columns[name] for row in golden] for name in golden[0].columns})


def at_other_lengths(rows: Dataset) -> Dataset:
    """Return rows again, each once cut to its first words and once said twice: rows of other lengths."""
    columns: dict[str, list[Any]] = {
        name: [
            changed
            for value in values
            for changed in (" ".join(value.split()[:2]) or value, f"{value} {value}")
        ]
        for name, values in rows.columns.items()
        if name != "words"
    }
    if "words" in rows.columns:
        columns["words"] = [cut_words(text) for text in columns["text"]]
    return Dataset.unlabelled(columns)


def check(predictor: Predictor, folder: Path, precision: str) -> Agreement:
    """Compare an exported folder with the model that it was made of.

    In fp32 the numbers must be torch's, also at other lengths; in any precision the golden rows must be
    answered alike, and their numbers stay near the golden ones.

    Args:
        predictor: The model.
        folder: The export.
        precision: "fp32" or "int8".

    Raises:
        ModelError: An answer has changed, or a number is too far from what it was.
    """
    exported = runtime.load(folder, verify=False)  # its hashes are taken once it is finished
    golden = golden_rows(predictor)
    drift = _compare(predictor, exported, golden, GRAPH_TOLERANCE if precision == "fp32" else INT8_TOLERANCE)
    rows = len(golden)
    if precision == "fp32":
        others = at_other_lengths(golden)
        rows += len(others)
        drift = max(drift, _compare(predictor, exported, others, GRAPH_TOLERANCE))
    most = GOLDEN_TOLERANCE if precision == "fp32" else INT8_TOLERANCE
    if not (found := exported.check()) <= most:
        raise _refusal(f"the golden outputs are missed by {found:.3f}", precision)
    return Agreement(rows, drift)


def _compare(predictor: Predictor, exported: runtime.Model, rows: Dataset, most: float) -> float:
    """Return the largest difference between two ways to answer rows."""
    windows = predictor.windows(rows)
    decoded = run_model(
        predictor.model,
        predictor.task,
        windows,
        pad_token_id=predictor.tokenizer.pad_token_id,
        max_tokens=MAX_TOKENS,
        max_sequences=MAX_SEQUENCES,
        precision="fp32",
    )
    expected = predictor.predictions(windows, decoded)
    own = exported.windows(runtime_rows(predictor.task, rows))
    outputs = exported.run(own)
    found = exported.numbers(own, outputs)
    drift = 0.0
    for row, (prediction, numbers) in enumerate(zip(expected, found, strict=True)):
        wanted = prediction.numbers()
        if len(wanted) != len(numbers):
            raise _refusal(f"row {row} has another form", exported.precision)
        drift = max(drift, float(np.abs(np.subtract(wanted, numbers)).max(initial=0)))
    for row, (prediction, answer) in enumerate(
        zip(predictor.decide(expected), exported.answers(own, outputs), strict=True)
    ):
        # Two answers that are equally probable may change places in fp32.
        if exported.precision != "fp32" and not same_answer(prediction.to_dict(), answer):
            raise _refusal(f"golden row {row + 1} is answered otherwise", exported.precision)
    if not drift <= most:
        raise _refusal(f"a number is off by {drift:.4f}, over {most:g}", exported.precision)
    return drift


def same_answer(expected: dict[str, Any], found: dict[str, Any]) -> bool:
    """Tell whether two answers say the same, whatever their scores and numbers of regression are."""
    told = ("label", "labels", "tags", "choice", "answer", "start", "end", "needs_review")
    return all(expected.get(name) == found.get(name) for name in told)


def _refusal(what: str, precision: str) -> ModelError:
    rounded = precision == "int8"
    return ModelError(
        f"the export in {precision} does not answer as the model does: {what}",
        where="--int8" if rounded else "model",
        fix="Export it without --int8."
        if rounded
        else "It is not written. Please report the model's config.json.",
    )
