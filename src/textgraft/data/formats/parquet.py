"""Parquet, read in batches through pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from textgraft.data.dataset import Numbering, Rejected
from textgraft.data.formats.lines import Encoding
from textgraft.data.formats.nested import nested_names, reach
from textgraft.data.formats.tables import Row
from textgraft.errors import DataError

_BATCH_ROWS = 4096


class ParquetTable:
    """A Parquet file. Its rows have no lines, so they are numbered from 1.

    Raises:
        DataError: The file is not Parquet, or damaged.
    """

    format = "Parquet"
    numbering: Numbering = "row"
    encoding: Encoding | None = None
    delimiter: str | None = None
    blank_lines = 0
    remarks: Sequence[str] = ()

    def __init__(self, path: Path) -> None:
        import pyarrow
        import pyarrow.parquet

        self._path = path
        try:
            self._file = pyarrow.parquet.ParquetFile(path, memory_map=True)
        except (pyarrow.ArrowException, OSError) as error:
            raise _damaged(path, error) from error
        schema = self._file.schema_arrow
        self.columns = list(schema.names)
        self.nested: Sequence[str] = nested_names([_shape(schema)], self.columns)

    def rows(self, names: Sequence[str]) -> Iterator[Row | Rejected]:
        """Read the columns ``names``, batch by batch."""
        import pyarrow

        start = 1
        names, take = reach(names, self.columns)
        try:
            for batch in self._file.iter_batches(batch_size=_BATCH_ROWS, columns=list(names)):
                columns = [batch.column(name).to_pylist() for name in names]
                for number, values in enumerate(zip(*columns, strict=True), start):
                    yield Row(number, take(values))
                start += batch.num_rows
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _damaged(self._path, error) from error


def _shape(fields: Any) -> dict[str, Any]:
    """Return a schema, or the type of an object, as nested objects of nothing."""
    import pyarrow

    return {
        field.name: _shape(field.type) if pyarrow.types.is_struct(field.type) else None for field in fields
    }


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"this is not a readable Parquet file: {str(error).strip()}",
        where=str(path),
        fix="Write the file again, or export it as CSV or JSON Lines.",
    )
