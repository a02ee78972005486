"""What is read back is what was written: a checksum in every record, a seal on every folder.

A record is a JSON object that ends in the checksum of all its other members. It is taken of the values, not
of the bytes: line ends and indentation may change, nothing else. A sealed folder holds ``checksums.json``, a
record of the SHA-256 of every file. What fails its check and can be computed again, is; the rest is one error
that names the file.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import msgspec

from textgraft.errors import DamagedError
from textgraft.files import sha256_file, write_atomic

CHECKSUM = "checksum"
"""The member of a record that vouches for the others."""
SEAL = "checksums.json"
LARGEST_RECORD = 1 << 30
"""Bytes: what is larger was not written by textgraft."""
DOCUMENTS = (".md", ".svg", ".gitattributes", ".gitignore")
"""How the names of files end that people alone read, and may change: no seal holds them."""

T = TypeVar("T")

logger = logging.getLogger(__name__)


def checksum(members: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a JSON object, without its checksum, whatever the order of its keys."""
    plain = {name: value for name, value in members.items() if name != CHECKSUM}
    return hashlib.sha256(msgspec.json.encode(plain, order="sorted")).hexdigest()


def write_record(path: Path, value: Any) -> None:
    """Write a struct or dictionary as JSON with its checksum, atomically.

    Raises:
        OutputError: The file cannot be written.
    """
    members = msgspec.json.decode(msgspec.json.encode(value))
    members[CHECKSUM] = checksum(members)
    write_atomic(path, msgspec.json.format(msgspec.json.encode(members), indent=1) + b"\n")


def read_members(path: Path, *, fix: str, largest: int = LARGEST_RECORD) -> dict[str, Any]:
    """Read a JSON object that somebody wrote: its size and depth are bounded, its checksum is not asked for.

    Args:
        path: The file.
        fix: What the user should do if it is damaged.
        largest: Bytes at most.

    Raises:
        DamagedError: The file is missing, too large, or no JSON object.
    """
    try:
        if not path.is_file():
            raise DamagedError("the file is missing", where=str(path), fix=fix)
        if (size := path.stat().st_size) > largest:
            raise DamagedError(f"the file has {size:,} bytes, over {largest:,}", where=str(path), fix=fix)
        members = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise DamagedError(f"it cannot be read: {error.strerror}", where=str(path), fix=fix) from error
    except RecursionError as error:
        raise DamagedError("the file is nested too deeply", where=str(path), fix=fix) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedError(f"the file is damaged: {error}", where=str(path), fix=fix) from error
    if not isinstance(members, dict):
        raise DamagedError("the file holds no JSON object", where=str(path), fix=fix)
    return members


def read_record(path: Path, kind: type[T], *, fix: str) -> T:
    """Read what :func:`write_record` wrote, and check that it is still that.

    Args:
        path: The file.
        kind: The type to return.
        fix: What the user should do if it is damaged.

    Raises:
        DamagedError: The file is missing, is no record, or fails its checksum.
    """
    members = read_members(path, fix=fix)
    if members.pop(CHECKSUM, None) != checksum(members):
        raise DamagedError("the file has other content than was written", where=str(path), fix=fix)
    return as_record(members, kind, where=str(path), fix=fix)


def as_record(members: Mapping[str, Any], kind: type[T], *, where: str, fix: str) -> T:
    """Make a typed record of a JSON object.

    Raises:
        DamagedError: A member is missing or has another type, or a value that it cannot have; names it.
    """
    try:
        return msgspec.convert(members, kind, str_keys=True)
    except (msgspec.ValidationError, ValueError) as error:
        reason = str(error).replace("`", "").replace(" - at $.", ", in ")
        raise DamagedError(f"the file cannot be used: {reason}", where=where, fix=fix) from error


def file_hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of the files in a folder and below by their paths; documents and seal left out."""
    return {
        file.relative_to(folder).as_posix(): sha256_file(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != SEAL and not file.name.endswith(DOCUMENTS)
    }


def inside(folder: Path, name: str) -> Path | None:
    """Return the file of a name that was read from a file of the folder; None if it leads out of the folder.

    Links count as what they lead to; the Hub's own cache, whose files are all links, is left to be one.
    """
    parts = PurePosixPath(name).parts
    if not parts or os.path.isabs(name) or ".." in parts or "\\" in name or "\0" in name:  # noqa: PTH117
        return None
    path = folder / name
    return path if _stays(folder, path) else None


def _stays(folder: Path, path: Path) -> bool:
    home, target = folder.resolve(), path.resolve()
    if target.is_relative_to(home):
        return True
    is_snapshot = home.parent.name == "snapshots" and home.parent.parent.name.startswith("models--")
    return is_snapshot and target.is_relative_to(home.parent.parent / "blobs")


def check_files(folder: Path, hashes: Mapping[str, str], *, fix: str) -> None:
    """Compare files with the SHA-256 that they had.

    Args:
        folder: Where they are.
        hashes: By their paths in it.
        fix: What the user should do if one is damaged.

    Raises:
        DamagedError: One of them is missing, or has other content.
    """
    for name, expected in hashes.items():
        file = inside(folder, name)
        if file is None:
            raise DamagedError(f"the name {name!r} leads out of the folder", where=str(folder), fix=fix)
        try:
            if not file.is_file():
                raise DamagedError("the file is missing", where=str(file), fix=fix)
            if sha256_file(file) != expected:
                raise DamagedError(
                    "the file has other content than was written: it was damaged or changed",
                    where=str(file),
                    fix=fix,
                )
        except OSError as error:
            raise DamagedError(f"it cannot be read: {error.strerror}", where=str(file), fix=fix) from error


class Seal(msgspec.Struct, frozen=True):
    """The content of checksums.json."""

    files: dict[str, str]
    """SHA-256 of each file by its path in the folder."""


def seal(folder: Path) -> None:
    """Write down the SHA-256 of every file that stands in a folder now.

    Raises:
        OutputError: The folder cannot be written.
    """
    write_record(folder / SEAL, Seal(file_hashes(folder)))


def check_seal(folder: Path, *, fix: str) -> None:
    """Check every file of a sealed folder.

    Raises:
        DamagedError: The seal or a file of it is missing or has other content; names it.
    """
    check_files(folder, read_record(folder / SEAL, Seal, fix=fix).files, fix=fix)


def is_intact(folder: Path) -> bool:
    """Return whether a sealed folder of a cache is there and can be used; says so where it is damaged."""
    if not folder.is_dir():
        return False
    try:
        check_seal(folder, fix="")
    except DamagedError as error:
        logger.warning("%s; it is computed again", str(error).strip())
        return False
    return True
