"""Predict a whole file: idempotent, resumable, with unusable rows set aside.

Every finished row is kept in a small database beside the output, keyed by its id and text and by the model.
Running the same command again computes only what is missing: nothing after a finished run, the rest after an
interrupted one, the new rows when the file has grown.
"""

from __future__ import annotations

import csv
import hashlib
import io
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from textgraft.data.dataset import Dataset
from textgraft.errors import OptionError, OutputError
from textgraft.files import atomic_writer, output_errors
from textgraft.inference.predict import Predictor

CHUNK = 1024
"""Rows computed between two commits: what an interruption can cost."""
FORMATS = (".csv", ".jsonl")


@dataclass(frozen=True)
class Summary:
    """What a batch run did."""

    rows: int
    """Rows in the output."""
    computed: int
    """Of them, predicted by this run; the others were known from an earlier one."""
    skipped: int
    """Rows set aside with a reason."""
    seconds: float


class RowCache:
    """Probabilities by row, in an SQLite file, for one model.

    Args:
        path: The database, made if it is missing. None keeps everything in memory.
        model: Identity of the model; rows of another model do not count.
        labels: Number of labels.

    Raises:
        OutputError: The file is no such database or cannot be written.
    """

    def __init__(self, path: Path | None, model: str, labels: int) -> None:
        self.model = model
        self.labels = labels
        with output_errors(path or Path()):
            try:
                self.connection = sqlite3.connect(path or ":memory:")
                self.connection.execute("PRAGMA journal_mode=WAL")
                self.connection.execute(
                    "CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, scores BLOB) WITHOUT ROWID"
                )
            except sqlite3.Error as error:
                raise OutputError(
                    f"not a usable cache: {error}",
                    where=str(path),
                    fix="Delete the file, or write the output elsewhere; its rows are then computed anew.",
                ) from error

    def key(self, row_id: str, text: str) -> bytes:
        """Return the identity of a row under this model."""
        parts = (self.model, row_id, text)
        return hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).digest()

    def get(self, key: bytes) -> np.ndarray | None:
        """Return the probabilities of a row, float32 of shape [labels], or None."""
        found = self.connection.execute("SELECT scores FROM rows WHERE key = ?", (key,)).fetchone()
        return np.frombuffer(found[0], dtype=np.float32) if found else None

    def put(self, keys: list[bytes], scores: np.ndarray) -> None:
        """Keep the probabilities of some rows, all or none of them.

        Raises:
            OutputError: The disk is full or the file cannot be written.
        """
        try:
            with self.connection:
                self.connection.executemany(
                    "INSERT OR REPLACE INTO rows VALUES (?, ?)",
                    zip(keys, (row.astype(np.float32).tobytes() for row in scores), strict=True),
                )
        except sqlite3.Error as error:
            raise OutputError(
                f"finished rows cannot be kept: {error}",
                fix="Free some disk space and run the same command again: it goes on from here.",
            ) from error

    def close(self) -> None:
        """Close the database."""
        self.connection.close()


def predict_rows(
    predictor: Predictor,
    dataset: Dataset,
    cache: RowCache,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Predict every row that the cache does not know, a chunk at a time; return how many those were."""
    texts = dataset.texts
    computed = 0
    for start in range(0, len(dataset), CHUNK):
        rows = range(start, min(start + CHUNK, len(dataset)))
        keys = [cache.key(dataset.ids[row], texts[row]) for row in rows]
        missing = [position for position, key in enumerate(keys) if cache.get(key) is None]
        if missing:
            scores = predictor.probabilities([texts[rows[position]] for position in missing])
            cache.put([keys[position] for position in missing], scores)
            computed += len(missing)
        if on_progress:
            on_progress(len(rows))
    return computed


def _results(dataset: Dataset, cache: RowCache) -> Iterator[tuple[str, np.ndarray]]:
    for row_id, text in zip(dataset.ids, dataset.texts, strict=True):
        scores = cache.get(cache.key(row_id, text))
        assert scores is not None, "predict_rows has filled the cache"
        yield row_id, scores


def write_predictions(
    handle: BinaryIO, form: str, dataset: Dataset, labels: list[str], cache: RowCache
) -> None:
    """Write one line a row: id, label, score and the scores of all labels.

    Args:
        handle: A binary file.
        form: ".csv" (columns id, label, score, then ``score:<label>`` for each label) or ".jsonl" (objects
            with id, label, score, scores).
        dataset: The rows, in the order of the output.
        labels: The model's labels.
        cache: Knows every row.
    """
    if form == ".csv":
        text = io.TextIOWrapper(handle, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text)
        writer.writerow(
            [dataset.id_column or "id", "label", "score", *(f"score:{label}" for label in labels)]
        )
        for row_id, scores in _results(dataset, cache):
            best = int(scores.argmax())
            writer.writerow([row_id, labels[best], *(f"{value:.6f}" for value in (scores[best], *scores))])
        text.detach()
        return
    for row_id, scores in _results(dataset, cache):
        best = int(scores.argmax())
        entry = {
            "id": row_id,
            "label": labels[best],
            "score": round(float(scores[best]), 6),
            "scores": {label: round(float(value), 6) for label, value in zip(labels, scores, strict=True)},
        }
        handle.write(msgspec.json.encode(entry) + b"\n")


def predict_file(
    predictor: Predictor,
    dataset: Dataset,
    output: Path,
    on_progress: Callable[[int], None] | None = None,
) -> Summary:
    """Predict all rows of a data set into a file.

    Beside ``output`` appear ``<output>.cache`` (finished rows) and, where rows were set aside,
    ``<output>.rejected.jsonl`` with their lines and reasons.

    Raises:
        OptionError: ``output`` ends neither in .csv nor in .jsonl.
        OutputError: It cannot be written. Finished rows are kept.
    """
    start = time.perf_counter()
    form = output.suffix.lower()
    if form not in FORMATS:
        raise OptionError(
            f"unknown output format {output.suffix!r}", where=str(output), fix="End it in .csv or .jsonl."
        )
    manifest = predictor.manifest
    model = manifest.weights_sha256 + str(manifest.temperature) if manifest else ""
    with closing(RowCache(output.with_name(output.name + ".cache"), model, len(predictor.labels))) as cache:
        computed = predict_rows(predictor, dataset, cache, on_progress)
        with atomic_writer(output) as handle:
            write_predictions(handle, form, dataset, predictor.labels, cache)
    if dataset.rejected:
        with atomic_writer(output.with_name(output.name + ".rejected.jsonl")) as handle:
            for row in dataset.rejected:
                handle.write(
                    msgspec.json.encode({"line": row.line, "reason": row.reason, "excerpt": row.excerpt})
                    + b"\n"
                )
    return Summary(len(dataset), computed, len(dataset.rejected), time.perf_counter() - start)
