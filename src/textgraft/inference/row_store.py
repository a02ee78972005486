"""Small values by key on disk, each with a checksum: what the caches of encodings and predictions stand on.

A row that fails its check is as if it were not there; a file that SQLite cannot read is dropped and begun
anew. So a damaged cache costs time and never changes an answer. Where the disk is full or the file can no
longer be written, that is said once, and work goes on without the store.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from textgraft.errors import OutputError
from textgraft.files import cache_folder, output_errors

APPLICATION = 0x74670000
"""The upper half of SQLite's application id of our files; the lower half tells kinds and formats apart."""
KEYS_A_QUERY = 500
_SURROUNDINGS = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
    | {sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY}
)
"""SQLite's codes for what is wrong with the disk, the folder or another process, and not with the file."""

T = TypeVar("T")

logger = logging.getLogger(__name__)


class RowStore:
    """An SQLite file from keys to bytes; any number of processes may use it at a time.

    Args:
        path: The file, made when it is not there.
        form: Tells kinds of stores and their formats apart: a file of another form is begun anew.

    Raises:
        OutputError: The file cannot be written, or is something else than a store.
    """

    def __init__(self, path: Path, form: int) -> None:
        self.path = path
        self._id = APPLICATION | form
        self._told = self._given_up = False
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._mended(self._prepare)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the values that are there and whole."""
        return self._forgiven(lambda: self._get(keys), {})

    def put(self, rows: Mapping[bytes, bytes]) -> None:
        """Store values, all or none; those already there are replaced."""
        self._forgiven(lambda: self._put(rows), None)

    def _forgiven(self, work: Callable[[], T], nothing: T) -> T:
        """Do some work; where the surroundings do not let it, say so once and go on without the store."""
        if self._given_up:
            return nothing
        try:
            return self._mended(work)
        except (OutputError, OSError) as error:
            self._given_up = True
            logger.warning("%s\nWork goes on without it: nothing more is kept.", error)
            return nothing

    def _prepare(self) -> None:
        with self._connection() as connection:
            (found,) = connection.execute("PRAGMA application_id").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if found != self._id and tables:
                raise _FormError(found & ~0xFFFF == APPLICATION)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA application_id = {self._id}")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, value BLOB NOT NULL, "
                "checksum BLOB NOT NULL) WITHOUT ROWID"
            )

    def _get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        with self._connection() as connection:
            for start in range(0, len(keys), KEYS_A_QUERY):
                some = keys[start : start + KEYS_A_QUERY]
                marks = ",".join("?" * len(some))
                rows = connection.execute(
                    f"SELECT key, value, checksum FROM rows WHERE key IN ({marks})", some
                )
                for key, value, checksum in rows:
                    # A damaged row may hold a number where bytes should be.
                    if isinstance(value, bytes) and checksum == _checksum(key, value):
                        found[key] = value
                    else:
                        self._tell("a row has other content than was written")
        return found

    def _put(self, rows: Mapping[bytes, bytes]) -> None:
        with self._connection() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO rows VALUES (?, ?, ?)",
                [(key, value, _checksum(key, value)) for key, value in rows.items()],
            )

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Open the database for one transaction: nothing is shared between threads or forks."""
        with contextlib.closing(sqlite3.connect(self.path, timeout=60)) as connection, connection:
            connection.text_factory = bytes
            # A cache that loses its last second to a power cut has lost nothing.
            connection.execute("PRAGMA synchronous = NORMAL")
            yield connection

    def _mended(self, work: Callable[[], T]) -> T:
        """Do some work on the file; where the file is damaged, on a new one."""
        try:
            return work()
        except (sqlite3.Error, _FormError) as error:
            self._drop(error)
        try:
            self._prepare()
            return work()
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _drop(self, error: sqlite3.Error | _FormError) -> None:
        """Delete a damaged file, if it is one of ours.

        Raises:
            OutputError: It is not, or nothing is wrong with the file itself.
        """
        if isinstance(error, _FormError):
            is_ours = error.is_ours
        elif getattr(error, "sqlite_errorcode", 0) & 0xFF in _SURROUNDINGS:
            raise self._unusable(error) from error
        else:
            is_ours = self._has_our_id()
        if not is_ours and not self.path.resolve().is_relative_to(cache_folder().resolve()):
            raise OutputError(
                f"this is none of our caches, or a damaged one: {error}",
                where=str(self.path),
                fix="Delete the file, or name another one: what it held is computed again.",
            ) from error
        self._tell(str(error))
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def _has_our_id(self) -> bool:
        with self.path.open("rb") as handle:
            header = handle.read(72)
        return int.from_bytes(header[68:72], "big") & ~0xFFFF == APPLICATION

    def _unusable(self, error: sqlite3.Error) -> OutputError:
        return OutputError(
            f"the cache cannot be used: {error}",
            where=str(self.path),
            fix="Check that the folder is writable and the disk not full, or go without the cache.",
        )

    def _tell(self, reason: str) -> None:
        if not self._told:
            logger.warning("%s: %s; what is missing is computed again", self.path, reason)
        self._told = True


class _FormError(Exception):
    """The file is a database, and no store of the form that is wanted."""

    def __init__(self, is_ours: bool) -> None:
        self.is_ours = is_ours
        super().__init__("it is of another version" if is_ours else "it is a database of something else")


def _checksum(key: bytes, value: bytes) -> bytes:
    return hashlib.blake2b(value, key=key[:64], digest_size=8).digest()
