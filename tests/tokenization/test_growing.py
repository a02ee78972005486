"""A text that grows is cut into the tokens of the whole, wherever its pieces end."""

from __future__ import annotations

import numpy as np

from textgraft.data.words import cut_words
from textgraft.pretraining.tokenizers import character_tokens
from textgraft.tokenization.growing import LONGEST_HELD, cuts_characters, cuts_words, finished
from textgraft.tokenization.word_tokenizer import train_word_tokenizer

PARTS = [
    "don't", "DON’T", "it's", "n't", "1,000.50", "3.", ",5", "café", "e\u0301", "\u0301", " ", "  ", "\n",
    "\u00a0", "\u3000", "你好", "。", "，", "ไทย", "ភ្នំ", "👩\u200d👧", "…", "--", "a", "B", "_",
    "'", "’", "Ⓐ", "(", ")", "x.y", "می\u200cخواهم", "\u200b", "1️⃣", "!", "„", "é", "n", "t", "'t", "\x1c",
]  # fmt: skip


def texts(count: int) -> list[str]:
    generator = np.random.default_rng(7)
    return ["".join(generator.choice(PARTS, int(generator.integers(1, 25)))) for _ in range(count)]


def pieces(text: str, generator: np.random.Generator) -> list[str]:
    """Feed a text in pieces at random; returns its finished parts, the rest as the last one."""
    found, held, begin = [], "", 0
    while begin < len(text):
        end = begin + int(generator.integers(1, 5))
        held += text[begin:end]
        begin = end
        cut = finished(held)
        found.append(held[:cut])
        held = held[cut:]
    return [*found, held]


def test_tokens_of_the_parts_are_those_of_the_whole():
    given = texts(1000)
    backend = train_word_tokenizer(given, min_frequency=1).backend_tokenizer
    backend.no_truncation()
    assert cuts_words(backend)
    assert not cuts_characters(backend)
    generator = np.random.default_rng(1)
    for text in given:
        parts = pieces(text, generator)
        assert "".join(parts) == text
        found = [token for part in parts for token in backend.encode(part, add_special_tokens=False).ids]
        assert found == backend.encode(text, add_special_tokens=False).ids, parts


def test_words_of_the_parts_are_those_of_the_whole():
    generator = np.random.default_rng(2)
    for text in texts(1000):
        found, begin = [], 0
        for part in pieces(text, generator):
            found += [(begin + start, begin + end) for start, end in cut_words(part)]
            begin += len(part)
        assert tuple(found) == cut_words(text), text


def test_a_word_is_finished_by_what_comes_behind_it():
    assert [finished(text) for text in ("don", "don't ", "a b", "3.", "end.\n", "你好。你")] == [
        0,
        5,
        1,
        0,
        4,
        2,
    ]
    assert finished("x" * (LONGEST_HELD + 3)) == 3, "what is held back is bounded"


def test_characters_are_never_held_back():
    tokenizer = character_tokens(["abc é"], vocabulary_size=50, lowercase=False, max_length=9)
    assert cuts_characters(tokenizer.backend_tokenizer)
    assert cuts_words(tokenizer.backend_tokenizer)
    assert not cuts_words(train_word_tokenizer(["a b"], whole_words=True).backend_tokenizer)
