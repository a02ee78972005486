"""Shards of predictions: what answers the rows of one, and in which forms it is written."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from textgraft.data.dataset import Dataset
from textgraft.errors import ModelError
from textgraft.inference.predict_file import Predictions, write_predictions
from textgraft.inference.row_predictor import RowPredictor
from textgraft.inference.shards.writing import compute_shard
from textgraft.inference.written_rows import written_rows
from textgraft.models.manifest import read_manifest
from textgraft.tables import flat


def predict_shard(order: bytes) -> bytes:
    """Predict the rows of a shard.

    Args:
        order: A :class:`~textgraft.inference.shards.writing.ShardOrder` as MessagePack; its choices are the
            ``model``'s folder and ``identity``, the ``opener`` that loads it, ``engine``, ``sets`` and
            ``reject``.

    Raises:
        ModelError: The model is another one here.
    """
    return compute_shard(order, _opened, _predict)


@functools.lru_cache(maxsize=1)
def _opened(choices: bytes) -> RowPredictor:
    given = msgspec.msgpack.decode(choices)
    path = Path(given["model"])
    if read_manifest(path).identity != given["identity"]:
        raise ModelError(
            "the model is another one here than where the work was given out",
            where=str(path),
            fix="Put the same files there.",
        )
    predictor = _loaded(path, given["engine"], given["opener"])
    predictor.give_sets(given["sets"])
    predictor.tell_unknown(given["reject"])
    return predictor


def _loaded(path: Path, engine: str, opener: str | None) -> RowPredictor:
    """Load a model, or by ``module:function`` what only a room above this one can."""
    if opener is None:
        from textgraft.inference.predictor import load

        return load(path, engine=engine)
    from textgraft.executors.base import imported

    found: RowPredictor = imported(opener)(path)
    return found


def _predict(predictor: RowPredictor, rows: Dataset, handle: BinaryIO, form: str) -> dict[str, Any]:
    """Write the predictions of rows as lines of a table or of JSON, or as a Parquet table."""
    predictions = Predictions(predictor, rows)
    header = 0
    if form == ".parquet":
        _write_table(handle, list(written_rows(map(flat, predictions), rows)))
    else:
        header = write_predictions(handle, form, predictions, rows)
    return {
        "rows": len(rows),
        "header": header,
        "tokens": predictions.tokens,
        "lost": predictions.lost,
        "note": predictor.engine,
    }


def _write_table(handle: BinaryIO, entries: Sequence[dict[str, Any]]) -> None:
    """Write rows with a column for each value; lists are JSON, and what differs in kind is text."""
    import pyarrow
    import pyarrow.parquet

    columns: dict[str, list[Any]] = {}
    for row, entry in enumerate(entries):
        for name, value in entry.items():
            columns.setdefault(name, [None] * row).append(_of_one_kind(value))
    arrays = {}
    for name, values in columns.items():
        try:
            array = pyarrow.array(values)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
            array = pyarrow.array([None if value is None else str(value) for value in values])
        # A column without a value in this shard may have some in another one.
        arrays[name] = array.cast(pyarrow.string()) if pyarrow.types.is_null(array.type) else array
    pyarrow.parquet.write_table(pyarrow.table(arrays), handle, compression="zstd", compression_level=1)


def _of_one_kind(value: Any) -> Any:
    return msgspec.json.encode(value, enc_hook=str).decode() if isinstance(value, list | dict) else value
