"""Shards of predictions: what answers the rows of one, and in which forms it is written."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from textgraft.data.dataset import Dataset
from textgraft.errors import ModelError
from textgraft.inference.predict_file import Predictions, header_line, write_predictions
from textgraft.inference.row_predictor import RowPredictor
from textgraft.inference.shards.writing import compute_shard
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
    found = list(predictions) if len(rows) else []
    header = 0
    if form == ".parquet":
        _write_table(handle, found, rows.id_column)
    else:
        write_predictions(handle, form, found, rows.id_column)
        header = len(header_line(found[0], rows.id_column)) if found and form == ".csv" else 0
    return {
        "rows": len(rows),
        "header": header,
        "tokens": predictions.tokens,
        "lost": predictions.lost,
        "note": predictor.engine,
    }


def _write_table(handle: BinaryIO, entries: Sequence[dict[str, Any]], id_column: str | None) -> None:
    """Write predictions with a column for the id, each value and the score of each label; lists are JSON."""
    import pyarrow
    import pyarrow.parquet

    columns: dict[str, list[Any]] = {}
    for row, entry in enumerate(entries):
        for name, value in flat(entry).items():
            written = msgspec.json.encode(value).decode() if isinstance(value, list | dict) else value
            columns.setdefault(name, [None] * row).append(written)
    arrays = {}
    for name, values in columns.items():
        array = pyarrow.array(values)
        # A column without a value in this shard may have some in another one.
        arrays[id_column or "id" if name == "id" else name] = (
            array.cast(pyarrow.string()) if pyarrow.types.is_null(array.type) else array
        )
    pyarrow.parquet.write_table(pyarrow.table(arrays), handle, compression="zstd", compression_level=1)
