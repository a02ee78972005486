"""The SQLite file of a review store: its tables, its version, and what makes another file none of ours."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from textgraft.errors import DamagedError, DataError, ModelError, OutputError
from textgraft.files import output_errors

APPLICATION = 0x74677276
"""SQLite's application id of review stores: "tgrv"."""
FORMAT = 1
"""SQLite's user version of the tables below."""
_TABLES = """
CREATE TABLE items (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    record BLOB NOT NULL,
    checksum BLOB NOT NULL
);
CREATE TABLE queue (
    position INTEGER PRIMARY KEY REFERENCES items (position),
    urgency REAL NOT NULL,
    reviewers INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'decided', 'disputed')),
    owner TEXT,
    expires REAL
);
CREATE INDEX queue_order ON queue (state, urgency DESC, position);
CREATE INDEX queue_owner ON queue (owner) WHERE owner IS NOT NULL;
CREATE TABLE passed (
    position INTEGER NOT NULL,
    reviewer TEXT NOT NULL,
    PRIMARY KEY (position, reviewer)
) WITHOUT ROWID;
CREATE TABLE decisions (
    number INTEGER PRIMARY KEY,
    position INTEGER NOT NULL REFERENCES items (position),
    reviewer TEXT NOT NULL,
    answer BLOB NOT NULL,
    time REAL NOT NULL,
    settles INTEGER NOT NULL,
    note TEXT NOT NULL,
    chain BLOB NOT NULL
);
CREATE INDEX decisions_of_items ON decisions (position, reviewer);
CREATE TABLE labels (
    task TEXT NOT NULL,
    label TEXT NOT NULL,
    PRIMARY KEY (task, label)
) WITHOUT ROWID;
CREATE TRIGGER items_stay BEFORE UPDATE ON items BEGIN SELECT RAISE (ABORT, 'items never change'); END;
CREATE TRIGGER items_remain BEFORE DELETE ON items BEGIN SELECT RAISE (ABORT, 'items never go'); END;
CREATE TRIGGER decisions_stay BEFORE UPDATE ON decisions
    BEGIN SELECT RAISE (ABORT, 'decisions never change'); END;
CREATE TRIGGER decisions_remain BEFORE DELETE ON decisions
    BEGIN SELECT RAISE (ABORT, 'decisions never go'); END;
"""
_SURROUNDINGS = {
    sqlite3.SQLITE_BUSY: "another process has held it for a minute",
    sqlite3.SQLITE_LOCKED: "another process holds it",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk cannot be read or written",
    sqlite3.SQLITE_PERM: "the permission is missing",
    sqlite3.SQLITE_READONLY: "it is read-only",
}
"""SQLite's codes for what is wrong with the disk, the folder or another process, and not with the file."""


class Database:
    """A review store's file, for all threads of a process; any number of processes may use it at a time.

    Args:
        path: The file.
        create: Whether to make it where it is not there.

    Raises:
        DataError: It is not there and is not to be made, or is something else than a review store.
        ModelError: Another version of textgraft wrote it.
        DamagedError: It is damaged.
        OutputError: It cannot be written.
    """

    def __init__(self, path: Path, *, create: bool) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._of_parents: list[sqlite3.Connection] = []
        if not path.exists():
            if not create:
                raise DataError(
                    "there is no such review store",
                    where=str(path),
                    fix=f"Make it with: textgraft review import {path} rows.csv",
                )
            with output_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
        elif not path.is_file():
            raise DataError("this is no file", where=str(path), fix="Name a review store.")
        with self.told():
            self._connection = self._opened()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection that sees one state of the file throughout the block."""
        with self._transaction("BEGIN", "NORMAL") as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        """Yield a connection that alone may write throughout the block; all of it is written, or nothing.

        Args:
            durable: Whether what was written is on the disk when the block has ended: a power cut may cost a
                lease, and never a decision.
        """
        with self._transaction("BEGIN IMMEDIATE", "FULL" if durable else "NORMAL") as connection:
            yield connection

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Turn what SQLite says into one clear error."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _SURROUNDINGS:
                raise OutputError(
                    f"the review store cannot be used: {_SURROUNDINGS[code]}",
                    where=str(self.path),
                    fix="Check that the folder is writable and the disk not full, and try again.",
                ) from error
            raise damaged(self.path, str(error)) from error

    @contextlib.contextmanager
    def _transaction(self, begin: str, synchronous: str) -> Iterator[sqlite3.Connection]:
        with self._lock, self.told():
            if os.getpid() != self._process:
                # A fork may neither use nor close what its parent opened.
                self._of_parents.append(self._connection)
                self._connection, self._process = self._opened(), os.getpid()
            connection = self._connection
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute(begin)
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        if self._is_made(connection):
            return
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        if not self._is_made(connection):  # another process may have been quicker
            for statement in _statements(_TABLES):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("COMMIT")

    def _is_made(self, connection: sqlite3.Connection) -> bool:
        (kind,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not tables and not kind:
            return False
        if kind != APPLICATION:
            raise DataError(
                "this is a database of something else, and no review store",
                where=str(self.path),
                fix="Name another file.",
            )
        if version != FORMAT:
            raise ModelError(
                f"this review store has the format {version}, and this version of textgraft reads {FORMAT}",
                where=str(self.path),
                fix="Use the version of textgraft that wrote it.",
            )
        return True


def damaged(path: Path, what: str) -> DamagedError:
    """Return the error for a review store that holds something else than was written."""
    return DamagedError(
        f"this is no review store, or a damaged one: {what}",
        where=str(path),
        fix="Take it from a backup, or import the rows into a new store.",
    )


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script: sqlite3 runs scripts only outside of transactions."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
