"""What the tokenizer of a recurrent contender asks for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.tiny import TOPICS, topic_rows
from textgraft.comparison.contenders.base import Job
from textgraft.comparison.contenders.recurrent import training_words
from textgraft.comparison.contenders.registry import contenders_for
from textgraft.data.dataset import Dataset
from textgraft.data.words import cut_words
from textgraft.tasks.registry import task_class


def test_texts_in_pairs_are_told_apart_by_types():
    alone = training_words(Dataset.unlabelled({"text": ["a b", "b c"] * 2}))
    assert alone.model_input_names == ["input_ids", "attention_mask"]
    paired = training_words(Dataset.unlabelled({"first": ["a b"] * 2, "second": ["b c"] * 2}))
    batch = paired("a b", "b c")
    assert batch["token_type_ids"] == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("name", ["classification", "token-classification"])
def test_without_its_second_direction_a_network_is_trained_to_read_as_the_text_comes(name):
    texts, topics = zip(*topic_rows(60), strict=True)
    kinds = {word: f"B-{kind}" for kind, words in TOPICS.items() for word in words}
    columns = {"text": list(texts)}
    labels = list(topics)
    if name == "token-classification":
        columns["words"] = [cut_words(text) for text in texts]
        labels = [[kinds.get(word, "O") for word in text.split()] for text in texts]
    rows = replace(Dataset.unlabelled(columns), labels=labels)
    task = task_class(name).fitted_to(rows)
    entry = contenders_for(name)["lstm"]
    settings = entry.configured(
        {
            **entry.grid[0].given(),
            "bidirectional": False,
            "epochs": 20,
            "dropout": 0.1,
            "embedding_dropout": 0.1,
            "hidden_size": 16,
            "learning_rate": 2e-2,
        }
    )
    predictor = entry.fit(Job(rows, rows, task, 0, None), settings).predictor(task)
    assert predictor.model.config.bidirectional is False
    assert predictor.score(list(texts), labels) > 0.9, "it learns"
    stream = predictor.stream()
    for character in texts[0]:
        stream.feed(character)
    expected = predictor.predict([texts[0]])[0]
    if name == "classification":
        assert np.abs(stream.end().probabilities - expected.probabilities).max() < 2e-2  # in bf16, perhaps
    else:
        stream.reset()
        assert [word.tag for word in stream.feed(texts[0] + " ")] == expected.answer
