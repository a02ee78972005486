"""Predict a whole file: idempotent, resumable, with unusable rows set aside.

Every finished row is kept in a small database beside the output, keyed by its id and text and by the model.
Running the same command again computes only what is missing: nothing after a finished run, the rest after an
interrupted one, the new rows when the file has grown.
"""

from __future__ import annotations

import csv
import hashlib
import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from textgraft.data.dataset import Dataset
from textgraft.errors import OptionError
from textgraft.files import atomic_writer
from textgraft.inference.predictor import Predictor
from textgraft.inference.row_store import RowStore

CHUNK = 1024
"""Rows computed between two commits: what an interruption can cost."""
FORMATS = (".csv", ".jsonl")
FORM = 0x1001
"""Of the store of finished rows: change it when what a prediction holds changes."""


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
    """Predictions by row, for one model.

    Args:
        path: A store on disk, made if it is missing. None keeps everything in memory.
        model: Identity of the model; rows of another model do not count.

    Raises:
        OutputError: The file is something else, or cannot be written.
    """

    def __init__(self, path: Path | None, model: str) -> None:
        self.model = model
        self._store = None if path is None else RowStore(path, FORM)
        self._memory: dict[bytes, bytes] = {}

    def key(self, dataset: Dataset, row: int) -> bytes:
        """Return the identity of a row under this model."""
        values = [dataset.ids[row], *(column[row] for column in dataset.columns.values())]
        return hashlib.sha256(
            self.model.encode() + msgspec.json.encode(list(map(_encodable, values)))
        ).digest()

    def get(self, keys: Sequence[bytes]) -> dict[bytes, dict[str, Any]]:
        """Return what was predicted for those rows that are known."""
        if self._store is not None:
            found = self._store.get(keys)
        else:
            found = {key: self._memory[key] for key in keys if key in self._memory}
        return {key: msgspec.json.decode(value) for key, value in found.items()}

    def put(self, keys: list[bytes], predictions: list[dict[str, Any]]) -> None:
        """Keep the predictions of some rows, all or none of them.

        Raises:
            OutputError: The disk is full or the file cannot be written.
        """
        rows = dict(zip(keys, map(msgspec.json.encode, predictions), strict=True))
        if self._store is not None:
            self._store.put(rows)
        else:
            self._memory |= rows


def _encodable(value: Any) -> Any:
    """Make bytes of texts: JSON has no lone surrogates."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value


def predict_rows(
    predictor: Predictor,
    dataset: Dataset,
    cache: RowCache,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Predict every row that the cache does not know, a chunk at a time; return how many those were."""
    computed = 0
    for start in range(0, len(dataset), CHUNK):
        rows = range(start, min(start + CHUNK, len(dataset)))
        keys = {row: cache.key(dataset, row) for row in rows}
        known = cache.get(list(keys.values()))
        missing = [row for row in rows if keys[row] not in known]
        if missing:
            predictions = predictor.predict_rows(dataset.select(missing))
            cache.put([keys[row] for row in missing], [prediction.to_dict() for prediction in predictions])
            computed += len(missing)
        if on_progress:
            on_progress(len(rows))
    return computed


def write_predictions(handle: BinaryIO, form: str, dataset: Dataset, cache: RowCache) -> None:
    """Write one line a row: its id and what was predicted.

    Args:
        handle: A binary file.
        form: ".csv" or ".jsonl". A column of CSV is named as the value of JSON Lines; values by name, as the
            scores of all labels, have a column each, named ``score:<label>``; lists are written as JSON.
        dataset: The rows, in the order of the output.
        cache: Knows every row.
    """
    results = _results(dataset, cache)
    if form == ".jsonl":
        for entry in results:
            handle.write(msgspec.json.encode(entry) + b"\n")
        return
    text = io.TextIOWrapper(handle, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    for place, entry in enumerate(results):
        flat = _flat(entry)
        if place == 0:
            writer.writerow([dataset.id_column or "id", *list(flat)[1:]])
        writer.writerow(flat.values())
    text.detach()


def _results(dataset: Dataset, cache: RowCache) -> Iterator[dict[str, Any]]:
    for start in range(0, len(dataset), CHUNK):
        keys = [cache.key(dataset, row) for row in range(start, min(start + CHUNK, len(dataset)))]
        known = cache.get(keys)
        for name, key in zip(dataset.ids[start : start + CHUNK], keys, strict=True):
            yield {"id": name, **known[key]}


def _flat(entry: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in entry.items():
        if isinstance(value, dict):
            flat |= {f"{name.removesuffix('s')}:{key}": _cell(inner) for key, inner in value.items()}
        else:
            flat[name] = _cell(value)
    return flat


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.6f}"
    return msgspec.json.encode(value).decode() if isinstance(value, list) else value


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
    model = predictor.manifest.identity if predictor.manifest else ""
    cache = RowCache(output.with_name(output.name + ".cache"), model)
    computed = predict_rows(predictor, dataset, cache, on_progress)
    with atomic_writer(output) as handle:
        write_predictions(handle, form, dataset, cache)
    if dataset.rejected:
        with atomic_writer(output.with_name(output.name + ".rejected.jsonl")) as handle:
            for row in dataset.rejected:
                handle.write(
                    msgspec.json.encode({"line": row.line, "reason": row.reason, "excerpt": row.excerpt})
                    + b"\n"
                )
    return Summary(len(dataset), computed, len(dataset.rejected), time.perf_counter() - start)
