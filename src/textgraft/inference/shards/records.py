"""What lies on disk of a file that is worked on in shards: the records, and where they are.

A folder of shards::

    manifest.json            Manifest: what is computed, which rows each shard has, and what became of each
    00000.parquet, …         the shards
    rejected.jsonl           rows that could not be used, with line and reason
    work/rows/00000.msgpack  StagedRows: the rows of a shard that is still to be computed
    work/done/00000.json     ShardDone: written when the shard is there, so that it is not computed again

``work`` is gone when all is done.
"""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import msgspec

from textgraft.data.dataset import Dataset, Numbering, Rejected, RowNumbers
from textgraft.errors import DamagedError
from textgraft.files import output_errors, sync_files
from textgraft.integrity import LARGEST_RECORD, read_record, write_record

FORMAT = 1
MANIFEST = "manifest.json"
WORK = "work"
_FIX = "Delete it: run the same command again, and it is computed anew."
_ANEW = "Delete the folder, or say --overwrite: all is computed again."


class RejectedRow(msgspec.Struct, frozen=True):
    """A row that could not be used."""

    line: int
    reason: str
    excerpt: str


class StagedRows(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a shard, as they were read."""

    columns: dict[str, list[Any]]
    ids: list[str | int]
    """The user's own, or the numbers of the rows."""
    lines: list[int]
    source: str
    id_column: str | None
    rejected: list[RejectedRow]
    numbering: Numbering = "row"
    beside: dict[str, list[Any]] = {}
    """The columns that are written with the answers."""

    @classmethod
    def of(cls, rows: Dataset) -> StagedRows:
        """Take the rows of a part of a file."""
        has_numbers = isinstance(rows.ids, RowNumbers)
        return cls(
            columns={name: list(values) for name, values in rows.columns.items()},
            ids=list(rows.ids.numbers if isinstance(rows.ids, RowNumbers) else rows.ids),
            lines=list(rows.lines),
            source=rows.source,
            id_column=None if has_numbers else rows.id_column,
            rejected=[RejectedRow(row.line, row.reason, row.excerpt) for row in rows.rejected],
            numbering=rows.numbering,
            beside=rows.beside,
        )

    def dataset(self) -> Dataset:
        """Return the rows."""
        numbers = [name for name in self.ids if isinstance(name, int)]
        names = [name for name in self.ids if isinstance(name, str)]
        return Dataset(
            columns=self.columns,
            labels=None,
            ids=names or RowNumbers(array("q", numbers)),
            lines=array("q", self.lines),
            source=self.source,
            rejected=[Rejected(row.line, row.reason, row.excerpt) for row in self.rejected],
            id_column=self.id_column,
            numbering=self.numbering,
            beside=self.beside,
        )


class ShardDone(msgspec.Struct, frozen=True, kw_only=True):
    """A finished shard."""

    number: int
    rows: int
    """In the shard: for encodings also those that cannot be used, which have a place there."""
    bytes: int
    sha256: str
    header: int = 0
    """Bytes of it that are a header, as of a table; a file that is joined has the first one alone."""
    empty: int = 0
    """Rows without text."""
    tokens: int = 0
    lost: int = 0
    """Of the tokens, those that lie beyond what is read."""
    width: int = 0
    """Numbers in an encoding."""
    seconds: float = 0.0
    """That it took, wall-clock."""
    note: str = ""
    """What computed it, in which precision."""
    rejected: list[RejectedRow] = []


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The content of manifest.json."""

    format: int = FORMAT
    command: str
    """"predict" or "encode"."""
    identity: str
    """Hash of all that the content of the shards depends on."""
    source: str
    form: str
    """Ending of the shards' names."""
    shard_rows: int
    """Rows of the source in a shard at most."""
    rows: list[int]
    """Usable rows of each shard, in order."""
    unusable: list[int]
    """Rows of each that cannot be used."""
    calibration: list[str] = []
    """Texts that an encoder is calibrated on in every process, where it is."""
    shards: list[ShardDone] = []
    """All of them, once they are finished; their rejected rows stand in a file of their own."""

    @property
    def is_finished(self) -> bool:
        """Whether every shard is there."""
        return len(self.shards) == len(self.rows)


class ShardFolder:
    """Where the shards of one output are.

    Args:
        path: The folder.
        form: Ending of the shards' names.
    """

    def __init__(self, path: Path, form: str) -> None:
        self.path, self.form = path, form
        self._rows, self._done = path / WORK / "rows", path / WORK / "done"

    def make(self) -> None:
        """Make the folders.

        Raises:
            OutputError: They cannot be made.
        """
        with output_errors(self.path):
            for folder in (self._rows, self._done):
                folder.mkdir(parents=True, exist_ok=True)

    def shard(self, number: int) -> Path:
        """Return where a shard is written."""
        return self.path / f"{number:05d}{self.form}"

    def staged(self, number: int) -> Path:
        """Return where its rows wait."""
        return self._rows / f"{number:05d}.msgpack"

    def stage(self, number: int, rows: Dataset) -> None:
        """Keep the rows of a shard until it is computed; they are safe once :meth:`settle` was called.

        Raises:
            OutputError: They cannot be written.
        """
        path = self.staged(number)
        with output_errors(path):
            path.write_bytes(msgspec.msgpack.encode(StagedRows.of(rows), enc_hook=str))

    def settle(self) -> None:
        """Bring all rows that were kept to the disk: before the manifest, which says that they are there.

        Raises:
            OutputError: The disk is full or broken.
        """
        sync_files(self._rows)

    def rows(self, number: int) -> Dataset:
        """Return the rows of a shard.

        Raises:
            DamagedError: The file of them is missing or damaged.
        """
        path = self.staged(number)
        try:
            if path.stat().st_size > LARGEST_RECORD:
                raise DamagedError("the file is too large", where=str(path), fix=_ANEW)
            return msgspec.msgpack.decode(path.read_bytes(), type=StagedRows).dataset()
        except (OSError, msgspec.DecodeError, ValueError) as error:
            raise DamagedError(
                f"rows to compute cannot be read: {error}", where=str(path), fix=_ANEW
            ) from error

    def finish(self, done: ShardDone) -> None:
        """Note that a shard is there; its rows are not needed any more."""
        write_record(self._done / f"{done.number:05d}.json", done)
        self.staged(done.number).unlink(missing_ok=True)

    def done(self, number: int) -> ShardDone | None:
        """Return a shard that is finished; None where it is not, or not as it was written."""
        path = self._done / f"{number:05d}.json"
        if not path.is_file():
            return None
        found = read_record(path, ShardDone, fix=_FIX)
        shard = self.shard(number)
        return found if shard.is_file() and shard.stat().st_size == found.bytes else None

    def save(self, manifest: Manifest) -> None:
        """Write manifest.json."""
        write_record(self.path / MANIFEST, manifest)

    def manifest(self) -> Manifest | None:
        """Return what manifest.json holds; None where there is none.

        Raises:
            DamagedError: It is damaged.
        """
        path = self.path / MANIFEST
        return read_record(path, Manifest, fix=_ANEW) if path.is_file() else None
