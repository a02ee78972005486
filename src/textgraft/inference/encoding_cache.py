"""Encodings on disk, shared by processes and runs: the same text is never encoded twice."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.files import cache_folder, content_hash
from textgraft.inference.row_store import RowStore

FORM = 0x0002
_COSTS = struct.Struct("<QQ")
"""Tokens and lost tokens, before the numbers of the vector."""


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
    """From content hash to encoding, on disk; any number of processes may use it at a time.

    Args:
        path: The database file, made when it is not there; None takes the one in the cache folder.

    Raises:
        OutputError: The file cannot be written, or is something else than an encoding cache.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._store = RowStore(path or cache_folder() / "encodings.sqlite3", FORM)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Entry]:
        """Return the entries that are there."""
        found: dict[bytes, Entry] = {}
        for key, value in self._store.get(keys).items():
            tokens, lost = _COSTS.unpack_from(value)
            found[key] = Entry(np.frombuffer(value, dtype="<f4", offset=_COSTS.size), tokens, lost)
        return found

    def put(self, entries: Mapping[bytes, Entry]) -> None:
        """Store entries, all or none; those already there are replaced."""
        self._store.put(
            {
                key: _COSTS.pack(entry.tokens, entry.lost) + entry.vector.astype("<f4").tobytes()
                for key, entry in entries.items()
            }
        )
