"""Encodings on disk, shared by processes and runs: the same text is never encoded twice."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.errors import ModelError, OutputError
from textgraft.files import cache_folder, content_hash, output_errors

FORMAT = 0x74670001
"""SQLite's application id of the file: tells our database from any other."""
KEYS_A_QUERY = 500


@dataclass(frozen=True)
class Entry:
    """One text's encoding and what it cost."""

    vector: NDArray[np.float32]
    """[size]."""
    tokens: int
    """Tokens of the whole text."""
    lost: int
    """Tokens beyond the length limit."""


def entry_keys(settings: Mapping[str, Any], texts: Sequence[str]) -> list[bytes]:
    """Return a key for every text that names the text and all that its encoding depends on.

    Args:
        settings: The encoder's identity, pooling, precision and so on, JSON-like.
        texts: Raw strings.
    """
    prefix = content_hash(dict(settings)).encode()
    return [hashlib.blake2b(prefix + text.encode(), digest_size=16).digest() for text in texts]


class EncodingCache:
    """A SQLite database from content hash to encoding; any number of processes may use it at a time.

    Args:
        path: The database file, made when it is not there; None takes the one in the cache folder.

    Raises:
        OutputError: The file cannot be written.
        ModelError: The file is damaged or something else than an encoding cache.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or cache_folder() / "encodings.sqlite3"
        with output_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as connection:
            (found,) = connection.execute("PRAGMA application_id").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if found != FORMAT and tables:
                raise sqlite3.DatabaseError("it is a database of something else")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA application_id = {FORMAT}")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS encodings (key BLOB PRIMARY KEY, vector BLOB NOT NULL, "
                "tokens INTEGER NOT NULL, lost INTEGER NOT NULL) WITHOUT ROWID"
            )

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Open the database for one transaction: nothing is shared between threads or forks."""
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=60)) as connection, connection:
                # A cache that loses its last second to a power cut has lost nothing.
                connection.execute("PRAGMA synchronous = NORMAL")
                yield connection
        except sqlite3.OperationalError as error:
            raise OutputError(
                f"the encoding cache cannot be used: {error}",
                where=str(self.path),
                fix="Check that the folder is writable and the disk not full, or go without the cache.",
            ) from error
        except sqlite3.DatabaseError as error:
            raise ModelError(
                f"this is no encoding cache, or a damaged one: {error}",
                where=str(self.path),
                fix="Delete the file, or name another one: what it held is computed again.",
            ) from error

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Entry]:
        """Return the entries that are there."""
        found: dict[bytes, Entry] = {}
        with self._connection() as connection:
            for start in range(0, len(keys), KEYS_A_QUERY):
                some = keys[start : start + KEYS_A_QUERY]
                marks = ",".join("?" * len(some))
                rows = connection.execute(
                    f"SELECT key, vector, tokens, lost FROM encodings WHERE key IN ({marks})", some
                )
                for key, vector, tokens, lost in rows:
                    found[key] = Entry(np.frombuffer(vector, dtype="<f4"), tokens, lost)
        return found

    def put(self, entries: Mapping[bytes, Entry]) -> None:
        """Store entries, all or none; those already there are replaced."""
        rows = [
            (key, entry.vector.astype("<f4").tobytes(), entry.tokens, entry.lost)
            for key, entry in entries.items()
        ]
        with self._connection() as connection:
            connection.executemany("INSERT OR REPLACE INTO encodings VALUES (?, ?, ?, ?)", rows)
