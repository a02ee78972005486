"""Texts that are almost the same, found without comparing every pair.

A text is the set of its shingles, here of all runs of five characters; two texts are near-duplicates if
the Jaccard similarity of their sets (shared shingles over all shingles) reaches a threshold. MinHash (Broder
1997, "On the resemblance and containment of documents") turns a set into numbers that agree between two sets
with a probability equal to that similarity. Locality-sensitive hashing cuts those numbers into bands: texts
that agree on a whole band are candidates, and every candidate pair is then compared exactly.

With 20 bands of 6 numbers a pair at similarity 0.8 is missed with probability 0.002, at 0.9 hardly ever,
and a pair at 0.3 is compared in vain with probability 0.01.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

SHINGLE = 5
"""Characters of a shingle."""
COMPARED_CHARACTERS = 5000
"""Of longer texts the beginning is compared."""
COMPARED_PAIRS = 500_000
"""Of more candidates so many, evenly chosen, are compared: about a quarter of a minute."""

_BANDS = 20
_NUMBERS = 6
_NEIGHBOURS = 4
_CHUNK_CHARACTERS = 1 << 17


def normalise(text: str) -> str:
    """Return the form in which texts count as the same: Unicode NFKC, case folded, spaces as one."""
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(plain.casefold().split())


class NearDuplicates(NamedTuple):
    """Pairs of texts that resemble each other."""

    pairs: list[tuple[int, int, float]]
    """Triples (i, j, Jaccard similarity) with i < j, ordered by position."""
    compared: float
    """Share of the candidate pairs that were compared; below 1 there may be more pairs."""


def near_duplicates(texts: Sequence[str], threshold: float = 0.8) -> NearDuplicates:
    """Find the pairs of texts whose Jaccard similarity of shingles is at least ``threshold``.

    Time and memory grow with the number of characters, not of pairs: of many texts that resemble each other,
    neighbours are compared, so that each of them appears in some pairs, but not in all its pairs.

    Args:
        texts: Normalised texts, all different.
        threshold: Similarity from 0 to 1; far below 0.8 pairs are missed.
    """

    @functools.lru_cache(maxsize=1000)
    def shingles_of(index: int) -> frozenset[str]:
        text = texts[index][:COMPARED_CHARACTERS]
        return frozenset(text[at : at + SHINGLE] for at in range(max(1, len(text) - SHINGLE + 1)))

    candidates = _candidates(_band_keys(texts))
    step = max(1, -(-len(candidates) // COMPARED_PAIRS))
    found = []
    lefts, rights = np.divmod(candidates[::step], max(1, len(texts)))
    for left, right in zip(lefts.tolist(), rights.tolist(), strict=True):
        first, second = shingles_of(left), shingles_of(right)
        shared = len(first & second)
        similarity = shared / (len(first) + len(second) - shared)
        if similarity >= threshold:
            found.append((left, right, similarity))
    return NearDuplicates(found, 1 / step)


def _band_keys(texts: Sequence[str]) -> np.ndarray:
    """Return a number for each band and text, [bands, texts] uint32: equal where the MinHashes are."""
    generator = np.random.default_rng(0)
    factors = generator.integers(0, 1 << 64, size=(_BANDS, _NUMBERS), dtype=np.uint64) | np.uint64(1)
    mixers = generator.integers(0, 1 << 64, size=_NUMBERS, dtype=np.uint64) | np.uint64(1)
    # Different numbers of 64 bits have the same upper half once in four thousand million times, and are then
    # compared in vain.
    keys = np.empty((_BANDS, len(texts)), dtype=np.uint32)
    begin = 0
    for chunk in _chunks(texts):
        hashes, starts = _shingle_hashes(chunk)
        end = begin + len(chunk)
        for band in range(_BANDS):
            mixed = np.zeros(len(chunk), dtype=np.uint64)
            for number in range(_NUMBERS):
                # The upper bits of a product with an odd factor are a hash of the other factor.
                minima = np.minimum.reduceat(hashes * factors[band, number] >> np.uint64(20), starts)
                mixed += (minima + np.uint64(1)) * mixers[number]
            keys[band, begin:end] = mixed >> np.uint64(32)
        begin = end
    return keys


def _chunks(texts: Sequence[str]) -> Iterator[list[str]]:
    """Cut the texts into runs of some hundred thousand characters."""
    chunk: list[str] = []
    size = 0
    for text in texts:
        chunk.append(text)
        size += min(len(text), COMPARED_CHARACTERS) + SHINGLE
        if size >= _CHUNK_CHARACTERS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _shingle_hashes(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Hash every shingle of every text.

    Returns:
        The hashes of all texts one after the other, uint64, and the position where each text begins. A text
        shorter than a shingle has one.
    """
    padded = [text[:COMPARED_CHARACTERS].ljust(SHINGLE, "\0") for text in texts]
    lengths = np.array([len(text) for text in padded])
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(
        np.uint64
    )
    counts = lengths - SHINGLE + 1
    windows = len(codes) - SHINGLE + 1
    hashes = np.zeros(windows, dtype=np.uint64)
    for offset in range(SHINGLE):
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + codes[offset : offset + windows]
    hashes ^= hashes >> np.uint64(31)
    hashes *= np.uint64(0xD6E8FEB86659FD93)
    hashes ^= hashes >> np.uint64(32)
    # Windows that reach from one text into the next are no shingles.
    inside = np.ones(len(codes), dtype=bool)
    ends = np.cumsum(lengths)
    for back in range(1, SHINGLE):
        inside[ends - back] = False
    starts = np.cumsum(counts) - counts
    return hashes[inside[:windows]], starts


def _candidates(keys: np.ndarray) -> np.ndarray:
    """Return the pairs i < j of n texts that agree in a band as numbers i · n + j, each once, in order."""
    count = keys.shape[1]
    pairs = [np.empty(0, dtype=np.int64)]
    for band in keys:
        order = np.argsort(band, kind="stable")
        ordered = band[order]
        for distance in range(1, min(_NEIGHBOURS, count - 1) + 1):
            at = np.flatnonzero(ordered[distance:] == ordered[:-distance])
            pairs.append(order[at] * count + order[at + distance])  # a stable sort keeps the left one smaller
    return np.unique(np.concatenate(pairs))
