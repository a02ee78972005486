"""Files that are either whole or absent: atomic writes, and hashes of content."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import errno
import functools
import hashlib
import json
import logging
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO

from safetensors import SafetensorError

from textgraft.errors import OptionError, OutputError

logger = logging.getLogger(__name__)

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

STANDARD_INPUT = "standard input"
"""What standard input is called in messages and records."""
_held: ContextVar[Path | None] = ContextVar("held", default=None)


@contextlib.contextmanager
def holding_standard_input(path: Path) -> Iterator[None]:
    """Say that a file holds what came by standard input, by which alone a user knows it."""
    former = _held.set(path)
    try:
        yield
    finally:
        _held.reset(former)


def called(path: str | Path) -> str:
    """Return what messages and records call a file: its path, if it does not hold standard input."""
    held = _held.get()
    return STANDARD_INPUT if held is not None and held == Path(path) else str(path)


def as_path(value: Any, where: str) -> Path:
    """Return a path that a caller gave.

    Args:
        value: What was given.
        where: What it is called in errors.

    Raises:
        OptionError: It is neither a string nor a path.
    """
    found = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(found, str):
        raise OptionError(f"the path is {type(value).__name__}", where=where, fix="Give a string or a Path.")
    return Path(found)


def _error_number(error: OSError | SafetensorError) -> int:
    """Return the operating system's number of an error, which safetensors writes out; 0 if there is none."""
    if isinstance(error, OSError):
        return error.errno or 0
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else 0


@contextlib.contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write ``path`` into an :class:`OutputError`."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        number = _error_number(error)
        fixes = {
            errno.ENOSPC: "Free some disk space, or choose another folder, and run the same command again.",
            errno.ENOENT: "There is no such folder: make it, or choose another one, with --output.",
            errno.EACCES: "Choose a folder you may write to, with --output.",
            errno.EROFS: "The file system is read-only: choose another folder, with --output.",
            errno.ENOTDIR: "A part of that path is a file: choose another folder, with --output.",
            errno.EEXIST: "A file stands where a folder is needed: choose another folder, with --output.",
        }
        reason = os.strerror(number) if number else str(error)
        raise OutputError(
            f"cannot write: {reason}",
            where=str(path),
            fix=fixes.get(number, "Check the path and try again."),
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
        _sweep(path)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PARTIAL)
        try:
            with os.fdopen(descriptor, "wb") as handle:
                _claim(handle.fileno())
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

    A folder that stood at ``path`` before is exchanged with the new one in a single step, so that a whole
    folder, old or new, stands there at every moment; if the block raises, it is left as it was. Where the
    file system cannot exchange, as NFS and FAT cannot, the old one is renamed away and the new one renamed
    in: a process killed between the two leaves the old one in a hidden sibling.

    Raises:
        OutputError: The parent is not writable or the disk is full.
    """
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PARTIAL))
    descriptor = os.open(temporary, os.O_RDONLY)
    try:
        _claim(descriptor)
        with output_errors(path):
            yield temporary
            _settle(temporary)
            _put(temporary, path)
            _sync_folder(path.parent)
    finally:
        # What stands there now is what is not wanted: the old folder, or half of a new one.
        _discard(temporary)
        os.close(descriptor)


def sync_files(folder: Path) -> None:
    """Bring the files of a folder to the disk, all together: that takes a fraction of the time of one by one.

    Raises:
        OutputError: The disk is full or broken.
    """
    with output_errors(folder):
        for file in folder.iterdir():
            _sync_file(file)
        _sync_folder(folder)


def _sync_file(file: Path) -> None:
    with file.open("rb") as handle:
        os.fsync(handle.fileno())


def _settle(folder: Path) -> None:
    """Bring all of a folder to the disk, readable to others as far as the user's umask lets them."""
    for file in folder.rglob("*"):
        if file.is_file():
            _sync_file(file)
            # Some writers leave their files private; a server's user reads a model directory too.
            file.chmod(0o666 & ~_umask())
        elif file.is_dir():
            _sync_folder(file)
    folder.chmod(0o777 & ~_umask())
    _sync_folder(folder)


def _put(new: Path, path: Path) -> None:
    """Let ``new`` stand at ``path``, and what stood there, if anything did, at ``new``."""
    if not os.path.lexists(path):
        new.rename(path)
    elif not exchange(new, path):
        old = new.with_name(f"{new.name}.old")
        path.rename(old)
        try:
            new.rename(path)
        except OSError:
            old.rename(path)
            raise
        old.rename(new)


_SWAP = {"linux": ("renameat2", 2), "darwin": ("renamex_np", 2)}
"""The C library's function that exchanges two names, and its flag for that: RENAME_EXCHANGE, RENAME_SWAP."""
_AT_FDCWD = -100
_UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})


def exchange(first: Path, second: Path) -> bool:
    """Let two names of one file system change places in a single step.

    Returns:
        Whether the system and the file system can do that; if not, nothing has happened.

    Raises:
        OSError: One of them is missing, or the folder is not writable.
    """
    name, flag = _SWAP.get(sys.platform, ("", 0))
    swap = getattr(ctypes.CDLL(None, use_errno=True), name, None) if name else None
    if swap is None:
        return False
    names = os.fsencode(first), os.fsencode(second)
    if name == "renameat2":
        failed = swap(_AT_FDCWD, names[0], _AT_FDCWD, names[1], ctypes.c_uint(flag))
    else:
        failed = swap(*names, ctypes.c_uint(flag))
    if not failed:
        return True
    if (code := ctypes.get_errno()) in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), str(second))


_PARTIAL = ".partial"
"""Ends the names of what is being written; a process that was killed leaves such a file or folder."""
_ABANDONED_SECONDS = 60
"""What is younger may be of a process that has not claimed it yet."""


def _claim(descriptor: int) -> None:
    """Mark what is being written as belonging to a living process."""
    with contextlib.suppress(OSError):
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sweep(path: Path) -> None:
    """Delete what killed processes left of writing ``path``; the system ended their claims with them."""
    # By names alone: a folder of ten thousand shards is looked through at each of them.
    found = [name for name in os.listdir(path.parent) if name.startswith(f".{path.name}.")]  # noqa: PTH208
    for rest in (path.parent / name for name in found if name.endswith(_PARTIAL)):
        with contextlib.suppress(OSError):
            if fcntl is None or time.time() - rest.stat().st_mtime < _ABANDONED_SECONDS:
                continue
            descriptor = os.open(rest, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _discard(rest)
            finally:
                os.close(descriptor)


def _discard(path: Path) -> None:
    """Delete a file, link or folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def content_hash(value: Any) -> str:
    """Return a 16-digit hash of a JSON-like value that depends on its content alone, not on key order."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def cache_folder() -> Path:
    """Return the folder for what can be computed again: ``$TEXTGRAFT_CACHE``, else ``~/.cache/textgraft``.

    Where it cannot be written, as in a read-only home, that is said once and a temporary folder serves for as
    long as the process lives.
    """
    wanted = named_cache_folder()
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        if os.access(wanted, os.W_OK | os.X_OK):
            return wanted
        reason = os.strerror(errno.EACCES)
    except OSError as error:
        reason = error.strerror or str(error)
    return _passing_folder(wanted, reason)


def named_cache_folder() -> Path:
    """Return the cache folder's place, whether it is there or not."""
    given = os.environ.get("TEXTGRAFT_CACHE")
    if given:
        return Path(given)
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")  # noqa: PTH111, PTH118
    return Path(home) / "textgraft"


@functools.cache
def _passing_folder(wanted: Path, reason: str) -> Path:
    """Make a folder that is deleted when the process ends."""
    logger.warning(
        "%s cannot be written (%s): nothing is cached beyond this run. $TEXTGRAFT_CACHE names another one.",
        wanted,
        reason,
    )
    folder = Path(tempfile.mkdtemp(prefix="textgraft-cache."))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock file for a block, against other processes; it is gone afterwards, however the block ends.

    Args:
        path: The lock file; its folder is there.
        wait: Whether to wait for another process that holds it.

    Raises:
        TimeoutError: Another process holds it, and it is not waited for.
    """
    from filelock import FileLock

    lock = FileLock(path, timeout=-1 if wait else 0)
    with lock:
        try:
            yield
        finally:
            # While it is held: who waits for it sees that the file is gone, and makes another.
            path.unlink(missing_ok=True)


def remove_folder(path: Path) -> None:
    """Delete a folder as if at once: killed on the way, it leaves a hidden rest and no half folder."""
    rest = path.with_name(f".{path.name}.{os.getpid()}.removed")
    with contextlib.suppress(OSError):
        path.rename(rest)
    shutil.rmtree(rest, ignore_errors=True)


def beside(source: str | Path, ending: str) -> Path:
    """Return where a result goes that is called as its source is: "rows.next.csv" beside rows.csv."""
    path = Path(source)
    return (path if path.name and path.name != ".." else path.resolve()).with_suffix(ending)


def check_output(path: Path, endings: Sequence[str], *, overwrite: bool) -> None:
    """Refuse an output file of an unknown kind, or in whose place something stands.

    Called before any work is done.

    Args:
        path: Where a file is to be written.
        endings: Those of the kinds of files that can be written, as ".csv".
        overwrite: Whether what stands there may be replaced.

    Raises:
        OptionError: The name ends in none of them.
        OutputError: Something stands there, and nobody said that it may be replaced; or a folder does; or the
            folder that it is to stand in is missing or not writable.
    """
    if not path.name.lower().endswith(tuple(endings)):
        raise OptionError(
            f"files ending in {path.suffix or 'nothing'!r} are not written here",
            where=str(path),
            fix=f"End the name in {' or '.join(endings)}.",
        )
    if path.is_dir():
        raise OutputError("this is a folder", where=str(path), fix="Name a file in it.")
    refuse_to_replace(path, overwrite=overwrite)
    with output_errors(path):
        if not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def refuse_to_replace(path: Path, *, overwrite: bool, mark: str | None = None) -> None:
    """Refuse an output in whose place something stands, unless the user says that it may go.

    Called before any work is done. An empty folder is nothing to lose.

    Args:
        path: Where a file or a folder is to be written.
        overwrite: Whether what stands there may be replaced.
        mark: Name of a file that is in every folder of the kind to be written: a folder without it is none,
            and is never replaced, whatever the user says.

    Raises:
        OutputError: Something stands there that nobody said may be replaced, or that is of another kind.
    """
    if not os.path.lexists(path) or (path.is_dir() and not any(path.iterdir())):
        return
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OutputError(
            "this is a device or a pipe, which is never replaced", where=str(path), fix="Name a file."
        )
    if mark is not None and not (path / mark).is_file():
        raise OutputError(
            f"something else stands there: it holds no {mark}",
            where=str(path),
            fix="Choose another --output.",
        )
    if overwrite:
        return
    raise OutputError(
        "it exists already, and nothing is replaced unasked",
        where=str(path),
        fix="Choose another --output, or say --overwrite to replace it.",
    )
