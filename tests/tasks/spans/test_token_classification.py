"""From texts to tags and back: the user's own words, exact places, windows that leave no trace."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
)

import textgraft.models.auto  # noqa: F401
from tests.tiny_tokenizers import SUBWORD_FAMILIES, train_subwords
from textgraft import runtime
from textgraft.data.dataset import Dataset
from textgraft.data.readers.tagged import read_tagged
from textgraft.data.tag_schemes import allowed_transitions, best_tags, broken_transitions
from textgraft.data.words import spaced
from textgraft.errors import DataError, OptionError
from textgraft.models.recurrent.encoder import RecurrentConfig
from textgraft.tasks.base import gold_of
from textgraft.tasks.registry import task_class
from textgraft.tasks.spans.token_classification import TagPrediction, TokenClassification
from textgraft.tokenization.word_tokenizer import train_word_tokenizer
from textgraft.tokenization.words import NO_LABEL
from textgraft.training.evaluate import run_model
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows

TASK = TokenClassification(["O", "B-LOC", "I-LOC", "B-PER", "I-PER"])
FIRST = ["Ann", "Bob", "Zoe", "Max", "Eve"]
LAST = ["Lee", "Stone", "Rivers", "Hill"]
PLACES = [["Rome"], ["New", "York"], ["Lisbon"], ["Cape", "Town"]]
PLAIN = ["the", "old", "went", "slowly", "with", "rivers", "stone", "town", "new"]


def toy_rows(count: int, seed: int = 0) -> list[tuple[list[str], list[str]]]:
    """Make sentences of people and places; capitals and neighbours tell them from plain words."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        words, tags = [], []
        for _ in range(draw.randint(2, 6)):
            kind = draw.choice(("plain", "plain", "person", "place"))
            if kind == "person":
                new = [draw.choice(FIRST), draw.choice(LAST)][: draw.randint(1, 2)]
                words, tags = [*words, *new], [*tags, *["B-PER", "I-PER"][: len(new)]]
            elif kind == "place":
                new = draw.choice(PLACES)
                words, tags = [*words, "in", *new], [*tags, "O", *["B-LOC", "I-LOC"][: len(new)]]
            else:
                words, tags = [*words, draw.choice(PLAIN)], [*tags, "O"]
        rows.append(([*words, "."], [*tags, "O"]))
    return rows


def dataset(rows, *, lines=None) -> Dataset:
    given = TASK.rows([words for words, _ in rows])
    numbers = list(range(1, len(rows) + 1))
    return Dataset(
        given.columns,
        [tags for _, tags in rows],
        list(map(str, numbers)),
        lines or numbers,
        "rows.conll",
        numbering="line",
    )


TEXTS = [" ".join(words) for words, _ in toy_rows(60)]


@pytest.fixture(scope="module", params=SUBWORD_FAMILIES)
def tokenizer(request) -> PreTrainedTokenizerFast:
    return train_subwords(request.param, TEXTS, size=60)


def test_the_first_token_of_each_word_has_its_label(tokenizer):
    rows = toy_rows(20, seed=1)
    for (words, tags), feature in zip(rows, TASK.features(dataset(rows), tokenizer, 512), strict=True):
        labels = [label for label in feature["labels"] if label != NO_LABEL]
        assert [TASK.labels[label] for label in labels] == tags == feature["gold"]
        starts = [place for place, label in enumerate(feature["labels"]) if label != NO_LABEL]
        assert starts == feature["read_at"]
        ends = [*starts[1:], len(feature["input_ids"]) - 1]
        tokens = tokenizer.convert_ids_to_tokens(feature["input_ids"])
        for word, start, end in zip(words, starts, ends, strict=True):
            pieces = [piece.replace("##", "").strip("Ġ▁") for piece in tokens[start:end]]
            assert "".join(pieces).lower() == word.lower()
    assert any(
        len(feature["input_ids"]) > len(feature["read_at"]) + 2
        for feature in TASK.features(dataset(rows), tokenizer, 512)
    )


def logits_of(features, seed=0):
    """Draw logits for every token, as one batch of a model would hold them, and the winner of each word."""
    generator = torch.Generator().manual_seed(seed)
    time = max(len(feature["input_ids"]) for feature in features)
    return torch.randn(len(features), time, len(TASK.labels), generator=generator)


def test_predictions_are_read_at_the_first_token(tokenizer):
    rows = toy_rows(10, seed=2)
    features = TASK.features(dataset(rows), tokenizer, 512)
    logits = logits_of(features)
    for place, feature in enumerate(features):
        for label, start in zip(feature["labels"], range(len(feature["labels"])), strict=True):
            if label != NO_LABEL:
                logits[place, start, label] = 50.0
    found = TASK.predictions(features, TASK.decode({"logits": logits}, features))
    assert [prediction.answer for prediction in found] == [tags for _, tags in rows]
    assert [prediction.words for prediction in found] == dataset(rows).columns["words"]
    assert all(prediction.score > 0.99 for prediction in found)


@pytest.mark.parametrize("text", ["Ann\r\nLee, 👩\u200d🚀 of\u00a0Zoe\u0308!", "e\u0301 Straße 東京 Rome."])
def test_offsets_are_exact_in_any_script(tokenizer, text):
    rows = TASK.rows([text])
    (feature,) = TASK.features(rows, tokenizer, 512)
    words = [text[start:end] for start, end in rows.columns["words"][0]]
    logits = torch.zeros(1, len(feature["input_ids"]), 5)
    logits[0, feature["read_at"][1], 3] = 9.0
    logits[0, feature["read_at"][2], 4] = 9.0
    (prediction,) = TASK.predictions([feature], TASK.decode({"logits": logits}, [feature]))
    (entity,) = prediction.entities
    start, end = rows.columns["words"][0][1][0], rows.columns["words"][0][2][1]
    assert (entity.type, entity.start, entity.end, entity.text) == ("PER", start, end, text[start:end])
    assert len(prediction.answer) == len(words)


def test_long_rows_are_windows_and_every_word_is_read_once(tokenizer):
    rows = toy_rows(6, seed=3)
    long = [
        ([word for words, _ in rows for word in words] * 5, [tag for _, tags in rows for tag in tags] * 5)
    ]
    (whole,) = TASK.features(dataset(long), tokenizer, 100_000)
    windows = TASK.features(dataset([*long, rows[0]]), tokenizer, 24)
    assert len(windows) > 5
    assert all(len(window["input_ids"]) <= 24 for window in windows)
    assert {window["row"] for window in windows} == {0, 1}
    assert gold_of(windows) == [long[0][1], rows[0][1]]
    # A model that knows only the token itself says the same in every window.
    table = torch.randn(len(tokenizer), 5, generator=torch.Generator().manual_seed(0))

    def answer(features):
        batch = TASK.collate(features, tokenizer.pad_token_id)
        return TASK.predictions(features, TASK.decode({"logits": table[batch["input_ids"]]}, features))

    merged, short = answer(windows)
    assert len(short.answer) == len(rows[0][0])
    assert merged.answer == answer([whole])[0].answer
    np.testing.assert_array_equal(merged.probabilities, answer([whole])[0].probabilities)


def test_a_window_that_begins_within_an_entity_begins_one(tokenizer):
    words, tags = ["town"] * 60, ["B-LOC"] + ["I-LOC"] * 59
    for window in TASK.features(dataset([(words, tags)]), tokenizer, 16):
        labels = [TASK.labels[label] for label in window["labels"] if label != NO_LABEL]
        assert labels == ["B-LOC"] + ["I-LOC"] * (len(labels) - 1)
        assert window["gold"] == tags


def test_the_best_sequence_of_a_model_goes_before_its_logits(tokenizer):
    features = TASK.features(dataset(toy_rows(3)), tokenizer, 512)
    logits = logits_of(features)
    tags = torch.full(logits.shape[:2], NO_LABEL)
    for place, feature in enumerate(features):
        tags[place, feature["read_at"]] = torch.tensor([3, 4] + [0] * (len(feature["read_at"]) - 2))
    found = TASK.predictions(
        features, TASK.decode({"logits": logits, "tags": tags}, features), temperature=2.0
    )
    for prediction, feature, rows in zip(found, features, logits, strict=True):
        assert prediction.answer[:3] == ["B-PER", "I-PER", "O"][: len(prediction.answer)]
        expected = torch.softmax(rows[feature["read_at"]] / 2, dim=1)
        np.testing.assert_allclose(prediction.probabilities, expected, rtol=1e-5)
        assert prediction.word_scores[0] == pytest.approx(float(expected[0, 3]), rel=1e-5)


def test_an_entity_begins_with_its_first_word_and_keeps_its_type():
    rows = TASK.rows([["a", "b", "c"]])
    features = [
        {"row": 0, "text": rows.columns["text"][0], "words": rows.columns["words"][0], "read_at": [0, 1, 2]}
    ]
    logits = torch.zeros(1, 3, 5)
    for place, (first, second) in enumerate(((2, 1), (4, 3), (2, 4))):
        # I-LOC, else B-LOC; I-PER, else B-PER; I-LOC, else I-PER
        logits[0, place, first], logits[0, place, second] = 3.0, 2.0
    (prediction,) = TASK.predictions(features, TASK.decode({"logits": logits}, features))
    assert prediction.answer == ["B-LOC", "B-PER", "I-PER"]
    sure = float(np.exp(2) / (np.exp(3) + np.exp(2) + 3))
    assert prediction.to_dict() == {
        "tags": ["B-LOC", "B-PER", "I-PER"],
        "words": ["a", "b", "c"],
        "entities": [
            {"type": "LOC", "start": 0, "end": 1, "text": "a", "score": round(sure, 6)},
            {"type": "PER", "start": 2, "end": 5, "text": "b c", "score": round(sure, 6)},
        ],
        "score": round(sure, 6),
    }
    assert len(prediction.numbers()) == 15
    assert sum(prediction.numbers()) == pytest.approx(3)
    json.dumps([prediction.to_dict(), prediction.numbers()])


def test_each_tag_is_the_best_of_those_that_may_follow_the_one_before():
    allowed = allowed_transitions(TASK.labels)
    scores = np.random.default_rng(0).normal(size=(200, len(TASK.labels)))
    best = best_tags(scores, allowed)
    path = [0, *(1 + best)]
    for row, before, tag in zip(scores, path, best, strict=False):
        assert row[tag] == max(row[allowed[before, 1:]])
    assert not broken_transitions([TASK.labels[tag] for tag in best], "BIO")
    assert (best != scores.argmax(axis=1)).any()
    # Read in parts, and without textgraft, the same.
    assert [*best_tags(scores[:50], allowed), *best_tags(scores[50:], allowed, before=path[50])] == [*best]
    assert [*runtime.best_tags(scores, TASK.labels)] == [*best]


def test_a_text_without_words_has_no_tags(tokenizer):
    features = TASK.features(TASK.rows(["", " \n", [], "a"]), tokenizer, 16)
    batch = TASK.collate(features, tokenizer.pad_token_id)
    decoded = TASK.decode({"logits": torch.zeros(*batch["input_ids"].shape, 5)}, features)
    found = TASK.predictions(features, decoded)
    assert [prediction.answer for prediction in found] == [[], [], [], ["O"]]
    assert found[0].to_dict() == {"tags": [], "words": [], "entities": [], "score": 1.0}
    assert found[0].numbers() == []


def test_inputs_beside_the_ids_come_only_where_asked_for(tokenizer):
    rows = dataset(toy_rows(3))
    batch = TASK.collate(TASK.features(rows, tokenizer, 64), tokenizer.pad_token_id)
    assert set(batch) == {"input_ids", "attention_mask", "labels"}
    words = train_word_tokenizer(spaced(rows), whole_words=True)
    features = TASK.features(rows, words, 64)
    batch = TASK.collate(features, 0)
    assert set(batch) == {"input_ids", "attention_mask", "labels", "word_mask", "character_ids"}
    assert torch.equal(batch["word_mask"].bool(), batch["labels"] != NO_LABEL)
    assert torch.equal(batch["word_mask"].bool(), batch["character_ids"].any(-1))
    first = rows.columns["text"][0].split()[0]
    assert batch["character_ids"][0, 1, : len(first)].tolist() == [ord(letter) + 1 for letter in first]
    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}
    for window in TASK.features(dataset([(["a"] * 50, ["O"] * 50)]), words, 9):
        assert sum(window["word_mask"]) == len(window["character_ids"]) - 1 <= 8


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("a text", "one string"),
        ([5], "input 0 is neither a text nor a list of words"),
        (["a", ["b", ""]], "input 1 is neither"),
        (["a", ["b", 5]], "input 1 is neither"),
        (["\ud800a"], "input 0 holds half a character"),
    ],
)
def test_inputs_of_another_form_are_refused(inputs, message):
    with pytest.raises(OptionError, match=message):
        TASK.rows(inputs)


def test_targets():
    rows = dataset([(["a", "b"], ["O", "B-PER"]), (["c"], ["B-PRE"])], lines=[3, 17])
    with pytest.raises(DataError, match=r"rows\.conll, line 17: tag 'B-PRE'[^$]*Did you mean 'B-PER'"):
        TASK.targets(rows)
    assert TASK.targets(rows.select([0])) == [["O", "B-PER"]]
    with pytest.raises(DataError, match="no tags"):
        TASK.targets(TASK.rows(["a"]))
    with pytest.raises(DataError, match=r"line 1: 2 words and 1 tag"):
        TASK.targets(dataset([(["a", "b"], ["O"])]))


def test_a_task_is_made_of_its_training_rows_and_again_of_its_settings():
    task = TokenClassification.fitted_to(dataset([(["a", "b"], ["B-PER", "O"]), (["c"], ["B-A-b"])]))
    assert task.labels == ("O", "B-A-b", "I-A-b", "B-PER", "I-PER")
    again = task_class("token-classification")(**json.loads(json.dumps(task.settings())))
    assert again.labels == task.labels
    config = BertConfig()
    task.configure(config)
    assert config.num_labels == 5
    assert config.id2label[3] == "B-PER"
    with pytest.raises(DataError, match="no word of the training rows has a tag other than O"):
        TokenClassification.fitted_to(dataset([(["a"], ["O"])]))


def test_metrics_and_temperature(tokenizer):
    rows = dataset(toy_rows(30, seed=5))
    features = TASK.features(rows, tokenizer, 20)
    gold = TASK.targets(rows)
    found = TASK.metrics(gold, gold)
    assert tuple(found) == TASK.metric_names
    assert found == dict.fromkeys(TASK.metric_names, 1.0)
    assert TASK.main_metric in found
    weights = np.ones((30, 4), dtype=np.float32)
    assert TASK.weighted_metrics(gold, gold, weights)["f1"].shape == (4,)
    decoded = TASK.decode({"logits": 10 * logits_of(features)}, features)
    assert TASK.temperature(gold, features, decoded) > 5, "random logits of that size are far too sure"


def learn(config, tokenizer, rates, epochs):
    train, dev = dataset(toy_rows(150, seed=10)), dataset(toy_rows(40, seed=11))
    TASK.configure(config)
    torch.manual_seed(0)
    model = AutoModelForTokenClassification.from_config(config)
    result = fit(
        model,
        TaskRows(
            TASK,
            TASK.features(train, tokenizer, 32),
            TASK.features(dev, tokenizer, 32),
            pad_token_id=tokenizer.pad_token_id,
        ),
        TrainingSettings(learning_rate=rates, epochs=epochs, batch_size=16, precision="fp32", patience=None),
    )
    return model, result


@pytest.mark.parametrize("characters", ["none", "cnn", "lstm"])
def test_a_tiny_bilstm_crf_learns(characters, tmp_path):
    # Where case is ignored, only characters tell the name "Stone" from "stone".
    rows = dataset(toy_rows(150, seed=10))
    tokenizer = train_word_tokenizer(spaced(rows), whole_words=True, lowercase=characters != "none")
    config = RecurrentConfig(
        vocab_size=len(tokenizer),
        embedding_size=16,
        hidden_size=16,
        characters=characters,
        character_embedding_size=8,
        character_size=12,
        crf=True,
        dropout=0.1,
        embedding_dropout=0.0,
    )
    model, result = learn(config, tokenizer, 2e-2, 8)
    assert result.dev_metrics["f1"] > 0.95
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoModelForTokenClassification.from_pretrained(tmp_path)
    assert say(loaded, AutoTokenizer.from_pretrained(tmp_path)) == ("Ann Lee", "New York")
    assert say(model, tokenizer) == ("Ann Lee", "New York")


def say(model, tokenizer):
    """Tag a raw text, long enough for several windows."""
    text = "slowly the old " * 20 + "Ann Lee went in New\r\nYork."
    features = TASK.features(TASK.rows([text]), tokenizer, 24)
    assert len(features) > 2
    decoded = run_model(
        model.eval(),
        TASK,
        features,
        pad_token_id=tokenizer.pad_token_id,
        max_tokens=256,
        max_sequences=8,
        precision="fp32",
    )
    (prediction,) = TASK.predictions(features, decoded)
    assert isinstance(prediction, TagPrediction)
    assert all(text[entity.start : entity.end] == entity.text for entity in prediction.entities)
    return tuple(entity.text.replace("\r\n", " ") for entity in prediction.entities)


@pytest.mark.parametrize("family", ["wordpiece", "byte-level"])
def test_a_tiny_bert_learns(family):
    tokenizer = train_subwords(family, TEXTS, size=100)
    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "pad_token_id": tokenizer.pad_token_id,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    config = (
        BertConfig(**shape, max_position_embeddings=64)
        if family == "wordpiece"
        else RobertaConfig(**shape, max_position_embeddings=64, type_vocab_size=1)
    )
    model, result = learn(config, tokenizer, 3e-3, 8)
    assert result.dev_metrics["f1"] > 0.9
    assert "Ann Lee" in say(model, tokenizer)


def test_reading_is_that_of_the_data_room(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("Ann B-PER\n")
    assert TASK.read(path).labels == read_tagged(path).labels == [["B-PER"]]
    assert TASK.read(path, labelled=False).labels is None
