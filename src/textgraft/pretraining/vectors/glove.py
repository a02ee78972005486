"""GloVe: word vectors from how often words stand near each other (Pennington, Socher and Manning 2014).

Two words' vectors are fitted so that their product, with a bias for each, is the logarithm of how often they
meet. Frequent meetings weigh more, up to a bound, and words that never meet take no part:

    J = Σ f(X_ij) (w_i · c_j + b_i + d_j - log X_ij)²,   f(x) = min(1, x / x_max)^¾

The authors' program takes one cell of X after the other. Here thousands are taken at once: what words share
in a batch is summed by a sparse product, then every word makes one step of AdaGrad. The same seed gives the
same vectors, on any number of threads.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from textgraft.errors import DataError, OptionError
from textgraft.files import content_hash

Matrix = NDArray[np.float32]

_CHUNK = 1 << 20
"""Words counted at a time: the pairs of one distance among them are held."""
_TILE = 1 << 11
"""Words and contexts that a step goes through."""
_BATCH = 1 << 13
"""Cells of a step, at most."""
_ALPHA = 0.75
"""Exponent of the weight, as published."""
_CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True)
class GloveSettings:
    """Choices of a GloVe training.

    Raises:
        OptionError: A number is out of range.
    """

    size: int = 100
    """Numbers in a vector."""
    window: int = 10
    """Words to either side that count."""
    epochs: int = 15
    """Passes over all pairs of words that meet."""
    learning_rate: float = 0.05
    """Of AdaGrad."""
    x_max: float = 10.0
    """Meetings from which on a pair has full weight: 100 as published for billions of words, 10 in the
    program's example for millions."""
    seed: int = 0
    """Determines all that is drawn at random."""

    def __post_init__(self) -> None:
        for name in ("size", "window", "epochs", "learning_rate", "x_max"):
            if getattr(self, name) <= 0:
                raise OptionError(f"{name} is {getattr(self, name)}", where=name, fix="Give more than zero.")


def count_cooccurrences(
    documents: Iterable[NDArray[np.int32]], vocabulary_size: int, window: int
) -> sparse.csr_array:
    """Count how often words stand within ``window`` words of each other; at distance d they count 1/d.

    Args:
        documents: Word ids of each; no pair reaches across two of them.
        vocabulary_size: Ids are below it.
        window: Words to either side.

    Returns:
        The symmetric matrix X, float64 [words, words], with what occurs only.
    """
    shape = (vocabulary_size, vocabulary_size)
    total = sparse.csr_array(shape)
    for ids, owners in _chunks(documents):
        for distance in range(1, min(window, len(ids) - 1) + 1):
            is_near = owners[:-distance] == owners[distance:]
            left, right = ids[:-distance][is_near], ids[distance:][is_near]
            # One half of the symmetric matrix is enough to sum.
            cells = np.minimum(left, right), np.maximum(left, right)
            total = total + sparse.coo_array((np.full(len(left), 1 / distance), cells), shape).tocsr()
    counts = (total + total.T).tocsr()
    counts.sort_indices()
    return counts


def _chunks(documents: Iterable[NDArray[np.int32]]) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Join documents to runs of ids, each with the number of the document that an id is of."""
    held: list[NDArray[np.int32]] = []
    words = 0
    for document in documents:
        held.append(document)
        words += len(document)
        if words >= _CHUNK:
            yield _joined(held)
            held, words = [], 0
    if words:
        yield _joined(held)


def _joined(documents: list[NDArray[np.int32]]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    owners = np.repeat(np.arange(len(documents), dtype=np.int32), [len(document) for document in documents])
    return np.concatenate(documents), owners


def train_glove(
    counts: sparse.csr_array,
    settings: GloveSettings,
    *,
    folder: Path | None = None,
    on_epoch: Callable[[int, float], None] | None = None,
) -> Matrix:
    """Fit word vectors to counts of co-occurrence.

    Args:
        counts: From :func:`count_cooccurrences`.
        settings: All choices.
        folder: Where checkpoints go. If it holds some of this very training, it goes on from the newest.
        on_epoch: Called after each epoch with the number of those done, and the mean loss of a cell in it.

    Returns:
        The sum of each word's vector as a word and as context, as published, float32 [words, size].

    Raises:
        DataError: No two words meet.
        OptionError: The folder holds another training.
        OutputError: The folder cannot be written.
    """
    if not counts.nnz:
        raise DataError("no two words of the vocabulary stand near each other", fix="Give more text.")
    run = _Training(counts, settings, folder)
    while run.epoch < settings.epochs:
        loss = run.next_epoch()
        if on_epoch is not None:
            on_epoch(run.epoch, loss)
        run.checkpoint()
    vectors = np.empty((len(run.order), settings.size), dtype=np.float32)
    vectors[run.order] = run.words[:, : settings.size] + run.contexts[:, : settings.size]
    return vectors


@dataclass(frozen=True)
class _Batch:
    """Some cells of X, all of them of neighbouring words and neighbouring contexts."""

    words: slice
    contexts: slice
    indptr: NDArray[np.int32]
    """Where the cells of each word begin, as in a CSR matrix."""
    indices: NDArray[np.int32]
    """The context of each cell, by its place among ``contexts``."""
    logarithms: Matrix
    weights: Matrix

    def gradients(self, words: Matrix, contexts: Matrix) -> tuple[Matrix, Matrix, float]:
        """Return the gradients of J/2 by the batch's words and contexts, and the batch's J."""
        products = np.einsum(
            "nk,nk->n", np.repeat(words, np.diff(self.indptr), axis=0), contexts[self.indices]
        )
        errors = products - self.logarithms
        weighted = self.weights * errors
        cells = sparse.csr_array((weighted, self.indices, self.indptr), (len(words), len(contexts)))
        return cells @ contexts, cells.T @ words, float(weighted @ errors)


class _Training:
    """A training and how far it is.

    A word's row holds its vector, its bias, and a one, a context's row its vector, a one, and its bias: their
    product is the whole prediction, and the biases are trained like any other number.
    """

    def __init__(self, counts: sparse.csr_array, settings: GloveSettings, folder: Path | None) -> None:
        self.settings, self.folder = settings, folder
        generator = np.random.default_rng(settings.seed)
        shape = (counts.shape[0], settings.size + 2)
        self.words, self.contexts = (
            ((generator.random(shape, dtype=np.float32) - 0.5) / settings.size) for _ in range(2)
        )
        self.words[:, -1] = self.contexts[:, -2] = 1.0
        self.word_squares, self.context_squares = np.ones(shape, np.float32), np.ones(shape, np.float32)
        self.cells = counts.nnz
        self.order = generator.permutation(shape[0])  # spreads the frequent words, which stand first
        self.batches = list(_batches(counts[self.order][:, self.order], settings.x_max, generator))
        self.epoch = 0
        self.saved = time.perf_counter()
        if folder is not None:
            digest = hashlib.sha256(counts.data.tobytes() + counts.indices.tobytes()).hexdigest()
            self.identity = content_hash([vars(settings), digest])
            self._resume(folder)

    def next_epoch(self) -> float:
        """Go through all cells, in batches of an order of this epoch's own; return their mean loss."""
        order = np.random.default_rng([self.settings.seed, self.epoch]).permutation(len(self.batches))
        loss = 0.0
        for position in order:
            batch = self.batches[position]
            words, contexts = self.words[batch.words], self.contexts[batch.contexts]
            of_words, of_contexts, summed = batch.gradients(words, contexts)
            of_words[:, -1] = of_contexts[:, -2] = 0.0  # the ones stay ones
            self._move(words, self.word_squares[batch.words], of_words)
            self._move(contexts, self.context_squares[batch.contexts], of_contexts)
            loss += summed
        self.epoch += 1
        return loss / self.cells

    def _move(self, values: Matrix, squares: Matrix, gradients: Matrix) -> None:
        """Make a step of AdaGrad (Duchi et al. 2011), in place; what has no gradient stays.

        As in the published program the squares are those of the gradients times the learning rate, and begin
        at one: that rate says how the first steps are, later ones do not depend on it.
        """
        gradients *= self.settings.learning_rate
        squares += gradients**2
        gradients /= np.sqrt(squares)
        values -= gradients

    def checkpoint(self) -> None:
        """Save, if a minute has passed."""
        if self.folder is None or time.perf_counter() - self.saved < _CHECKPOINT_SECONDS:
            return
        import torch

        from textgraft.training.checkpoint import save_checkpoint

        state = {"identity": self.identity, "epoch": self.epoch}
        tensors = {name: torch.from_numpy(values) for name, values in self._arrays().items()}
        save_checkpoint(self.folder, self.epoch, state, {"model": tensors}, keep=1)
        self.saved = time.perf_counter()

    def _resume(self, folder: Path) -> None:
        from textgraft.training.checkpoint import load_checkpoint

        folder.mkdir(parents=True, exist_ok=True)
        checkpoint = load_checkpoint(folder)
        if checkpoint is None:
            return
        if checkpoint.state["identity"] != self.identity:
            raise OptionError(
                "this folder holds a training on another corpus or with other settings",
                where=str(folder),
                fix="Delete it to train from the beginning.",
            )
        for name, values in self._arrays().items():
            values[...] = checkpoint.tensors["model"][name].numpy()
        self.epoch = int(checkpoint.state["epoch"])

    def _arrays(self) -> dict[str, Matrix]:
        names = ("words", "contexts", "word_squares", "context_squares")
        return {name: getattr(self, name) for name in names}


def _batches(counts: sparse.csr_array, x_max: float, generator: np.random.Generator) -> Iterator[_Batch]:
    """Cut X into tiles, and deal the cells of each at random into batches.

    A step goes through whole slices of the vectors, without gathering rows: five times faster than with the
    cells of a batch drawn from everywhere.
    """
    edges = range(0, counts.shape[0], _TILE)
    for top in edges:
        band = counts[top : top + _TILE]
        for left in edges:
            tile = band[:, left : left + _TILE].tocoo()
            share = generator.permutation(tile.nnz) // _BATCH
            for number in range(share.max(initial=-1) + 1):
                mine = share == number
                places = tile.row[mine], tile.col[mine]
                cells = sparse.coo_array((tile.data[mine], places), tile.shape).tocsr()
                yield _Batch(
                    words=slice(top, top + _TILE),
                    contexts=slice(left, left + _TILE),
                    indptr=cells.indptr.astype(np.int32),
                    indices=cells.indices.astype(np.int32),
                    logarithms=np.log(cells.data).astype(np.float32),
                    weights=np.minimum(1.0, (cells.data / x_max) ** _ALPHA).astype(np.float32),
                )
