"""What a classifier remembers of where its training texts lie: encodings of some of them, without a text.

New texts are held against them, to tell those that are unlike all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textgraft.errors import ModelError
from textgraft.files import write_atomic
from textgraft.models.remembered import FIX, remembered

KNOWN = "textgraft.encodings"
"""In the form of safetensors, under a name that nobody takes for weights."""
MOST = 1000
"""Training texts whose encodings are kept."""
WIDEST = 8192
"""Numbers of an encoding at most."""
LARGEST_FILE = 2 * MOST * WIDEST + (1 << 20)
_ENCODINGS = "encodings"


@dataclass(frozen=True)
class KnownTexts:
    """The encodings of training texts."""

    encodings: NDArray[np.float16]
    """Of length one, [rows, size]."""

    @classmethod
    def of(cls, encodings: NDArray[np.float32]) -> KnownTexts:
        """Keep encodings of any length, [rows, size]."""
        return cls(_scaled(encodings).astype(np.float16))

    def nearness(self, encodings: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the cosine of each text with the nearest one that is kept, -1 to 1, [rows].

        Args:
            encodings: Of texts, [rows, size].
        """
        cosines = _scaled(encodings) @ self.encodings.astype(np.float32).T
        found: NDArray[np.float64] = cosines.max(axis=1).astype(np.float64)
        return found

    def save(self, folder: Path) -> None:
        """Write it into a model directory, whole or not at all.

        Raises:
            OutputError: It cannot be written.
        """
        from safetensors.numpy import save

        write_atomic(folder / KNOWN, save({_ENCODINGS: self.encodings}))


def load_known(folder: Path) -> KnownTexts | None:
    """Read what a model directory remembers; None where it was written without.

    Raises:
        ModelError: The file is too large or damaged, or holds something else.
    """
    path = folder / KNOWN
    if not path.is_file():
        return None
    with remembered(path, LARGEST_FILE) as file:
        found = file.get_tensor(_ENCODINGS)
    is_kept = found.dtype == np.float16 and found.ndim == 2 and 0 < len(found) <= MOST
    if not is_kept or found.shape[1] > WIDEST or not np.isfinite(found).all():
        raise ModelError("the file holds no encodings", where=str(path), fix=FIX)
    return KnownTexts(found)


def _scaled(encodings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale vectors to length one; one of nothing but zeros stays as it is."""
    given = np.asarray(encodings, dtype=np.float32)
    lengths = np.linalg.norm(given, axis=1, keepdims=True)
    found: NDArray[np.float32] = given / np.maximum(lengths, 1e-12)
    return found
