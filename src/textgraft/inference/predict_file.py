"""Predict a whole file: idempotent, resumable, with unusable rows set aside.

Every finished row is kept in the cache folder, keyed by all that its answer depends on. Predicting again
computes only what is missing: nothing after a finished run, the rest after an interrupted one, the new rows
when the file has grown.
"""

from __future__ import annotations

import csv
import hashlib
import io
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from textgraft._version import __version__
from textgraft.data.dataset import Dataset
from textgraft.errors import OutputError
from textgraft.files import (
    atomic_writer,
    cache_folder,
    check_output,
    content_hash,
    output_errors,
    refuse_to_replace,
)
from textgraft.inference.row_predictor import RowPredictor
from textgraft.inference.row_store import RowStore
from textgraft.inference.written_rows import written_rows
from textgraft.tables import flat
from textgraft.tasks.base import token_counts

CHUNK = 1024
"""Rows computed between two commits: what an interruption can cost."""
CHUNK_CHARACTERS = 1 << 22
"""Characters that such rows have together, unless one row alone has more: their windows are held at once."""
FORMATS = (".csv", ".jsonl")
FORM = 0x1002
"""Of the store of finished rows: change it when what a prediction holds changes."""
FOLDER = "predictions"
"""Of the cache folder; holds a store a model."""
KEPT_BYTES = 1 << 31
"""Of the predictions of all models; of more, those used longest ago are deleted."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Summary:
    """What a batch run did."""

    rows: int
    """Rows in the output."""
    computed: int
    """Of them, predicted by this run; the others were known from an earlier one."""
    skipped: int
    """Rows set aside with a reason."""
    truncated_fraction: float
    """Share of the tokens of the computed rows that lie beyond what the model reads, 0 to 1."""
    seconds: float


class RowCache:
    """Predictions by row, in the cache folder.

    Args:
        predictor: The model; without a manifest, as before it is saved, nothing is kept of it.
    """

    def __init__(self, predictor: RowPredictor) -> None:
        self._store: RowStore | None = None
        manifest = predictor.manifest
        if manifest is None:
            return
        facts = [manifest.identity, predictor.temperature, predictor.engine, __version__]
        if predictor.threshold is not None:
            facts.append(["threshold", predictor.threshold.least])
        if predictor.promised:
            facts.append(["promised", predictor.promised.sets, predictor.promised.reject])
        path = cache_folder() / FOLDER / f"{content_hash(facts)}.sqlite3"
        try:
            self._store = RowStore(path, FORM)
            os.utime(path)
            _make_room(path)
        except (OutputError, OSError) as error:
            logger.warning("%s\nFinished rows are not kept: a run that is stopped begins anew.", error)

    def keys(self, dataset: Dataset) -> list[bytes]:
        """Return what names each row under this model: all values that the model reads."""
        rows = zip(*dataset.columns.values(), strict=True)
        return [hashlib.sha256(msgspec.json.encode(list(map(_encodable, row)))).digest() for row in rows]

    def get(self, keys: Sequence[bytes]) -> dict[bytes, dict[str, Any]]:
        """Return what was predicted for those rows that are known."""
        found = self._store.get(keys) if self._store else {}
        return {key: msgspec.json.decode(value) for key, value in found.items()}

    def put(self, predictions: Mapping[bytes, dict[str, Any]]) -> None:
        """Keep the predictions of some rows, all or none of them."""
        if self._store:
            self._store.put({key: msgspec.json.encode(value) for key, value in predictions.items()})


def _make_room(own: Path) -> None:
    """Delete the stores used longest ago until the others are within :data:`KEPT_BYTES`."""
    others = [path for path in own.parent.glob("*.sqlite3") if path != own]
    stores = sorted(others, key=lambda path: path.stat().st_mtime)
    excess = sum(path.stat().st_size for path in [*stores, own]) - KEPT_BYTES
    for path in stores:
        if excess <= 0:
            return
        excess -= path.stat().st_size
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def _encodable(value: Any) -> Any:
    """Make bytes of texts: JSON has no lone surrogates."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value


class Predictions:
    """The predictions of a data set's rows, computed where the cache does not know them.

    Args:
        predictor: The model.
        dataset: The rows.
        cache: What is known of them, and receives the rest; None keeps nothing.
        on_progress: Called with the number of rows just finished; of a row of many windows, with fractions.
    """

    def __init__(
        self,
        predictor: RowPredictor,
        dataset: Dataset,
        cache: RowCache | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> None:
        self.computed = self._kept = 0
        self.lost = 0
        """Of :attr:`tokens`, those that no window held."""
        self._ahead = 0.0
        self._predictor, self._dataset, self._cache = predictor, dataset, cache
        self._on_progress = on_progress or (lambda rows: None)

    @property
    def truncated_fraction(self) -> float:
        """Share of the tokens of the rows computed so far that no window held, 0 to 1."""
        return self.lost / self.tokens if self.lost else 0.0

    @property
    def tokens(self) -> int:
        """Tokens of the rows computed so far."""
        return self._kept + self.lost

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield for each row its id and what was predicted, in order."""
        for part in _chunks(self._dataset):
            rows = self._dataset.select(part)
            self._ahead = 0.0
            for name, prediction in zip(rows.ids, self._chunk(rows), strict=True):
                yield {"id": name, **prediction}
            self._on_progress(len(rows) - self._ahead)

    def _chunk(self, rows: Dataset) -> list[dict[str, Any]]:
        if self._cache is None:
            return self._compute(rows)
        keys = self._cache.keys(rows)
        known = self._cache.get(keys)
        missing = [row for row, key in enumerate(keys) if key not in known]
        if missing:
            found = self._compute(rows.select(missing))
            new = dict(zip([keys[row] for row in missing], found, strict=True))
            self._cache.put(new)
            known |= new
        return [known[key] for key in keys]

    def _compute(self, rows: Dataset) -> list[dict[str, Any]]:
        left = windows = 0

        def counted(features: list[Any]) -> list[Any]:
            nonlocal left, windows
            left = windows = len(features)
            return features

        def advance(done: int) -> None:
            nonlocal left
            left -= done
            if left:  # the last part is told once the rows are kept
                self._ahead += len(rows) * done / windows
                self._on_progress(len(rows) * done / windows)

        features, decoded = self._predictor.outputs(rows, advance, choose=counted)
        kept, lost = token_counts(features)
        self.computed += len(rows)
        self._kept, self.lost = self._kept + kept, self.lost + lost
        predictions = self._predictor.decide(self._predictor.predictions(features, decoded))
        return [prediction.to_dict() for prediction in predictions]


def _chunks(dataset: Dataset) -> Iterator[range]:
    """Cut the rows into runs of at most :data:`CHUNK` and :data:`CHUNK_CHARACTERS`."""
    start = held = 0
    for row, values in enumerate(zip(*dataset.columns.values(), strict=True)):
        size = sum(len(value) for value in values if isinstance(value, str))
        if row - start == CHUNK or (row > start and held + size > CHUNK_CHARACTERS):
            yield range(start, row)
            start, held = row, 0
        held += size
    if start < len(dataset):
        yield range(start, len(dataset))


def write_predictions(
    handle: BinaryIO, form: str, results: Iterable[dict[str, Any]], dataset: Dataset
) -> int:
    """Write one line a row: its id, the columns of its file, and what was predicted.

    Args:
        handle: A binary file.
        form: ".csv" or ".jsonl". A column of CSV is named as the value of JSON Lines; values by name, as the
            scores of all labels, have a column each, named ``score:<label>``; lists are written as JSON.
        results: The rows' ids and predictions.
        dataset: The rows.

    Returns:
        The bytes of the header; none in JSON Lines.
    """
    if form == ".jsonl":
        for entry in written_rows(results, dataset):
            handle.write(msgspec.json.encode(entry, enc_hook=str) + b"\n")
        return 0
    text = io.TextIOWrapper(handle, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    header = 0
    for place, entry in enumerate(written_rows(map(_flat, results), dataset)):
        if place == 0:
            start = handle.tell()
            writer.writerow(entry)
            header = handle.tell() - start
        writer.writerow(map(_cell, entry.values()))
    text.detach()
    return header


def _flat(entry: dict[str, Any]) -> dict[str, Any]:
    """Give each value by name a column; numbers of ours have six digits."""
    return {
        name: f"{value:.6f}" if isinstance(value, float) else value for name, value in flat(entry).items()
    }


def _cell(value: Any) -> Any:
    """Return what stands in a cell: texts and numbers as they are, lists as JSON."""
    if value is None or (isinstance(value, str | int | float) and not isinstance(value, bool)):
        return value
    return msgspec.json.encode(value, enc_hook=str).decode().strip('"')


def rejected_rows(output: Path) -> Path:
    """Return the file beside an output that holds the rows that could not be used."""
    return output.with_name(output.name + ".rejected.jsonl")


def predict_file(
    predictor: RowPredictor,
    dataset: Dataset,
    output: Path,
    on_progress: Callable[[float], None] | None = None,
    *,
    overwrite: bool = False,
) -> Summary:
    """Predict all rows of a data set into a file.

    What stands beside the rows (``dataset.beside``) is written with them. Where rows were set aside,
    ``<output>.rejected.jsonl`` holds their lines and reasons.

    Args:
        predictor: The model.
        dataset: The rows.
        output: A .csv or .jsonl file.
        on_progress: Called with the number of rows just finished; of a row of many windows, with fractions.
        overwrite: Whether an output that exists may be replaced.

    Raises:
        OptionError: ``output`` ends neither in .csv nor in .jsonl.
        OutputError: It exists, or cannot be written. Finished rows are kept.
    """
    start = time.perf_counter()
    check_output(output, FORMATS, overwrite=overwrite)
    refuse_to_replace(rejected_rows(output), overwrite=overwrite)
    predictions = Predictions(predictor, dataset, RowCache(predictor), on_progress)
    with atomic_writer(output) as handle:
        write_predictions(handle, output.suffix.lower(), predictions, dataset)
    rejected = rejected_rows(output)
    if dataset.rejected:
        with atomic_writer(rejected) as handle:
            for row in dataset.rejected:
                entry = {"line": row.line, "reason": row.reason, "excerpt": row.excerpt}
                handle.write(msgspec.json.encode(entry) + b"\n")
    elif overwrite:
        with output_errors(rejected):
            rejected.unlink(missing_ok=True)  # of other rows
    return Summary(
        rows=len(dataset),
        computed=predictions.computed,
        skipped=len(dataset.rejected),
        truncated_fraction=predictions.truncated_fraction,
        seconds=time.perf_counter() - start,
    )
