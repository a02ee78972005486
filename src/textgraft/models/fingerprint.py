"""What a model directory remembers of the rows that it learned from: hashes of their texts and words.

So it can be told later whether rows that it is judged on are ones that it has seen, and how many of their
words are new to it, without keeping a text. A hash has 8 bytes, of BLAKE2b: two of a million different texts
share one with a probability below 1e-7. Of more than :data:`MOST` different texts or words the smallest
hashes are kept, which are as good as drawn by chance (Broder 1997, "On the resemblance and containment of
documents"): what lies above the largest of them is not judged.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from textgraft.data.dataset import Dataset
from textgraft.data.near_duplicates import normalise
from textgraft.errors import ModelError
from textgraft.models.remembered import FIX, remembered
from textgraft.tokenization.scripts import UNSPACED

FINGERPRINT = "textgraft.fingerprint"
"""In the form of safetensors, under a name that nobody takes for weights."""
MOST = 1 << 20
"""Hashes kept of a kind: 8 MB."""
LARGEST_FILE = 3 * 8 * MOST + (4 << 20)
_WORD = re.compile(rf"[{UNSPACED}]|(?:(?![{UNSPACED}])\w)+")
"""A run of letters and digits; in scripts without spaces a character."""
_KINDS = ("train", "dev", "words")


@dataclass(frozen=True)
class HashSet:
    """The hashes of some strings, ascending; of many the smallest."""

    hashes: NDArray[np.uint64]

    @classmethod
    def of(cls, texts: Iterable[str]) -> HashSet:
        """Hash strings."""
        return cls(np.unique(hashes(texts))[:MOST])

    def holds(self, found: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which of some hashes are in it."""
        if not len(self.hashes):
            return np.zeros(len(found), dtype=np.bool_)
        places = np.searchsorted(self.hashes, found).clip(max=len(self.hashes) - 1)
        return np.asarray(self.hashes[places] == found)

    def judges(self, found: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return of which hashes it can say whether they are in it: all, unless there were too many."""
        if len(self.hashes) < MOST:
            return np.ones(len(found), dtype=np.bool_)
        return np.asarray(found <= self.hashes[-1])


@dataclass(frozen=True)
class Fingerprint:
    """What is remembered of the rows that a model was made with."""

    train: HashSet
    """Texts of the rows that it learned from."""
    dev: HashSet
    """Texts of the rows that choices were made on."""
    words: HashSet
    """Words of the training rows, in lower case."""
    label_rows: dict[str, int] = field(default_factory=dict)
    """Training rows of each label, where answers are labels."""

    @classmethod
    def of(cls, train: Dataset, dev: Dataset) -> Fingerprint:
        """Take the fingerprint of training and dev rows."""
        return cls(
            train=HashSet.of(row_texts(train)),
            dev=HashSet.of(row_texts(dev)),
            words=HashSet.of({word for text in _read(train) for word in text_words(text)}),
            label_rows=dict(Counter(name for names in train.names for name in set(names))),
        )

    def save(self, folder: Path) -> None:
        """Write it into a model directory."""
        from safetensors.numpy import save_file

        arrays = {kind: getattr(self, kind).hashes for kind in _KINDS}
        labels = msgspec.json.encode(self.label_rows).decode()
        save_file(arrays, folder / FINGERPRINT, metadata={"label_rows": labels})


def load_fingerprint(folder: Path) -> Fingerprint | None:
    """Read what a model directory remembers; None where it was written without.

    Raises:
        ModelError: The file is too large, damaged, or no fingerprint.
    """
    path = folder / FINGERPRINT
    if not path.is_file():
        return None
    with remembered(path, LARGEST_FILE) as file:
        arrays = {kind: file.get_tensor(kind) for kind in _KINDS}
        metadata: Mapping[str, Any] = file.metadata() or {}
    try:
        labels = msgspec.json.decode(metadata.get("label_rows", "{}"), type=dict[str, int])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"the file is damaged: {error}", where=str(path), fix=FIX) from error
    for kind, array in arrays.items():
        is_sorted = array.dtype == np.uint64 and array.ndim == 1 and bool((array[1:] > array[:-1]).all())
        if not is_sorted or len(array) > MOST:
            raise ModelError(f"{kind!r} holds no sorted hashes", where=str(path), fix=FIX)
    train, dev, words = (HashSet(arrays[kind]) for kind in _KINDS)
    return Fingerprint(train, dev, words, labels)


def row_texts(dataset: Dataset) -> list[str]:
    """Return what rows are recognised by: all that is read of each, without case and superfluous spaces."""
    return [normalise(text) for text in dataset.texts]


def _read(dataset: Dataset) -> Sequence[str]:
    """Return the texts of rows; none where they are no texts, as vectors."""
    has_text = any(isinstance(value, str) for column in dataset.columns.values() for value in column[:1])
    return dataset.texts if has_text else []


def text_words(text: str) -> list[str]:
    """Return the words of a text in lower case, as they are remembered; punctuation is none."""
    return _WORD.findall(text.casefold())


def hashes(texts: Iterable[str]) -> NDArray[np.uint64]:
    """Hash strings, each to 8 bytes."""
    digests = [
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts
    ]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)
