"""Files that are either whole or absent: atomic writes, and hashes of content."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from textgraft.errors import OutputError


@contextlib.contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write ``path`` into an :class:`OutputError`."""
    try:
        yield
    except OSError as error:
        fixes = {
            errno.ENOSPC: "Free some disk space, or choose another folder, and run the same command again.",
            errno.EACCES: "Choose a folder you may write to, with --output.",
            errno.EROFS: "The file system is read-only: choose another folder, with --output.",
            errno.ENOTDIR: "A part of that path is a file: choose another folder, with --output.",
            errno.EEXIST: "A file stands where a folder is needed: choose another folder, with --output.",
        }
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise OutputError(
            f"cannot write: {reason}",
            where=str(path),
            fix=fixes.get(error.errno or 0, "Check the path and try again."),
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    """Return the permission bits that new files of this process lack; asking means setting it twice."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextlib.contextmanager
def atomic_writer(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that takes the place of ``path`` when the block ends well: old or new, never half.

    Written through a temporary sibling, fsync and rename.

    Raises:
        OutputError: The folder is missing or not writable, or the disk is full. Nothing is left behind.
    """
    with output_errors(path):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            Path(name).chmod(0o666 & ~_umask())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a whole file atomically, as :func:`atomic_writer` does."""
    with atomic_writer(path) as handle:
        handle.write(content.encode() if isinstance(content, str) else content)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically. NaN is refused: it is not JSON."""
    write_atomic(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling folder that takes the place of ``path`` when the block ends well.

    A folder that stood at ``path`` before is replaced; if the block raises, it is left as it was.

    Raises:
        OutputError: The parent is not writable or the disk is full.
    """
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        with output_errors(path):
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    with file.open("rb") as handle:
                        os.fsync(handle.fileno())
                    # Some writers leave their files private; a server's user reads a model directory too.
                    file.chmod(0o666 & ~_umask())
            temporary.chmod(0o777 & ~_umask())
            if path.exists():
                old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
                path.rename(old / "old")
                temporary.rename(path)
                shutil.rmtree(old)
            else:
                temporary.rename(path)
            _sync_folder(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def content_hash(value: Any) -> str:
    """Return a 16-digit hash of a JSON-like value that depends on its content alone, not on key order."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def cache_folder() -> Path:
    """Return the folder for what can be computed again: ``$TEXTGRAFT_CACHE``, else ``~/.cache/textgraft``."""
    given = os.environ.get("TEXTGRAFT_CACHE")
    base = (
        Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "textgraft"
    )
    base.mkdir(parents=True, exist_ok=True)
    return base


def remove_folder(path: Path) -> None:
    """Delete a folder as if at once: killed on the way, it leaves a hidden rest and no half folder."""
    rest = path.with_name(f".{path.name}.{os.getpid()}.removed")
    with contextlib.suppress(OSError):
        path.rename(rest)
    shutil.rmtree(rest, ignore_errors=True)


def refuse_to_replace(path: Path, *, overwrite: bool) -> None:
    """Refuse an output in whose place something stands, unless the user says that it may go.

    Called before any work is done. An empty folder is nothing to lose.

    Args:
        path: Where a file or a folder is to be written.
        overwrite: Whether what stands there may be replaced.

    Raises:
        OutputError: Something stands there, and nobody said that it may be replaced.
    """
    if overwrite or not os.path.lexists(path):
        return
    if path.is_dir() and not any(path.iterdir()):
        return
    raise OutputError(
        "it exists already, and nothing is replaced unasked",
        where=str(path),
        fix="Choose another --output, or say --overwrite to replace it.",
    )
