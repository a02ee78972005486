"""What may become of a file on a disk: bits flipped at many places, cut, emptied, gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

PLACES = 12


def damages(content: bytes) -> Iterator[tuple[str, bytes | None]]:
    """Yield a description and the damaged content; None where the file is gone."""
    for place in range(PLACES):
        at = place * (len(content) - 1) // (PLACES - 1)
        for bit in (1, 128):
            flipped = bytearray(content)
            flipped[at] ^= bit
            yield f"bit {bit} of byte {at}", bytes(flipped)
    for length in (len(content) // 3, len(content) - 1, 0):
        yield f"cut to {length}", content[:length]
    yield "deleted", None


def put(path: Path, content: bytes | None) -> None:
    """Let a file have this content, or be gone."""
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)
