"""What an encoder makes of each token of its vocabulary by itself: one static vector a token.

This is the distillation of Model2Vec (Tulkens and van Dongen 2024): every token goes through the encoder
alone, between the special tokens of a text, and the encodings are brought to fewer dimensions by principal
components. That takes some seconds, of a large encoder minutes, and is done once: the vectors are kept in the
cache folder.

Both special tokens are needed. Without the closing one MiniLM's vectors serve as well, but those of mpnet
hold next to nothing (macro F1 0.22 on TREC).
"""

from __future__ import annotations

import functools
import logging
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textgraft.files import atomic_folder, cache_folder, content_hash, locked
from textgraft.inference.encode import Encoder
from textgraft.integrity import is_intact, seal
from textgraft.models.encoders import EncoderSource, load_tokenizer
from textgraft.processor import cores
from textgraft.tokenization.encode import TextFrame
from textgraft.tokenization.reduced import reduced

if TYPE_CHECKING:
    from tokenizers import Tokenizer

logger = logging.getLogger(__name__)

LARGEST_SIZE = 384
"""Principal components kept at most: all of a small encoder's."""
LARGEST_VOCABULARY = 60_000
"""Tokens of an encoder that are all distilled. Of a larger vocabulary, as those of encoders of a hundred
languages with 250,000 tokens, so many are taken: running all would take minutes, and the model would be as
large as an encoder."""
LEAST_FRACTION = 0.01
"""Of the letters of texts, for a script to count as theirs."""
_SAMPLE = 256
"""Tokens for each core whose encoding tells what that of all will take."""
_FILE = "vectors.safetensors"
_FORM = 1
"""Of what is kept in the cache: to be raised when the same encoder gives other vectors."""
_PLACEHOLDER = re.compile(r"\[unused\d+\]")
"""Tokens of BERT's vocabulary that stand for nothing."""


@dataclass(frozen=True, eq=False)
class TokenVectors:
    """The tokens of an encoder, and a vector for each."""

    tokenizer: Tokenizer
    """Writes texts in these tokens, with no special token around."""
    matrix: NDArray[np.float32]
    """[tokens, size]: each column varies less than the one before; special tokens have zeros."""

    def means(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Return the mean vector of each word's tokens, [words, size]; zeros where it has none."""
        means = np.zeros((len(words), self.matrix.shape[1]), dtype=np.float32)
        encodings = self.tokenizer.encode_batch_fast(list(words), add_special_tokens=False)
        for mean, encoding in zip(means, encodings, strict=True):
            if encoding.ids:
                mean[:] = self.matrix[encoding.ids].mean(axis=0)
        return means


def token_vectors(source: EncoderSource, texts: Sequence[str]) -> TokenVectors:
    """Return the static vectors of an encoder's tokens, from the cache or into it.

    Of a vocabulary of more than :data:`LARGEST_VOCABULARY` tokens, those are taken that are written in the
    scripts of the texts and, of these, the first ones: tokenizers hold the frequent ones first. Texts are
    written in those that are left.

    Args:
        source: The encoder.
        texts: Those to learn from; only their scripts are looked at, and only where the vocabulary is large.

    Raises:
        ModelError: The encoder is damaged, or gives numbers that are not finite.
    """
    source = source.unprompted  # each token is read by itself
    return _token_vectors(source, source.identity, _scripts_wanted(source, texts))


def seconds_to_distil(source: EncoderSource, texts: Sequence[str]) -> float:
    """Estimate what :func:`token_vectors` takes, from a sample of the tokens; 0 where the cache has them.

    Args:
        source: The encoder.
        texts: Those to learn from.

    Returns:
        Seconds on the wall.

    Raises:
        ModelError: The encoder is damaged, or gives numbers that are not finite.
    """
    source = source.unprompted
    wanted = _wanted(source, source.identity, _scripts_wanted(source, texts))
    if is_intact(wanted.folder):
        return 0.0
    encoder = _encoder(source)
    rows = wanted.rows()
    sample = rows[:: max(1, len(rows) // (_SAMPLE * cores()))]
    encoder.encode_ids(sample[: cores()])  # opens the engine, which others need as well
    start = time.perf_counter()
    encoder.encode_ids(sample)
    return (time.perf_counter() - start) * len(rows) / len(sample)


def _scripts_wanted(source: EncoderSource, texts: Sequence[str]) -> frozenset[str]:
    """Return the scripts whose tokens are taken where not all are, else none."""
    size = _vocabulary_size(source, source.identity)
    return scripts_of(texts) if size > LARGEST_VOCABULARY else frozenset()


@functools.lru_cache(maxsize=4)
def _vocabulary_size(source: EncoderSource, identity: str) -> int:
    """Return how many tokens an encoder has, as for :func:`_token_vectors` looked up once."""
    return load_tokenizer(source).get_vocab_size()


@dataclass(frozen=True, eq=False)
class _Wanted:
    """The tokens of an encoder that are to have vectors."""

    tokenizer: Tokenizer
    """Of these tokens alone."""
    ids: list[int]
    """Of each in the encoder's vocabulary."""
    whole: Tokenizer
    """The encoder's own."""
    key: str
    """Of their vectors in the cache."""

    @property
    def folder(self) -> Path:
        """Where the vectors are kept."""
        return cache_folder() / "vectors" / self.key

    @property
    def places(self) -> list[int]:
        """Those of the tokens that are read: all but special ones."""
        added = self.tokenizer.get_added_tokens_decoder()
        special = {place for place, token in added.items() if token.special}
        return [place for place in range(len(self.ids)) if place not in special]

    def rows(self) -> list[list[int]]:
        """Return what the encoder reads of each of :attr:`places`: the token between special ones."""
        frame = TextFrame.of(self.whole, "a")
        return [[*frame.before, self.ids[place], *frame.after] for place in self.places]


@functools.lru_cache(maxsize=4)
def _wanted(source: EncoderSource, identity: str, scripts: frozenset[str]) -> _Wanted:
    """Return which tokens are to have vectors, as for :func:`_token_vectors` looked up once."""
    whole = load_tokenizer(source)
    tokenizer, ids = reduced(whole, _chosen(whole, scripts))
    key = content_hash({"encoder": identity, "tokens": ids, "size": LARGEST_SIZE, "form": _FORM})
    return _Wanted(tokenizer, ids, whole, key)


@functools.lru_cache(maxsize=4)
def _token_vectors(source: EncoderSource, identity: str, scripts: frozenset[str]) -> TokenVectors:
    """Return the vectors; one process reads them once.

    Args:
        source: The encoder.
        identity: Its identity: the files may change while the process lives.
        scripts: Those whose tokens are taken, where not all are.
    """
    from safetensors.numpy import load_file, save_file

    wanted = _wanted(source, identity, scripts)
    folder = wanted.folder
    if not is_intact(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.with_suffix(".lock")):
            # Another process may have made them while this one waited for the lock.
            if not is_intact(folder):
                matrix = _distilled(source, wanted)
                with atomic_folder(folder) as temporary:
                    save_file({"vectors": matrix.astype(np.float16)}, temporary / _FILE)
                    seal(temporary)
    return TokenVectors(wanted.tokenizer, load_file(folder / _FILE)["vectors"].astype(np.float32))


def _chosen(tokenizer: Tokenizer, scripts: frozenset[str]) -> list[int]:
    """Return the ids of the tokens to distil, ascending."""
    size = tokenizer.get_vocab_size()
    named = [place for place in range(size) if not _PLACEHOLDER.fullmatch(tokenizer.id_to_token(place) or "")]
    if size <= LARGEST_VOCABULARY:
        return named
    written = tokenizer.decode_batch([[place] for place in named], skip_special_tokens=False)
    readable = [
        (place, len(text.strip()) < 2)
        for place, text in zip(named, written, strict=True)
        if _fits(text, scripts)
    ]
    # Single characters are what every word can be written in.
    single = [place for place, is_single in readable if is_single]
    longer = [place for place, is_single in readable if not is_single]
    return sorted([*single, *longer[: max(0, LARGEST_VOCABULARY - len(single))]])


def _fits(text: str, scripts: frozenset[str]) -> bool:
    return all(_script(letter) in scripts for letter in text if letter.isalpha())


def scripts_of(texts: Sequence[str]) -> frozenset[str]:
    """Return the scripts, by Unicode's names, that hold a hundredth of the letters of texts or more."""
    letters = Counter(letter for text in texts for letter in text if letter.isalpha())
    found: Counter[str] = Counter()
    for letter, count in letters.items():
        found[_script(letter)] += count
    return frozenset(name for name, count in found.items() if count >= LEAST_FRACTION * letters.total())


@functools.cache
def _script(letter: str) -> str:
    """Return the script of a letter: the first word of its name, as in "CYRILLIC SMALL LETTER A"."""
    return unicodedata.name(letter, "").partition(" ")[0]


def _encoder(source: EncoderSource) -> Encoder:
    """Open an encoder, never in int8: which packages are installed has no part in what vectors are."""
    return Encoder(source, precision="bf16")


def _distilled(source: EncoderSource, wanted: _Wanted) -> NDArray[np.float32]:
    """Encode every token by itself, and bring the encodings to their principal components.

    Args:
        source: The encoder.
        wanted: Its tokens that are to have vectors.

    Returns:
        [tokens, size], zeros for special tokens.
    """
    from sklearn.decomposition import PCA

    logger.info("distilling the vectors of %d tokens, once", len(wanted.ids))
    encodings = _encoder(source).encode_ids(wanted.rows())
    size = min(LARGEST_SIZE, *encodings.shape)
    matrix = np.zeros((len(wanted.ids), size), dtype=np.float32)
    matrix[wanted.places] = PCA(size, svd_solver="covariance_eigh").fit_transform(encodings)
    return matrix
