"""Recurrent contenders that begin with pre-trained word vectors: in their weights, names and reports."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from typer.testing import CliRunner

from tests.tiny import write_topics
from textgraft.cli import app
from textgraft.comparison.compare import compare
from textgraft.comparison.contenders.registry import CONTENDERS, choose_contenders, with_vectors
from textgraft.comparison.settings import TrainConfig
from textgraft.comparison.train import full_config, train
from textgraft.embeddings.embedding_matrix import fill_embedding_matrix
from textgraft.embeddings.word_vectors import VectorSource, WordVectors
from textgraft.errors import DataError, OptionError
from textgraft.models.recurrent.encoder import RecurrentConfig, RecurrentForSequenceClassification
from textgraft.tokenization.word_tokenizer import train_word_tokenizer


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a file of rows and one of vectors, of most of their words, twelve numbers each."""
    folder = tmp_path_factory.mktemp("vectors")
    source = write_topics(folder / "topics.csv", 120)
    words = sorted(train_word_tokenizer([source.read_text()], min_frequency=1).get_vocab())
    words = [word for word in words if not word.startswith("[")][::2]
    matrix = np.random.default_rng(0).normal(size=(len(words), 12)).astype(np.float32)
    WordVectors(words, matrix).save(folder / "v.txt")
    return source, folder / "v.txt"


def test_words_get_their_vectors_and_others_their_measure():
    tokenizer = train_word_tokenizer(["red green blue"] * 2)
    size = 50
    config = RecurrentConfig(vocab_size=len(tokenizer), embedding_size=size, hidden_size=4, num_labels=2)
    model = RecurrentForSequenceClassification(config)
    matrix = 7 * np.random.default_rng(0).normal(size=(3, size)).astype(np.float32)
    fill_embedding_matrix(model, tokenizer, WordVectors(["Red", "green", "[UNK]"], matrix))
    table = model.get_input_embeddings().weight.detach()
    ids = {word: tokenizer.convert_tokens_to_ids(word) for word in ("red", "green", "blue", "[UNK]")}
    assert torch.equal(table[ids["red"]], torch.from_numpy(matrix[0]))
    assert torch.equal(table[ids["green"]], torch.from_numpy(matrix[1]))
    assert not table[tokenizer.pad_token_id].any()
    for word in ("blue", "[UNK]"):  # a special token is no word
        assert table[ids[word]].std() == pytest.approx(7, rel=0.4)
    assert not torch.equal(table[ids["[UNK]"]], torch.from_numpy(matrix[2]))


def test_a_model_is_trained_on_vectors_and_says_so(world, tmp_path):
    source, vectors = world
    notes: list[str] = []
    config = {"task": "classification", "contender": "gru", "settings": {"epochs": 1, "hidden_size": 8}}
    trained = train(source, tmp_path / "model", vectors=str(vectors), reporter=notes.append, **config)
    name = VectorSource.of(vectors).name
    assert any("words have a vector in v.txt" in line for line in notes)
    assert trained.predictor.model.config.embedding_size == 12
    assert trained.trial.settings["vectors"] == name
    assert name in (tmp_path / "model" / "README.md").read_text()
    assert str(vectors.parent) not in (tmp_path / "model" / "README.md").read_text()
    random = train(source, tmp_path / "random", **config)
    assert random.trial.id != trained.trial.id
    assert random.predictor.model.config.embedding_size == 128
    other = WordVectors.load(vectors)
    WordVectors(other.words, other.matrix + 1).save(tmp_path / "v.txt")
    moved = train(source, tmp_path / "moved", vectors=str(tmp_path / "v.txt"), **config)
    assert moved.trial.id not in (random.trial.id, trained.trial.id)


def test_the_printed_config_holds_the_vectors(world, tmp_path):
    source, vectors = world
    config = TrainConfig(contender="lstm", vectors=str(vectors), settings={"epochs": 1, "hidden_size": 4})
    (tmp_path / "config.yaml").write_text(full_config(config))
    values = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert values["settings"]["embedding_size"] == 12
    command = ["train", str(source), "-o", str(tmp_path / "a"), "--config", str(tmp_path / "config.yaml")]
    assert CliRunner().invoke(app, command).exit_code == 0
    # The settings name the content: other vectors under that name are not taken.
    (tmp_path / "v.txt").write_text("a 1 2\nb 2 1\n")
    result = CliRunner().invoke(
        app, [*command[:3], str(tmp_path / "b"), *command[4:], "--vectors", str(tmp_path / "v.txt")]
    )
    assert isinstance(result.exception, OptionError)


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ({"contender": "tfidf"}, OptionError, "tfidf begins with word vectors"),
        ({"contender": "lstm", "settings": {"embedding_size": 64}}, OptionError, "embedding_size is 64"),
        ({"contender": "lstm", "vectors": "none.txt"}, DataError, "no such file"),
    ],
)
def test_what_cannot_be_meant_is_refused(world, tmp_path, config, error, message):
    source, vectors = world
    with pytest.raises(error, match=message):
        train(source, tmp_path / "model", **{"task": "classification", "vectors": str(vectors), **config})


def test_only_recurrent_contenders_are_changed(world):
    source = VectorSource.of(world[1])
    assert with_vectors(CONTENDERS, None) == list(CONTENDERS)
    for before, after in zip(CONTENDERS, with_vectors(CONTENDERS, source), strict=True):
        assert (before == after) == (before.name not in ("rnn", "gru", "lstm", "lstm-crf"))
    (tagger,) = with_vectors(choose_contenders(["lstm-crf"], "token-classification"), source)
    assert {settings.embedding_size for settings in tagger.grid} == {12}


def test_a_comparison_reports_the_vectors(world, tmp_path):
    source, vectors = world
    done = compare(
        source,
        task="classification",
        contenders=["rnn", "tfidf"],
        sizes=[30],
        seeds=1,
        tuning=1,
        vectors=vectors,
        output=tmp_path / "run",
    )
    name = VectorSource.of(vectors).name
    used = {trial.contender: trial.settings.get("vectors") for trial in done.trials}
    assert used == {"rnn": name, "tfidf": None}
    assert name in done.report.read_text()
    assert json.loads((tmp_path / "run" / "plan.json").read_text())["request"]["vectors"] == name
