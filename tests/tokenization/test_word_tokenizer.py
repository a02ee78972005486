import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from textgraft.tokenization.word_tokenizer import train_word_tokenizer

TEXTS = ["the cat sat", "the dog sat", "the bird flew away", "a b c d e", "e d c b a"]


def words(text: str, **options) -> list[str]:
    tokenizer = train_word_tokenizer([text], min_frequency=1, **options)
    return tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])[1:]


def test_special_tokens_come_first_and_words_by_frequency_then_alphabet():
    tokenizer = train_word_tokenizer(TEXTS)
    vocabulary = tokenizer.get_vocab()
    assert sorted(vocabulary, key=vocabulary.get) == [
        *("[PAD]", "[UNK]", "[CLS]", "the"),
        *("a", "b", "c", "d", "e", "sat"),
    ]
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.cls_token_id) == (0, 1, 2)


def test_vocabulary_does_not_depend_on_the_order_of_texts():
    vocabulary = train_word_tokenizer(TEXTS, min_frequency=1).get_vocab()
    for seed in range(5):
        shuffled = random.Random(seed).sample(TEXTS, len(TEXTS))
        assert train_word_tokenizer(shuffled, min_frequency=1).get_vocab() == vocabulary


def test_rare_and_new_words_are_unknown_and_the_vocabulary_is_bounded():
    tokenizer = train_word_tokenizer(TEXTS, vocabulary_size=5)
    assert len(tokenizer) == 5
    assert tokenizer("the zebra flew")["input_ids"] == [2, 3, 1, 1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop!", ["do", "n't", "stop", "!"]),
        ("It’s John's", ["it", "'s", "john", "'s"]),
        ("It wo n't", ["it", "wo", "n't"]),
        ("state-of-the-art", ["state", "-", "of", "-", "the", "-", "art"]),
        ("1,000.50 in the 2nd", ["1,000.50", "in", "the", "2nd"]),
        ("l'homme 'quoted'", ["l", "'", "homme", "'", "quoted", "'"]),
        ("cafe\u0301 ПРИВЕТ", ["café", "привет"]),
        ("我们 go", ["我", "们", "go"]),
        ("नमस्ते 👍", ["नमस्ते", "👍"]),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


def test_case_is_kept_on_request():
    assert words("The CAT", lowercase=False) == ["The", "CAT"]


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\u200b", "\x00"])
def test_an_empty_text_still_has_a_token(text):
    assert len(train_word_tokenizer(TEXTS)(text)["input_ids"]) >= 1


def test_the_names_of_special_tokens_are_ordinary_text(tmp_path):
    tokenizer = train_word_tokenizer(TEXTS)
    tokenizer.save_pretrained(tmp_path)
    for one in (tokenizer, AutoTokenizer.from_pretrained(tmp_path)):
        assert one("[PAD] the [CLS]")["input_ids"].count(0) == 0
        assert one("[PAD] the [CLS]")["input_ids"].count(2) == 1


def test_loaded_by_auto_tokenizer_it_is_the_same(tmp_path):
    tokenizer = train_word_tokenizer(TEXTS, max_length=4)
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    batch = ["the cat sat on the mat", "", "Dog"]
    options = {"padding": True, "truncation": True}
    assert dict(loaded(batch, **options)) == dict(tokenizer(batch, **options))
    assert loaded(batch, **options)["attention_mask"] == [[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 0, 0]]
    assert loaded.get_vocab() == tokenizer.get_vocab()


TOKENIZER = train_word_tokenizer(TEXTS)


@settings(deadline=None)
@given(st.text())
def test_any_text_becomes_known_ids(text):
    ids = TOKENIZER(text)["input_ids"]
    assert ids[0] == 2
    assert all(0 < token < len(TOKENIZER) for token in ids)
