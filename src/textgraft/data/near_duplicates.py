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

import contextlib
import functools
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from tempfile import SpooledTemporaryFile
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
_SPOOLED_BYTES = 1 << 22
"""Of a band's numbers; more wait on the disk."""
_HELD_PAIRS = 1 << 21


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

    candidates, share = _candidates(_band_keys(texts), len(texts))
    step = max(1, -(-len(candidates) // COMPARED_PAIRS))
    found = []
    lefts, rights = np.divmod(candidates[::step], max(1, len(texts)))
    for left, right in zip(lefts.tolist(), rights.tolist(), strict=True):
        first, second = shingles_of(left), shingles_of(right)
        shared = len(first & second)
        similarity = shared / (len(first) + len(second) - shared)
        if similarity >= threshold:
            found.append((left, right, similarity))
    return NearDuplicates(found, share / step)


def _band_keys(texts: Sequence[str]) -> Iterator[np.ndarray]:
    """Yield for each band a number a text, [texts] uint32: equal where the MinHashes are.

    One band is held at a time; of many texts, the others wait on the disk.
    """
    generator = np.random.default_rng(0)
    factors = generator.integers(0, 1 << 64, size=(_BANDS, _NUMBERS), dtype=np.uint64) | np.uint64(1)
    mixers = generator.integers(0, 1 << 64, size=_NUMBERS, dtype=np.uint64) | np.uint64(1)
    # Different numbers of 64 bits have the same upper half once in four thousand million times, and are then
    # compared in vain.
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(SpooledTemporaryFile(_SPOOLED_BYTES)) for _ in range(_BANDS)]
        for chunk in _chunks(texts):
            hashes, starts = _shingle_hashes(chunk)
            for band, file in enumerate(files):
                file.write(_keys(hashes, starts, factors[band], mixers).tobytes())
        for file in files:
            file.seek(0)
            yield np.frombuffer(file.read(), dtype=np.uint32)
            file.close()


def _keys(hashes: np.ndarray, starts: np.ndarray, factors: np.ndarray, mixers: np.ndarray) -> np.ndarray:
    """Return one band's number of each of some texts."""
    mixed = np.zeros(len(starts), dtype=np.uint64)
    for factor, mixer in zip(factors, mixers, strict=True):
        # The upper bits of a product with an odd factor are a hash of the other factor.
        minima = np.minimum.reduceat(hashes * factor >> np.uint64(20), starts)
        mixed += (minima + np.uint64(1)) * mixer
    return (mixed >> np.uint64(32)).astype(np.uint32)


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


def _candidates(bands: Iterable[np.ndarray], count: int) -> tuple[np.ndarray, float]:
    """Gather the pairs i < j of so many texts that agree in a band.

    Returns:
        The pairs as numbers i · count + j, each once, in order; and what share of all they are. Beyond
        :data:`_HELD_PAIRS` they are thinned by a hash, which drops a pair in every band or in none.
    """
    held, halvings = np.empty(0, dtype=np.int64), 0
    for band in bands:
        order = np.argsort(band, kind="stable")
        ordered = band[order]
        found = [held]
        for distance in range(1, min(_NEIGHBOURS, count - 1) + 1):
            at = np.flatnonzero(ordered[distance:] == ordered[:-distance])
            # A stable sort keeps the left one smaller.
            found.append(_thinned(order[at] * count + order[at + distance], halvings))
            # Pairs of several bands are counted several times here: no more than bounds the memory.
            while sum(map(len, found)) > 4 * _HELD_PAIRS:
                halvings += 1
                found = [_thinned(pairs, halvings) for pairs in found]
        held = np.unique(np.concatenate(found))
        while len(held) > _HELD_PAIRS:
            halvings += 1
            held = _thinned(held, halvings)
    return held, 0.5**halvings


def _thinned(pairs: np.ndarray, halvings: int) -> np.ndarray:
    """Return the pairs whose hash ends in so many zeros."""
    if not halvings:
        return pairs
    hashes = (pairs.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
    return pairs[hashes & np.uint64((1 << halvings) - 1) == 0]
