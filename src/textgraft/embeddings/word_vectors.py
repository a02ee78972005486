"""Word vectors: words, their vectors, and what these say of each other."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textgraft.embeddings.files import read_vectors, write_vectors
from textgraft.errors import DataError, OptionError, nearest
from textgraft.files import sha256_file


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Words and their vectors.

    Args:
        words: Each once; the most frequent first, where that is known.
        matrix: A row a word, float32 [words, size].

    Raises:
        OptionError: There is not one row a word.
    """

    words: Sequence[str]
    matrix: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.matrix.ndim != 2 or len(self.words) != len(self.matrix):
            raise OptionError(f"{len(self.words):,} words do not fit a matrix of shape {self.matrix.shape}")

    @classmethod
    def load(cls, path: str | Path) -> WordVectors:
        """Read GloVe's text or word2vec's text or binary form, packed by gzip or not.

        Raises:
            DataError: The file is missing, damaged or none of these; names the line.
        """
        return cls(*read_vectors(Path(path)))

    def save(self, path: str | Path) -> None:
        """Write a file: ``.bin`` and ``.vec`` are word2vec's forms, other names GloVe's; ``.gz`` packs it.

        Raises:
            OptionError: A word holds white space.
            OutputError: The file cannot be written.
        """
        write_vectors(Path(path), self.words, self.matrix)

    def __len__(self) -> int:
        return len(self.words)

    @property
    def size(self) -> int:
        """Numbers in a vector."""
        return self.matrix.shape[1]

    @functools.cached_property
    def unit(self) -> NDArray[np.float32]:
        """The vectors scaled to length one, [words, size]; a vector of zeros stays one."""
        lengths = np.linalg.norm(self.matrix, axis=1, keepdims=True)
        return self.matrix / np.maximum(lengths, np.finfo(np.float32).tiny)

    @functools.cached_property
    def _rows(self) -> tuple[dict[str, int], dict[str, int]]:
        """The row of each word, and of each word without regard to case, where the first one counts."""
        lowered: dict[str, int] = {}
        for row, word in enumerate(self.words):
            lowered.setdefault(word.lower(), row)
        return {word: row for row, word in enumerate(self.words)}, lowered

    def find(self, word: str) -> int | None:
        """Return the row of a word; of one that is not there as written, without regard to case, or None."""
        exact, lowered = self._rows
        row = exact.get(word)
        return lowered.get(word.lower()) if row is None else row

    def __contains__(self, word: str) -> bool:
        return self.find(word) is not None

    def __getitem__(self, word: str) -> NDArray[np.float32]:
        """Return the vector of a word, [size].

        Raises:
            OptionError: There is no such word; names the nearest.
        """
        return self.matrix[self._row(word)]

    def nearest(self, word: str | NDArray[np.float32], count: int = 10) -> list[tuple[str, float]]:
        """Return the words whose vectors point most nearly where a word's, or a vector, points.

        Args:
            word: A word, which is not among its own neighbours; or a vector, [size].
            count: How many.

        Returns:
            Words with their cosines, the nearest first.

        Raises:
            OptionError: There is no such word.
        """
        if isinstance(word, str):
            row = self._row(word)
            return self._best(self.unit[row], count, [row])
        return self._best(word / max(float(np.linalg.norm(word)), 1e-12), count, [])

    def analogy(self, a: str, b: str, c: str, count: int = 1) -> list[tuple[str, float]]:
        """Answer "``a`` is to ``b`` as ``c`` is to …" by 3CosAdd (Mikolov et al. 2013).

        Returns:
            The words other than the three that are nearest to b - a + c, with their cosines.

        Raises:
            OptionError: One of the words is not there.
        """
        rows = [self._row(word) for word in (a, b, c)]
        first, second, third = self.unit[rows]
        target = second - first + third
        return self._best(target / max(float(np.linalg.norm(target)), 1e-12), count, rows)

    def _best(self, target: NDArray[np.float32], count: int, without: list[int]) -> list[tuple[str, float]]:
        cosines = self.unit @ target
        cosines[without] = -np.inf
        count = min(count, len(self) - len(set(without)))
        rows = np.argsort(-cosines, kind="stable")[:count]
        return [(self.words[row], float(cosines[row])) for row in rows]

    def _row(self, word: str) -> int:
        row = self.find(word)
        if row is None:
            # A search through all words would take seconds.
            guess = nearest(word, [known for known in self.words if known[:1].lower() == word[:1].lower()])
            raise OptionError(
                f"there is no vector of the word {word!r}",
                fix=f"Did you mean {guess!r}?" if guess else "Give a word of their corpus.",
            )
        return row


@dataclass(frozen=True)
class VectorSource:
    """A file of word vectors, and which it is."""

    path: Path
    sha256: str

    @classmethod
    def of(cls, path: str | Path) -> VectorSource:
        """Find a file of word vectors and hash it.

        Raises:
            DataError: There is no such file.
        """
        path = Path(path)
        if not path.is_file():
            raise DataError("there is no such file of word vectors", where=str(path))
        return cls(path.resolve(), sha256_file(path))

    @property
    def name(self) -> str:
        """The file's name with the head of its hash: which vectors these are, wherever the file lies."""
        return f"{self.path.name} ({self.sha256[:12]})"

    def load(self) -> WordVectors:
        """Read the file; the one read last is kept, for trial after trial takes the same.

        Raises:
            DataError: The file is damaged or no file of word vectors.
        """
        return _loaded(self)


@functools.lru_cache(maxsize=1)
def _loaded(source: VectorSource) -> WordVectors:
    return WordVectors.load(source.path)
