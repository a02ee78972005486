"""What the tokenizer of a recurrent contender asks for."""

from __future__ import annotations

from textgraft.comparison.contenders.recurrent import training_words
from textgraft.data.dataset import Dataset


def test_texts_in_pairs_are_told_apart_by_types():
    alone = training_words(Dataset.unlabelled({"text": ["a b", "b c"] * 2}))
    assert alone.model_input_names == ["input_ids", "attention_mask"]
    paired = training_words(Dataset.unlabelled({"first": ["a b"] * 2, "second": ["b c"] * 2}))
    batch = paired("a b", "b c")
    assert batch["token_type_ids"] == [0, 0, 0, 1, 1, 1]
