"""From a corpus to word vectors, and from word vectors to scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from textgraft.data.readers.word_sets import is_analogies, read_analogies, read_rated_pairs
from textgraft.embeddings.files import ENDINGS
from textgraft.embeddings.word_vectors import WordVectors
from textgraft.errors import DataError, OptionError, unknown
from textgraft.evaluation.word_similarity import WordScore, analogy_scores, similarity_score
from textgraft.files import as_path, check_output, remove_folder
from textgraft.pretraining.corpus.corpus import read_corpus
from textgraft.pretraining.corpus.tokens import Tokens, tokenize_corpus
from textgraft.pretraining.vectors.glove import GloveSettings, count_cooccurrences, train_glove
from textgraft.pretraining.vectors.word2vec import Word2VecSettings, train_word2vec
from textgraft.settings import flag, text_or_none, whole_number
from textgraft.tokenization.word_tokenizer import SPECIAL_TOKENS, train_word_tokenizer

METHODS: dict[str, type[Word2VecSettings | GloveSettings]] = {
    "word2vec": Word2VecSettings,
    "glove": GloveSettings,
}


class VectorOptions(TypedDict, total=False):
    """The settings of all methods by name; those of another method than the chosen one are refused."""

    size: int
    window: int
    epochs: int
    negative: int
    threads: int
    learning_rate: float
    x_max: float
    seed: int


def word_vectors(
    corpus: str | Path,
    *,
    method: str = "word2vec",
    text: str | None = None,
    vocabulary_size: int = 100_000,
    min_count: int = 5,
    lowercase: bool = True,
    output: str | Path | None = None,
    overwrite: bool = False,
    on_epoch: Callable[[int, int], None] | None = None,
    note: Callable[[str], None] = lambda line: None,
    **settings: Unpack[VectorOptions],
) -> WordVectors:
    """Train word vectors on raw text.

    Words are cut as for the recurrent contenders, so that these find them again. A GloVe training that was
    stopped goes on from its last minute if it has an ``output``: the same call is enough.

    Args:
        corpus: A file or folder of text, see :func:`~textgraft.pretraining.corpus.corpus.read_corpus`.
        method: "word2vec" or "glove".
        text: The column with the text, where the corpus is a table.
        vocabulary_size: Words at most, the most frequent ones.
        min_count: Rarer words get no vector, and are passed over.
        lowercase: Whether case is ignored.
        output: File to write, see :meth:`WordVectors.save`; None writes none.
        overwrite: Whether a file that exists may be replaced.
        on_epoch: Called after each epoch with the number of those done, and of all.
        note: Told what the user should know.
        settings: Of :class:`~textgraft.pretraining.vectors.word2vec.Word2VecSettings` or
            :class:`~textgraft.pretraining.vectors.glove.GloveSettings`, which describe them.

    Returns:
        The vectors, the most frequent word first.

    Raises:
        DataError: The corpus cannot be read or is too small.
        MissingExtraError: gensim is not installed, for word2vec.
        OptionError: An option is unknown or out of range.
        OutputError: The file exists, or cannot be written.
    """
    flag(overwrite, "overwrite")
    flag(lowercase, "lowercase")
    text_or_none(text, "text")
    vocabulary_size = whole_number(vocabulary_size, "vocabulary_size", least=1)
    min_count = whole_number(min_count, "min_count", least=1)
    chosen = _settings(method, settings)
    corpus = as_path(corpus, "corpus")
    checkpoints = None
    if output is not None:
        output = as_path(output, "output")
        check_output(output, ENDINGS, overwrite=overwrite)
        checkpoints = output.with_name(output.name + ".training")
    whole = read_corpus(corpus, text=text)
    note("counting words")
    tokenizer = train_word_tokenizer(
        (document.text for document in whole),
        vocabulary_size=vocabulary_size + len(SPECIAL_TOKENS),
        min_frequency=min_count,
        lowercase=lowercase,
    )
    words = tokenizer.convert_ids_to_tokens(list(range(len(SPECIAL_TOKENS), len(tokenizer))))
    if len(words) < 2:
        raise DataError(
            f"fewer than two words occur {min_count} times", where=str(corpus), fix="Give more text."
        )
    documents = _Documents(tokenize_corpus(whole, tokenizer, unit="text"))
    note(f"{documents.words:,} words, {len(words):,} different ones")

    def report(epoch: int, loss: float | None = None) -> None:
        del loss
        if on_epoch is not None:
            on_epoch(epoch, chosen.epochs)

    if isinstance(chosen, Word2VecSettings):
        matrix = train_word2vec(documents, words, chosen, report)
    else:
        counts = count_cooccurrences(documents, len(words), chosen.window)
        note(f"{counts.nnz:,} pairs of words meet within {chosen.window} words")
        matrix = train_glove(counts, chosen, folder=checkpoints, on_epoch=report)
    vectors = WordVectors(words, matrix)
    if output is not None:
        vectors.save(output)
    if checkpoints is not None:
        remove_folder(checkpoints)
    return vectors


def _settings(method: str, settings: VectorOptions) -> Word2VecSettings | GloveSettings:
    if not isinstance(method, str) or method not in METHODS:
        raise unknown("method", method, METHODS, where="--method")
    known = [field.name for field in fields(METHODS[method])]
    for name in settings:
        if name not in known:
            raise unknown(f"setting of {method}", name, known)
    given: dict[str, Any] = {**settings}  # and nothing of the other method
    return METHODS[method](**given)


@dataclass(frozen=True)
class _Documents:
    """All documents of a tokenized corpus as ids of words with vectors, counted from 0."""

    parts: Sequence[Tokens]

    @property
    def words(self) -> int:
        """Words of the corpus, those without a vector included."""
        return sum(len(part.ids) for part in self.parts)

    def __iter__(self) -> Iterator[NDArray[np.int32]]:
        first = len(SPECIAL_TOKENS)
        for part in self.parts:
            for number in range(len(part)):
                ids = part.document(number).astype(np.int32)
                yield ids[ids >= first] - first


def score_word_vectors(vectors: WordVectors, sets: Sequence[str | Path]) -> dict[str, WordScore]:
    """Score word vectors by rated pairs of words and by analogies.

    Args:
        vectors: The vectors.
        sets: Files of two words and a rating a line, or of analogies in Google's form; or folders of them.

    Returns:
        A score for each file of pairs by its name, and for each section of analogies as "name: section".

    Raises:
        DataError: A file cannot be read, or a line is of neither form.
        OptionError: No set is named.
    """
    scores: dict[str, WordScore] = {}
    for path in _files(sets):
        if is_analogies(path):
            sections = analogy_scores(vectors.unit, vectors.find, read_analogies(path))
            scores |= {f"{path.stem}: {section}": score for section, score in sections.items()}
        else:
            scores[path.stem] = similarity_score(vectors.unit, vectors.find, read_rated_pairs(path))
    return scores


def _files(sets: Sequence[str | Path]) -> list[Path]:
    found = []
    for name in sets:
        path = Path(name)
        inside = sorted(file for file in path.glob("*") if file.suffix in (".tsv", ".csv", ".txt"))
        found += inside if path.is_dir() else [path]
    if not found:
        raise OptionError("there is no word set", where="--evaluate", fix="Name a file, or a folder of them.")
    return found
