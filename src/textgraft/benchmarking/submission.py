"""GLUE's submission: a .zip with a file for each task, ``index`` and ``prediction`` between tabs.

The format is that of gluebenchmark.com: CoLA.tsv, SST-2.tsv, MRPC.tsv, STS-B.tsv, QQP.tsv, MNLI-m.tsv,
MNLI-mm.tsv, QNLI.tsv, RTE.tsv, WNLI.tsv and AX.tsv, whose predictions are those of MNLI's model.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textgraft.benchmarking.finding import FoundSet, columns_of, find_file, find_folder, open_rows
from textgraft.benchmarking.sets import BenchmarkSet, Hidden
from textgraft.data.dataset import Rejected
from textgraft.data.readers.reading import open_table
from textgraft.errors import DataError
from textgraft.files import atomic_writer
from textgraft.inference.row_predictor import RowPredictor

_INDEX = "index"
_LOWEST, _HIGHEST = 0.0, 5.0
"""Of STS-B's scores."""
_NO_DATE = (1980, 1, 1, 0, 0, 0)
"""Equal answers make equal archives."""


def hidden_rows(found: FoundSet, data: Path) -> dict[str, Path]:
    """Return the files whose labels only the server knows, by the name of the file that it wants."""
    files: dict[str, Path] = {}
    for hidden in found.of.hidden:
        path = _file_of(found, hidden, data)
        if path is not None:
            files[hidden.file] = path
    return files


def _file_of(found: FoundSet, hidden: Hidden, data: Path) -> Path | None:
    folder = find_folder(data, found.folder, hidden.folders)
    return find_file(folder, hidden.test) if folder is not None else None


def predicted_file(found: FoundSet, path: Path, predictor: RowPredictor) -> str:
    """Answer every row of a file, and return the text of the file that the server wants.

    Args:
        found: The set.
        path: Its unlabelled rows.
        predictor: The model.

    Raises:
        DataError: A row cannot be read: the server wants an answer to each.
    """
    index, inputs = _inputs(found.of, path)
    written = [_written(found.of, prediction) for prediction in predictor.predict(inputs)]
    lines = [f"{row}\t{answer}" for row, answer in zip(index, written, strict=True)]
    return "\n".join([f"{_INDEX}\tprediction", *lines]) + "\n"


def _inputs(wanted: BenchmarkSet, path: Path) -> tuple[Sequence[Any], list[Any]]:
    """Return the index of each row of a file, and what a predictor reads of it."""
    source = open_rows(wanted, path)
    columns, _ = columns_of(wanted, source)
    table = open_table(source, labelled=False)
    has_index = _INDEX in table.columns
    index: list[Any] = []
    inputs: list[Any] = []
    for number, row in enumerate(table.rows([*columns, *([_INDEX] if has_index else ())])):
        if isinstance(row, Rejected) or not all(
            isinstance(value, str) for value in row.values[: len(columns)]
        ):
            line, reason = row.line, row.reason if isinstance(row, Rejected) else "a text is missing"
            raise DataError(
                f"row {line:,} cannot be used, and the server wants an answer to each: {reason}",
                where=str(path),
                fix="Give GLUE's file as it is downloaded.",
            )
        texts = row.values[: len(columns)]
        inputs.append(texts[0] if len(texts) == 1 else tuple(texts))
        index.append(row.values[-1] if has_index else number)
    return index, inputs


def _written(wanted: BenchmarkSet, prediction: Any) -> str:
    """Write an answer as the server reads it: a label, or a score between 0 and 5."""
    if wanted.task == "similarity":
        return f"{min(_HIGHEST, max(_LOWEST, prediction.answer)):.3f}"
    label: str = prediction.label
    return wanted.written.get(label, label)


def write_zip(path: Path, files: Mapping[str, str]) -> None:
    """Write the archive, whole or not at all.

    Args:
        path: The .zip file.
        files: Texts by the name of their file, without ``.tsv``.

    Raises:
        OutputError: It cannot be written.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(f"{name}.tsv", _NO_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, text)
    with atomic_writer(path) as handle:
        handle.write(packed.getvalue())
