"""Near-duplicates: what the hashing finds is what comparing every pair finds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.conftest import shared_data
from textgraft.data import near_duplicates as module
from textgraft.data.near_duplicates import SHINGLE, near_duplicates, normalise
from textgraft.data.readers.reading import read_dataset


def jaccard(first: str, second: str) -> float:
    sets = [
        {text[i : i + SHINGLE] for i in range(max(1, len(text) - SHINGLE + 1))} for text in (first, second)
    ]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def brute_force(texts, threshold):
    pairs = itertools.combinations(range(len(texts)), 2)
    found = ((left, right, jaccard(texts[left], texts[right])) for left, right in pairs)
    return [(left, right, value) for left, right, value in found if value >= threshold]


def variants(count: int, seed: int) -> list[str]:
    """Random sentences, each with a copy in which some words are replaced."""
    generator = np.random.default_rng(seed)
    words = np.array(["".join(generator.choice(list("abcdefghijklmnop"), 5)) for _ in range(500)])
    texts = []
    for number in range(count):
        sentence = generator.choice(words, generator.integers(1, 40))
        texts.append(" ".join(sentence))
        sentence[generator.random(len(sentence)) < (number % 5) * 0.02] = "changed"
        texts.append(" ".join(sentence))
    return list(dict.fromkeys(texts))


@pytest.mark.parametrize("seed", range(3))
def test_all_pairs_are_found_and_no_others(seed):
    texts = variants(150, seed)
    expected = brute_force(texts, 0.8)
    found, compared = near_duplicates(texts)
    assert compared == 1
    assert set(found) <= set(expected)
    assert len(expected) > 30
    assert len(found) >= 0.98 * len(expected)
    assert found == sorted(found)


@pytest.mark.parametrize("texts", [[], ["one"], ["", "a"], ["ab", "abc"], ["éüß " * 10, "éüß " * 10 + "x"]])
def test_small_inputs(texts):
    assert near_duplicates(texts).pairs == brute_force(texts, 0.8)


def test_many_alike_texts_do_not_multiply(monkeypatch):
    texts = [
        f"the very same long opening of a form letter that everybody got, number {i}" for i in range(2000)
    ]
    found, _ = near_duplicates(texts)
    assert {text for pair in found for text in pair[:2]} == set(range(2000))
    assert len(found) < 200 * len(texts)
    monkeypatch.setattr(module, "COMPARED_PAIRS", 100)
    few, compared = near_duplicates(texts)
    assert 50 < len(few) <= 100
    assert compared < 0.01


def test_pairs_that_are_too_many_to_hold_are_thinned_to_a_known_share(monkeypatch):
    texts = variants(1500, 3)
    every, _ = near_duplicates(texts)
    monkeypatch.setattr(module, "_HELD_PAIRS", 500)
    found, compared = near_duplicates(texts)
    assert compared == 0.5 ** round(-np.log2(compared)) < 1
    assert set(found) < set(every)
    # Binomial: three standard deviations.
    expected = compared * len(every)
    assert abs(len(found) - expected) < 3 * (expected * (1 - compared)) ** 0.5


def test_chunks_do_not_matter(monkeypatch):
    texts = variants(100, 7)
    expected = near_duplicates(texts)
    monkeypatch.setattr(module, "_CHUNK_CHARACTERS", 50)
    monkeypatch.setattr(module, "_SPOOLED_BYTES", 100)
    assert near_duplicates(texts) == expected


def test_normal_form():
    assert normalise("  Ｆull\twidth\n STRASSE ") == normalise("full width straße")
    assert normalise("C++") != normalise("C#")


def test_questions_of_trec():
    folder = shared_data("trec")
    test, train = (read_dataset(folder / name, label="coarse").texts for name in ("test.csv", "train.csv"))
    texts = list(dict.fromkeys(map(normalise, [*test[:300], *train[:300]])))
    assert near_duplicates(texts, 0.8).pairs == brute_force(texts, 0.8)
