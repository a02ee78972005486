"""What an encoder computes of texts, once each: kept in a file without a name that goes with the process."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from textgraft.files import output_errors
from textgraft.training.training_time import training_clock

if TYPE_CHECKING:
    from torch import nn

MAX_BYTES = 20 * 10**9
"""Most bytes of a store, unless it is told otherwise."""


@dataclass(frozen=True)
class Computed:
    """What one batch gave."""

    places: Sequence[int]
    """Which of the texts that were asked for it held."""
    arrays: Sequence[NDArray[np.floating]]
    """Of each, [rows, width]."""
    each: Sequence[int]
    """Tokens that each of them was computed on, padding included."""
    tokens: int
    """Tokens that the batch was computed on, what fills it up included."""


@dataclass(frozen=True)
class _Entry:
    start: int
    """Byte of the file."""
    rows: int
    tokens: int
    """Those that it was padded to: what it cost."""


def text_key(*parts: Sequence[int] | str) -> bytes:
    """Return what names a text: a hash of its characters, or of its token ids and types."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode() if isinstance(part, str) else np.asarray(part, dtype=np.int64).tobytes()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.digest()


_keys: WeakKeyDictionary[nn.Module, tuple[Any, str]] = WeakKeyDictionary()
"""Of the first of some modules, the state that they were in, and their key: to hash them takes a while."""


def weights_key(modules: Sequence[nn.Module], facts: Sequence[str]) -> str:
    """Return a hash of what the outputs of modules depend on besides the inputs.

    Args:
        modules: Their weights are hashed.
        facts: What else it is, as the precision.
    """
    tensors = [item for module in modules for item in module.state_dict().items()]
    versions = [
        (name, tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version) for name, tensor in tensors
    ]
    state = list(facts), versions
    known, key = _keys.get(modules[0], (None, ""))
    if known != state:
        digest = hashlib.sha256(json.dumps(list(facts)).encode())
        for name, tensor in tensors:
            digest.update(f"{name}{tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy())
        key = digest.hexdigest()
        _keys[modules[0]] = state, key
    return key


class TextArrays:
    """One array for each of many texts, [rows, width], computed when it is first asked for.

    Its account tells what the work would have cost whoever asks for it, whether it was done for them or for
    someone before: a measured time is then the same whatever else has run.

    Args:
        width: Numbers in a row.
        dtype: numpy's name of the type to keep.
        max_bytes: Where all arrays would take more, those of earlier calls are forgotten.
    """

    def __init__(self, width: int, dtype: str, max_bytes: int = MAX_BYTES) -> None:
        self.width = width
        self.dtype = np.dtype(dtype)
        self.max_bytes = max_bytes
        self.charged = 0.0
        """Seconds that all asked for so far would have cost, had each call done all its work itself."""
        self.spent = 0.0
        """Seconds that the work has taken."""
        self.folder = Path(tempfile.gettempdir())
        self._fills: list[tuple[float, int]] = []
        self._file = tempfile.TemporaryFile(prefix="textgraft-")  # noqa: SIM115  open as long as the store
        self._entries: dict[bytes, _Entry] = {}
        self._end = 0

    @property
    def owed(self) -> float:
        """Seconds that were charged and not spent, as the work had been done before."""
        return self.charged - self.spent

    def fill(
        self,
        keys: Sequence[bytes],
        rows: Sequence[int],
        compute: Callable[[list[int]], Iterable[Computed]],
        *,
        forgets: bool = True,
    ) -> bool:
        """See to it that the arrays of some texts are there.

        Args:
            keys: Names of the texts, from :func:`text_key`.
            rows: Rows of the array of each.
            compute: Called with the places of texts that are missing, each text once; yields what they give,
                in any order, placed among those missing.
            forgets: Whether those of earlier calls make room for them.

        Returns:
            Whether they are; not so where they would not fit, into the bound or on the disk.

        Raises:
            OutputError: The temporary folder cannot be written.
        """
        first = {key: place for place, key in reversed(list(enumerate(keys)))}
        wanted = sorted(first.values())
        size = self.width * self.dtype.itemsize
        missing = [place for place in wanted if keys[place] not in self._entries]
        needed = size * sum(rows[place] for place in missing)
        if self._end + needed > self.max_bytes:
            if not forgets or size * sum(rows[place] for place in wanted) > self.max_bytes:
                return False
            self._entries.clear()
            self._end, missing = 0, wanted
            self._file.truncate(0)
            needed = size * sum(rows[place] for place in missing)
        if missing:
            with output_errors(self.folder):
                if needed > shutil.disk_usage(self.folder).free:
                    return False
                self._compute(keys, missing, compute)
        self.charged += self._rate() * sum(self._entries[keys[place]].tokens for place in wanted)
        return True

    def _compute(
        self, keys: Sequence[bytes], missing: list[int], compute: Callable[[list[int]], Iterable[Computed]]
    ) -> None:
        start, tokens = training_clock(), 0
        for batch in compute(missing):
            tokens += batch.tokens
            for place, array, each in zip(batch.places, batch.arrays, batch.each, strict=True):
                data = np.ascontiguousarray(array, dtype=self.dtype)
                self._file.seek(self._end)
                self._file.write(data.data)
                self._entries[keys[missing[place]]] = _Entry(self._end, len(data), each)
                self._end += data.nbytes
        self._file.flush()
        seconds = training_clock() - start
        self.spent += seconds
        self._fills.append((seconds, tokens))

    def _rate(self) -> float:
        """Return the seconds a token took; the first fill, when all is still cold, counts only if alone."""
        fills = self._fills[1:] or self._fills
        return sum(seconds for seconds, _ in fills) / max(1, sum(tokens for _, tokens in fills))

    def __len__(self) -> int:
        """Return of how many texts there are arrays."""
        return len(self._entries)

    def __contains__(self, key: bytes) -> bool:
        """Return whether there is an array for a text."""
        return key in self._entries

    @property
    def size(self) -> int:
        """Bytes that the arrays take."""
        return self._end

    def get(self, key: bytes) -> NDArray[np.floating]:
        """Return the array of a text that is there, [rows, width]."""
        entry = self._entries[key]
        array = np.empty((entry.rows, self.width), self.dtype)
        self._file.seek(entry.start)
        self._file.readinto(array.data.cast("B"))
        return array


class TextStores(dict[str, TextArrays]):
    """The stores that trials of one comparison share, by what it is that they hold."""

    def __init__(self) -> None:
        super().__init__()
        self.runners: dict[str, Any] = {}
        """What was opened to fill a store, by its key; it is opened once."""

    def open(self, key: str, width: int, dtype: str, max_bytes: int = MAX_BYTES) -> TextArrays:
        """Return the store of a key, a new one where there is none.

        Args:
            key: A hash of all that the arrays depend on besides the texts, as the encoder.
            width: Numbers in a row.
            dtype: numpy's name of the type to keep.
            max_bytes: Of a new one.
        """
        if key not in self:
            self[key] = TextArrays(width, dtype, max_bytes)
        return self[key]

    @property
    def charged(self) -> float:
        """Seconds that were charged by all of them."""
        return sum(store.charged for store in self.values())

    @property
    def owed(self) -> float:
        """Seconds that were charged by any of them, and not spent."""
        return sum(store.owed for store in self.values())
