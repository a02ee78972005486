from __future__ import annotations

import pytest
from transformers import PreTrainedTokenizerFast

from tests.tiny_tokenizers import SUBWORD_FAMILIES, train_subwords
from textgraft.errors import OptionError
from textgraft.tokenization.word_tokenizer import train_word_tokenizer
from textgraft.tokenization.words import Subwords

TEXTS = ["the lighthouse keepers in Lisbon, at night", "a house of light; keep the night light"] * 3


@pytest.fixture(params=SUBWORD_FAMILIES)
def tokenizer(request) -> PreTrainedTokenizerFast:
    return train_subwords(request.param, TEXTS)


def test_words_one_by_one_are_the_text_as_the_tokenizer_cuts_it(tokenizer):
    text = "the nightkeeper in Lisbonhouse"
    subwords = Subwords(tokenizer, 64, text.split())
    backend = tokenizer.backend_tokenizer
    together = [
        *subwords.before,
        *(token for word in text.split() for token in subwords[word]),
        *subwords.after,
    ]
    assert together == backend.encode(" " + text).ids
    assert subwords.room == 62
    assert len(subwords["Lisbonhouse"]) > 1


def test_every_word_has_a_token(tokenizer):
    strange = ["\u200b", "\u0301", "\x07", "東", "😀", " ", "x" * 5000]
    subwords = Subwords(tokenizer, 10, strange)
    for word in strange:
        assert 1 <= len(subwords[word]) <= 4


def test_the_longest_word_fills_half_a_window(tokenizer):
    word = "lighthousekeepers" * 40_000
    assert len(Subwords(tokenizer, 10, [word])[word]) <= 4


def test_a_window_without_room_for_a_word(tokenizer):
    Subwords(tokenizer, 3, [])
    with pytest.raises(OptionError, match=r"max_length 2 leaves no room[^$]*2 special tokens"):
        Subwords(tokenizer, 2, [])


def test_whole_words_are_one_token_each():
    tokenizer = train_word_tokenizer(TEXTS, whole_words=True)
    words = ["Lisbon,", "night", "U.S.", "don't", "never-seen"]
    subwords = Subwords(tokenizer, 20, words)
    assert [len(subwords[word]) for word in words] == [1] * 5
    assert (subwords.before, subwords.after) == ([tokenizer.cls_token_id], [])
