"""Vectors and the texts that describe them: features of images, embeddings, measurements.

Forms that are read:

- ``.npz`` with an array of vectors and, for rows with targets, one of texts;
- ``.npy`` with vectors alone, or together with a file of texts: ``vectors.npy,captions.csv`` (a table, or
  lines in ``.txt``), row by row;
- Parquet and JSON Lines with a column of lists.

An array of vectors is [rows, numbers]; further dimensions, as those of images, are flattened. All numbers of
a vector must be finite.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.data.columns import Choice, Columns, choose_columns
from textgraft.data.dataset import Dataset, Numbering, Rejected
from textgraft.data.formats.given import GivenTable, Source
from textgraft.data.formats.lines import Encoding
from textgraft.data.formats.parallel import split_pair
from textgraft.data.formats.tables import Row, Table
from textgraft.data.readers.reading import Form, missing_file, open_table, read_rows, set_aside
from textgraft.data.readers.sequences import as_target
from textgraft.data.sample import Sample
from textgraft.data.values import UnusableError, as_list
from textgraft.errors import DataError
from textgraft.wording import counted

ARRAYS = (".npy", ".npz")
"""Endings of files of arrays."""
VECTOR_NAMES = (
    "vector", "vectors", "features", "feature", "embedding", "embeddings", "image", "images", "pixels", "x",
)  # fmt: skip
"""Columns, and arrays, that are taken for the vectors when none is named."""
CAPTION_NAMES = ("caption", "text", "description", "label", "title", "target", "name", "y")
"""The same for the texts."""


def read_vectors(
    source: Source,
    *,
    text: str | Sequence[str] | None = None,
    label: str | Sequence[str] | None = None,
    id_column: str | None = None,
    group: str | None = None,
    labelled: bool = True,
) -> Dataset:
    """Read vectors and their texts.

    Args:
        source: A file, or an array with a file of texts, in one of the forms above.
        text: The column, or array, of the vectors; guessed from :data:`VECTOR_NAMES` if None.
        label: The column, or array, of the texts, each a text or a list of texts that are all right; guessed
            from :data:`CAPTION_NAMES` if None. Not read unless ``labelled``.
        id_column: As for :func:`~textgraft.data.readers.reading.read_dataset`.
        group: As there.
        labelled: Whether rows need a text.

    Returns:
        Rows with one column of vectors, each a list of numbers; labels are lists of texts. Set aside are rows
        with an empty vector or text, with a number that is not finite, or with another length than most.

    Raises:
        DataError: The source is missing, damaged or of another form, the vectors and texts are not equally
            many, or no row can be used.
        OptionError: A named column does not exist.
    """
    wanted = Columns.named(text, label, id_column, group, labelled)

    def choose(sample: Sample) -> Choice:
        vectors, captions = find_vectors(sample.columns, wanted)
        named = replace(wanted, text=vectors, label=captions if labelled else ())
        return choose_columns(sample, named, where=str(source))

    opened = functools.partial(_open, name=next(iter(wanted.text), None), labelled=labelled)
    dataset = read_rows(source, choose, Form(as_vector, as_target), opened=opened)
    if dataset.labels is not None:
        dataset = replace(dataset, labels=[list(texts) for texts in dataset.labels])
    return _of_one_length(dataset)


def find_vectors(columns: Sequence[str], wanted: Columns) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the column of vectors and that of captions, by the user's word or by their names; none each."""
    plain = {column.lower(): column for column in reversed(columns)}
    vectors = [plain[name] for name in VECTOR_NAMES if name in plain and plain[name] not in wanted.label]
    text = wanted.text or tuple(vectors[:1])
    captions = [plain[name] for name in CAPTION_NAMES if name in plain and plain[name] not in text]
    return text, wanted.label or tuple(captions[:1])


def as_vector(values: Sequence[Any]) -> list[list[float]]:
    """Return the one vector of a row as a list of finite numbers."""
    found = values[0] if isinstance(values[0], np.ndarray) else as_list(values[0], "a vector")
    if found is None:
        raise UnusableError(f"no vector: {type(values[0]).__name__} where a list of numbers is needed")
    if not len(found):
        raise UnusableError("empty vector: it has no numbers")
    try:
        vector = np.asarray(found, dtype=np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise UnusableError(f"no vector: not all of {str(found)[:40]!r} are numbers") from error
    finite = np.isfinite(vector)
    if not finite.all():
        place = int(finite.argmin())
        raise UnusableError(f"not finite: number {place + 1} of {len(vector)} is {vector[place]}")
    return [vector.tolist()]


def _of_one_length(dataset: Dataset) -> Dataset:
    """Set aside the vectors that have more or fewer numbers than most."""
    (vectors,) = dataset.columns.values()
    counts = Counter(map(len, vectors))
    usual = min(counts, key=lambda count: (-counts[count], count))
    return set_aside(
        dataset,
        {
            row: f"unequal length: {len(vector)} numbers where most vectors have {usual}"
            for row, vector in enumerate(vectors)
            if len(vector) != usual
        },
    )


def _open(source: Source, *, name: str | None, labelled: bool) -> Table:
    """Open arrays as a table, or a table of lists."""
    if isinstance(source, GivenTable):
        return source
    pair = split_pair(str(source))
    if pair is None:
        path = Path(source)
        if path.suffix.lower() not in ARRAYS:
            return open_table(source, labelled=labelled)
        arrays = load_arrays(path)
        if labelled and len(arrays) == 1:
            raise DataError(
                "these vectors have no texts",
                where=str(source),
                fix="Name the file of texts behind a comma, as vectors.npy,captions.csv; or give an .npz "
                "with an array of texts.",
            )
        return ArrayTable(_named(arrays, name))
    vectors = load_arrays(pair[0])
    if not labelled:
        return ArrayTable(_named(vectors, name))
    first = next(iter(_named(vectors, name).items()))
    if not pair[1].exists():
        raise missing_file(pair[1])
    return ArrayTable(
        dict([first]), open_table(str(pair[1]), labelled=pair[1].suffix.lower() != ".txt"), str(source)
    )


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read an ``.npy`` file, its array named "vector", or the arrays of an ``.npz`` file.

    Raises:
        DataError: The file is missing, damaged, or holds pickled objects.
    """
    if not path.exists():
        raise missing_file(path)
    try:
        if path.suffix.lower() == ".npy":
            return {"vector": np.load(path, mmap_mode="r", allow_pickle=False)}
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # numpy, zipfile and zlib each raise kinds of their own for a damaged file
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(
            f"the arrays cannot be read: {reason}",
            where=str(path),
            fix="Save numbers with numpy.save or numpy.savez, and texts as strings, not as objects.",
        ) from error


def _named(arrays: dict[str, NDArray[Any]], name: str | None) -> dict[str, NDArray[Any]]:
    """Call the only array of an ``.npy`` file what the user calls the vectors: it has no name of its own."""
    return {name: arrays["vector"]} if name and list(arrays) == ["vector"] else arrays


class ArrayTable:
    """Arrays as a table with a column for each, and beside them, row by row, the columns of another table.

    Args:
        arrays: With rows as their first dimension.
        beside: Another table.
        where: The source, for errors.

    Raises:
        DataError: An array is a single number, or arrays differ in length; once all rows are read, the table
            beside them has more rows or fewer.
    """

    format = "NumPy"
    delimiter: str | None = None
    blank_lines = 0
    remarks: Sequence[str] = ()
    nested: Sequence[str] = ()

    def __init__(self, arrays: dict[str, NDArray[Any]], beside: Table | None = None, where: str = "") -> None:
        self._arrays, self._beside, self._where = arrays, beside, where
        self.encoding: Encoding | None = beside.encoding if beside else None
        self.numbering: Numbering = beside.numbering if beside else "row"
        lengths = {name: array.shape[0] if array.ndim else 0 for name, array in arrays.items()}
        if len(set(lengths.values())) > 1 or 0 in lengths.values():
            said = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
            raise DataError(
                f"the arrays have no equal number of rows: {said}",
                where=where or None,
                fix="The first dimension of every array must be the rows.",
            )
        self._rows = next(iter(lengths.values()), 0)
        self.columns = [*arrays, *(beside.columns if beside else ())]

    def rows(self, names: Sequence[str]) -> Iterator[Row | Rejected]:
        """Give the rows of the arrays, each with its row of the table beside them."""
        own = [name for name in names if name in self._arrays]
        others = [name for name in names if name not in self._arrays]
        if self._beside is None:
            for row in range(self._rows):
                yield Row(row + 1, [_value(self._arrays[name][row]) for name in names])
            return
        count = 0
        for count, found in enumerate(self._beside.rows(others), start=1):
            if count > self._rows or isinstance(found, Rejected):
                if isinstance(found, Rejected):
                    yield found
                continue
            values = {name: _value(self._arrays[name][count - 1]) for name in own}
            values |= dict(zip(others, found.values, strict=True))
            yield Row(found.line, [values[name] for name in names], found.raw)
        if count != self._rows:
            raise DataError(
                f"{counted(self._rows, 'vector')} came with {counted(count, 'text')}",
                where=self._where,
                fix="Row i of the texts must describe vector i.",
            )


def _value(value: Any) -> Any:
    """Return an element as Python knows it, a list of texts as such, and numbers as an array of float32."""
    if isinstance(value, np.generic):
        return value.item()
    return value.astype(np.float32) if value.dtype.kind in "buif" else value.tolist()
