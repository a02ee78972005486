"""What ``encode`` and ``predict`` compute in shards: the source in parts, and all that opens the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Source
from textgraft.data.readers.parts import read_parts
from textgraft.inference.encodable import read_texts
from textgraft.inference.model_rows import read_for_model
from textgraft.inference.shards.run import SHARD_ROWS, ShardedWork
from textgraft.models.manifest import read_manifest
from textgraft.models.shipped import columns_known
from textgraft.settings import whole_number

_ENCODE = "textgraft.inference.shards.encoding:encode_shard"
_PREDICT = "textgraft.inference.shards.predicting:predict_shard"
"""Named and not imported: they load what computes."""


def encoding_work(
    source: str,
    output: Path,
    given: Mapping[str, Any],
    *,
    text: Sequence[str] | None = None,
    shard_rows: int | None = None,
    overwrite: bool = False,
) -> ShardedWork:
    """Describe the encoding of a file in shards.

    Args:
        source: A table, or plain lines; also a Hub name.
        output: A .npy file, or a folder.
        given: Keywords of :class:`~textgraft.inference.encode.Encoder`, and its name as ``encoder``.
        text: The text column or columns; guessed from common names if None.
        shard_rows: Rows of a shard.
        overwrite: Whether what stands there may be replaced.

    Raises:
        ModelError: The encoder cannot be found or is damaged.
        OptionError: An option is out of range.
    """
    from textgraft.inference.encode import Encoder

    # Opened here for what only it can refuse; the engine is not.
    options = {name: value for name, value in given.items() if name != "encoder"}
    encoder = Encoder(given["encoder"], **options)
    name = str(Path(given["encoder"]).resolve()) if Path(given["encoder"]).is_dir() else given["encoder"]
    choices = {**given, "encoder": name, "identity": encoder.source.identity, "text": list(text or ())}

    def read(part: Source, columns: Sequence[str] | None) -> Dataset:
        return read_texts(part, columns or text)

    def parts(rows: int) -> Iterator[Dataset]:
        return read_parts(source, read, rows)

    rows = SHARD_ROWS if shard_rows is None else whole_number(shard_rows, "--shard-rows", least=1)
    return ShardedWork("encode", _ENCODE, choices, source, parts, output, (".npy",), rows, overwrite)


def prediction_work(
    model: Path,
    source: str,
    output: Path,
    given: Mapping[str, Any],
    *,
    text: Sequence[str] | None = None,
    id_column: str | None = None,
    shard_rows: int | None = None,
    overwrite: bool = False,
) -> ShardedWork:
    """Describe the prediction of a file in shards.

    Args:
        model: A model directory.
        source: What the model's task reads.
        output: A .csv or .jsonl file, or a folder.
        given: ``engine``, ``sets``, ``reject``, and ``opener``: what loads the model in place of ``load``.
        text: Text columns; those that the model was trained with if left out.
        id_column: Column that names rows.
        shard_rows: Rows of a shard.
        overwrite: Whether what stands there may be replaced.

    Raises:
        ModelError: The model directory is missing or damaged.
        OptionError: An option is out of range.
    """
    from textgraft.tasks.registry import task_class
    from textgraft.tasks.text.texts import OneWindowTexts

    manifest = columns_known(read_manifest(model), model)
    task = task_class(manifest.task)
    choices = {
        **given,
        "model": str(model.resolve()),
        "identity": manifest.identity,
        "text": list(text or ()),
        "id": id_column,
        "beside": True,
    }

    def read(part: Source, columns: Sequence[str] | None) -> Dataset:
        return read_for_model(task, manifest, part, text=columns or text, id_column=id_column, labelled=False)

    def parts(rows: int) -> Iterator[Dataset]:
        # Files of other tasks are no tables of texts, or are read by rules of their own.
        return read_parts(source, read, rows, streams=issubclass(task, OneWindowTexts), beside=True)

    rows = SHARD_ROWS if shard_rows is None else whole_number(shard_rows, "--shard-rows", least=1)
    return ShardedWork(
        "predict", _PREDICT, choices, source, parts, output, (".csv", ".jsonl"), rows, overwrite
    )
