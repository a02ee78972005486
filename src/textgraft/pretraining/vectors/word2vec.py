"""word2vec: skip-gram with negative sampling (Mikolov et al. 2013), by gensim."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textgraft.errors import DataError, MissingExtraError, OptionError

_LONGEST = 10_000
"""Words of a document that gensim reads; what lies beyond, it passes over in silence."""


@dataclass(frozen=True)
class Word2VecSettings:
    """Choices of a word2vec training; what is not named here is gensim's default.

    Raises:
        OptionError: A number is out of range.
    """

    size: int = 100
    """Numbers in a vector."""
    window: int = 5
    """Words to either side, at most: for each word as many are drawn from 1 to this."""
    epochs: int = 10
    """Passes over the corpus."""
    negative: int = 5
    """Words drawn at random that each pair is told apart from."""
    threads: int = 1
    """More than one is faster, but then no two trainings give the same vectors."""
    seed: int = 0
    """Determines all that is drawn at random."""

    def __post_init__(self) -> None:
        for name in ("size", "window", "epochs", "negative", "threads"):
            if getattr(self, name) < 1:
                raise OptionError(f"{name} is {getattr(self, name)}", where=name, fix="Give 1 or more.")


def train_word2vec(
    documents: Iterable[NDArray[np.integer]],
    words: Sequence[str],
    settings: Word2VecSettings,
    on_epoch: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Train word vectors.

    Args:
        documents: Word ids of each; iterated over once an epoch, and once before.
        words: The word of each id.
        settings: All choices.
        on_epoch: Called after each epoch with the number of those done.

    Returns:
        A vector for each id, float32 [words, size]; zeros for one that never occurs.

    Raises:
        DataError: There is no word in the documents.
        MissingExtraError: gensim is not installed.
    """
    try:
        from gensim.models.callbacks import CallbackAny2Vec
        from gensim.models.word2vec import Word2Vec
    except ImportError as error:
        raise MissingExtraError("gensim", "vectors", "word2vec") from error

    class Epochs(CallbackAny2Vec):
        done = 0

        def on_epoch_end(self, model: Word2Vec) -> None:
            del model
            self.done += 1
            if on_epoch is not None:
                on_epoch(self.done)

    model = Word2Vec(
        sg=1,
        vector_size=settings.size,
        window=settings.window,
        negative=settings.negative,
        workers=settings.threads,
        seed=settings.seed,
        min_count=1,
    )
    sentences = _Sentences(documents, words)
    model.build_vocab(sentences)
    if not len(model.wv):
        raise DataError("there is no word of the vocabulary in the corpus", fix="Give more text.")
    model.train(sentences, total_examples=model.corpus_count, epochs=settings.epochs, callbacks=[Epochs()])
    vectors = np.zeros((len(words), settings.size), dtype=np.float32)
    rows = {word: row for row, word in enumerate(words)}
    vectors[[rows[word] for word in model.wv.index_to_key]] = model.wv.vectors
    return vectors


@dataclass(frozen=True)
class _Sentences:
    """Documents as lists of words, in pieces that gensim reads to their ends."""

    documents: Iterable[NDArray[np.integer]]
    words: Sequence[str]

    def __iter__(self) -> Iterator[list[str]]:
        for document in self.documents:
            for start in range(0, len(document), _LONGEST):
                yield [self.words[word] for word in document[start : start + _LONGEST].tolist()]
