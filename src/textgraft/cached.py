"""What the cache folder holds, and how it is cleared. All of it can be computed again.

Only what is known by its name is looked at: $TEXTGRAFT_CACHE may name a folder that holds other things, too.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from textgraft.errors import OutputError, unknown
from textgraft.files import named_cache_folder

ALL = "all"
KINDS = ("encodings", "predictions", "engines", "tokens", "tokenizers", "vectors", "answers", "browser")
"""Folders of the cache folder, and databases, whose names have an ending. "engines" are converted graphs,
"tokens" and "tokenizers" those of a corpus, "vectors" those of an encoder's tokens, "answers" those of
language models, which cost money to ask again, "browser" the runtime of pages that answer."""
DATABASE = ".sqlite3"
_JOURNALS = ("-wal", "-shm")


@dataclass(frozen=True)
class Kind:
    """What is cached of one kind: all that stands in one folder or database of the cache folder."""

    name: str
    """One of :data:`KINDS`."""
    entries: int
    """Files, or folders that are one entry each."""
    bytes: int
    last_used: float
    """Seconds since 1970."""


def cached() -> list[Kind]:
    """Return what the cache folder holds, by kind, the largest first."""
    kinds = []
    for name, paths in _places().items():
        entries = [entry for path in paths for entry in (path.iterdir() if path.is_dir() else [path])]
        visible = [entry for entry in entries if not entry.name.startswith(".") and entry.suffix != ".lock"]
        visible = [entry for entry in visible if not entry.name.endswith(_JOURNALS)]
        size, used = 0, 0.0
        for file in (file for path in paths for file in [path, *path.rglob("*")]):
            with contextlib.suppress(OSError):  # another process deletes, too
                found = file.lstat()
                size += 0 if file.is_dir() else found.st_size
                used = max(used, found.st_mtime)
        kinds.append(Kind(name, len(visible), size, used))
    return sorted(kinds, key=lambda kind: -kind.bytes)


def clear_cache(kind: str = ALL) -> int:
    """Delete what is cached of a kind, or everything; return the bytes that are freed.

    Processes that use an entry at the moment compute it again.

    Raises:
        OptionError: There is no such kind.
        OutputError: Something cannot be deleted.
    """
    places = _places()
    if kind not in (ALL, *KINDS):
        raise unknown("kind of cached entries", kind, [ALL, *KINDS], where="--clear")
    freed = sum(found.bytes for found in cached() if kind in (ALL, found.name))
    for name, paths in places.items():
        if kind in (ALL, name):
            for path in paths:
                _delete(path)
    return freed


def _places() -> dict[str, list[Path]]:
    """Return the files and folders of each kind that is there: a database has its journals beside it."""
    folder = named_cache_folder()
    places = {
        kind: [folder / kind, *(folder / f"{kind}{DATABASE}{journal}" for journal in ("", *_JOURNALS))]
        for kind in KINDS
    }
    found = {kind: [path for path in paths if path.exists()] for kind, paths in places.items()}
    return {kind: paths for kind, paths in found.items() if paths}


def _delete(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(
            f"it cannot be deleted: {os.strerror(error.errno or 0)}",
            where=str(path),
            fix="Delete it by hand.",
        ) from error
