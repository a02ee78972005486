"""Tasks whose answers are written: windows, teacher forcing, writing, and what cannot be used."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.tasks.toys import bert_tokenizer, dataset
from textgraft.data.splits import make_splits
from textgraft.errors import DataError, OptionError
from textgraft.inference.predictor import Predictor
from textgraft.models.recurrent.seq2seq import RecurrentForSeq2SeqLM, RecurrentSeq2SeqConfig
from textgraft.models.recurrent.teacher_forcing import NOT_PREDICTED
from textgraft.tasks.generation.captioning import Captioning
from textgraft.tasks.generation.summarization import Summarization
from textgraft.tasks.generation.text2text import TextToText
from textgraft.tasks.generation.translation import Translation
from textgraft.tokenization.subword_tokenizer import target_tokenizer, train_vocabularies
from textgraft.training.evaluate import evaluate
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows

SOURCES = ["ein Hund läuft", "zwei Hunde schlafen tief", "ja"]
TARGETS = [["a dog runs"], ["two dogs sleep deeply", "two dogs are fast asleep"], ["yes"]]
ROWS = dataset({"de": SOURCES}, TARGETS)
TASK = Translation("de", "en")


@pytest.fixture(params=["shared", "separate"])
def tokenizer(request):
    firsts = [texts[0] for texts in TARGETS]
    return train_vocabularies(SOURCES * 3, firsts * 3, vocabulary=request.param)


def model_for(tokenizer, size=24, **shape):
    torch.manual_seed(0)
    writer = target_tokenizer(tokenizer)
    sizes = {"vocab_size": len(tokenizer)}
    if writer is not tokenizer:
        sizes["decoder_vocab_size"] = len(writer)
    config = RecurrentSeq2SeqConfig(**sizes, embedding_size=size, hidden_size=size, **shape)
    model = RecurrentForSeq2SeqLM(config)
    model.generation_config.update(max_new_tokens=12, num_beams=2)
    return model


def test_windows_hold_both_sides(tokenizer):
    features = TASK.features(ROWS, tokenizer, 64)
    writer = target_tokenizer(tokenizer)
    assert [tokenizer.decode(f["input_ids"][:-1]).strip() for f in features] == SOURCES
    assert [writer.decode(f["labels"][:-1]).strip() for f in features] == [texts[0] for texts in TARGETS]
    for feature, texts in zip(features, TARGETS, strict=True):
        assert feature["input_ids"][-1] == tokenizer.eos_token_id
        assert feature["labels"][-1] == writer.eos_token_id
        assert feature["gold"] == texts
        assert feature["lost"] == 0
        assert TASK.sides(feature) == (len(feature["input_ids"]), len(feature["labels"]))
    batch = TASK.collate(features, tokenizer.pad_token_id)
    assert (batch["labels"] == NOT_PREDICTED).sum() == batch["labels"].numel() - TASK.loss_count(batch)
    assert TASK.loss_count(batch) == sum(len(feature["labels"]) for feature in features)


def test_what_the_model_cannot_read_is_counted(tokenizer):
    whole = TASK.features(ROWS, tokenizer, 64)
    cut = TASK.features(ROWS, tokenizer, 4)
    for full, part in zip(whole, cut, strict=True):
        assert part["lost"] == max(0, len(full["input_ids"]) - 4)
        assert len(part["labels"]) == min(4, len(full["labels"]))
        assert part["labels"][-1] == full["labels"][-1]
    assert TASK.truncated_fraction(ROWS, tokenizer, 64) == 0
    lengths = [len(feature[side]) for feature in whole for side in ("input_ids", "labels")]
    lost = sum(max(0, length - 4) for length in lengths)
    assert TASK.truncated_fraction(ROWS, tokenizer, 4) == pytest.approx(lost / sum(lengths))
    predictions = Predictor(model_for(tokenizer), tokenizer, TASK, 4).predict_rows(ROWS)
    assert [prediction.to_dict()["source_tokens_lost"] for prediction in predictions] == [
        feature["lost"] for feature in cut
    ]


def test_teacher_forcing_scores_as_a_single_row_does(tokenizer):
    model = model_for(tokenizer).eval()
    features = TASK.features(ROWS, tokenizer, 64)
    scores, loss = evaluate(
        model, TASK.while_training(), features, pad_token_id=0, max_tokens=64, precision="fp32"
    )
    losses, right, tokens = 0.0, 0, 0
    for feature in features:
        batch = TASK.collate([feature], 0)
        logits = model(**batch).logits[0]
        losses += functional.cross_entropy(logits, batch["labels"][0], reduction="sum").item()
        right += int((logits.argmax(-1) == batch["labels"][0]).sum())
        tokens += len(feature["labels"])
    assert loss == pytest.approx(losses / tokens, rel=1e-5)
    assert scores["perplexity"] == pytest.approx(math.exp(losses / tokens), rel=1e-5)
    assert scores["token_accuracy"] == pytest.approx(right / tokens)


def test_perplexity_counts_weighted_rows():
    forced = TASK.while_training()
    answers = [(2.0, 1, 2), (9.0, 0, 3)]
    weights = np.array([[1, 1, 0], [1, 0, 0]], dtype=np.float32)
    scores = forced.weighted_metrics([None] * 2, answers, weights)
    assert scores["perplexity"] == pytest.approx([math.exp(11 / 5), math.e, 1.0])
    assert scores["token_accuracy"] == pytest.approx([0.2, 0.5, 0.0])


def test_reversing_is_learned_and_written():
    generator = np.random.default_rng(0)
    words = [generator.choice(list("abcdefgh"), int(generator.integers(2, 6))) for _ in range(1000)]
    columns = {"source": [" ".join(row) for row in words]}
    rows = dataset(columns, [[" ".join(reversed(row))] for row in words])
    train, dev = rows.select(range(900)), rows.select(range(900, 1000))
    task = TextToText.fitted_to(train)
    tokenizer = train_vocabularies(train.texts, [])
    model = model_for(tokenizer, size=48, attention="bahdanau", dropout=0.0, embedding_dropout=0.0)
    windows = [task.features(part, tokenizer, 64) for part in (train, dev)]
    settings = TrainingSettings(
        learning_rate=1e-2, epochs=6, batch_size=16, precision="fp32", patience=None, max_tokens=4096
    )
    result = fit(model, TaskRows(task, *windows, pad_token_id=0), settings)
    assert result.dev_metrics["token_accuracy"] > 0.95
    predictions = Predictor(model, tokenizer, task, 64).predict_rows(dev)
    scores = task.metrics(task.targets(dev), [prediction.answer for prediction in predictions])
    assert scores["exact_match"] > 0.9
    assert scores["chrf"] > 0.95
    assert all(0 < prediction.score <= 1 for prediction in predictions)
    assert predictions[0].tokens == len(words[900]) + 1


def test_berts_own_tokenizer_serves_both_sides():
    tokenizer = bert_tokenizer()
    rows = dataset({"document": ["goal team match", "bread"]}, [["team"], ["soup bread"]])
    features = Summarization().features(rows, tokenizer, 64)
    assert tokenizer.convert_ids_to_tokens(features[0]["input_ids"]) == [
        "[CLS]",
        "goal",
        "team",
        "match",
        "[SEP]",
    ]
    assert tokenizer.convert_ids_to_tokens(features[1]["labels"]) == ["soup", "bread", "[SEP]"]


def test_several_columns_are_one_source():
    rows = dataset({"title": ["goal"], "body": ["team match"]}, [["goal"]])
    (feature,) = Summarization().features(rows, bert_tokenizer(), 64)
    assert len(feature["input_ids"]) == 5


def test_rows_of_targets_are_split_without_strata():
    rows = dataset({"source": [f"text {n}" for n in range(50)]}, [[f"answer {n}"] for n in range(50)])
    splits = make_splits(rows)
    assert [len(side) for side in (splits.train, splits.dev, splits.test)] == [35, 5, 10]
    assert not splits.dev.rejected, "every target is new, and none is a label that must be known"


def test_rows_without_targets_cannot_be_learned_from():
    with pytest.raises(DataError, match="no targets"):
        Translation.fitted_to(dataset({"de": ["ja"]}, None))


@pytest.mark.parametrize("given", ["one string", [b"bytes"], [3]])
def test_sources_must_be_strings(given):
    with pytest.raises(OptionError):
        TASK.rows(given)


def test_languages_are_told_by_columns():
    train = dataset({"de_AT": ["ja"]}, [["yes"]])
    assert Translation.fitted_to(train).settings() == {"source": "de", "target": None}
    assert "tok:zh" in Translation("en", "zh").signatures(TARGETS)["bleu"]
    assert TASK.signatures(TARGETS)["chrf"].startswith("nrefs:var|")
    assert TASK.signatures([["a"], ["b"]])["chrf"].startswith("nrefs:1|")


def test_vectors_are_read_as_they_are():
    task = Captioning.fitted_to(dataset({"vector": [[0.5, 1.0], [2.0, 3.0]]}, [["a dot"], ["a line"]]))
    tokenizer = train_vocabularies([], ["a dot", "a line"])
    rows = task.rows([np.array([0.25, 4]), [1, 2]])
    features = task.features(rows, tokenizer, 16)
    assert task.collate(features, 0)["vectors"].tolist() == [[0.25, 4.0], [1.0, 2.0]]
    assert task.sides(features[0]) == (1, 0)
    with pytest.raises(DataError, match=r"row 2: a vector has 3 numbers, and the model reads 2"):
        task.features(task.rows([[1, 2], [1, 2, 3]]), tokenizer, 16)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ([[1, float("nan")]], "input 0: not finite: number 2 of 2 is nan"),
        ([[1, 2], "x"], "input 1: no vector"),
        ([[]], "empty vector"),
        ([[1, "y"]], "no vector"),
    ],
)
def test_what_is_no_vector_is_refused_by_its_place(bad, reason):
    with pytest.raises(OptionError, match=reason):
        Captioning(2).rows(bad)
