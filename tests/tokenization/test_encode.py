from __future__ import annotations

from textgraft.pretraining.architectures import train_tokenizer
from textgraft.tokenization.encode import token_ids


def test_a_text_without_tokens_is_read_as_a_special_one_where_nothing_stands_around_it():
    tokenizer = train_tokenizer("gpt", ["a few words", "a few more words"] * 2, vocabulary_size=300)
    found = token_ids(tokenizer.backend_tokenizer, ["", "a few"], 8)
    assert found.ids == [[tokenizer.eos_token_id], tokenizer("a few").input_ids]
