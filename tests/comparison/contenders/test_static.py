"""Static vectors as contenders: a model that needs no encoder, and an LSTM that begins with them."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

import textgraft
from tests.tiny import save_tiny_bert, write_topics
from textgraft.comparison.contenders.base import Job
from textgraft.comparison.contenders.registry import contenders_for
from textgraft.comparison.running.progress import SilentReporter
from textgraft.comparison.train import train
from textgraft.data.dataset import Dataset
from textgraft.data.readers.reading import read_dataset
from textgraft.errors import OptionError
from textgraft.inference import token_vectors as token_vectors_module
from textgraft.inference.evaluate import evaluate
from textgraft.inference.token_vectors import token_vectors
from textgraft.models.encoders import resolve_encoder
from textgraft.tasks.text.classification import SingleLabelClassification
from textgraft.tasks.text.pairs import PairClassification

TOPICS = ("food", "space", "sport")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("static")
    return write_topics(folder / "topics.csv", 240), save_tiny_bert(folder / "tiny-bert")


def test_the_model_answers_without_the_encoder_it_came_from(world, tmp_path):
    source, bert = world
    encoder = shutil.copytree(bert, tmp_path / "encoder")
    trained = train(
        source, tmp_path / "model", contender="static", encoder=str(encoder), task="classification"
    )
    texts = ["a goal for the team", "", "soup and bread", "unheard", "very " * 3000 + "orbit"]
    expected = [prediction.numbers() for prediction in trained.predictor.predict(texts)]
    shutil.rmtree(encoder)
    again = textgraft.load(tmp_path / "model")
    np.testing.assert_allclose([found.numbers() for found in again.predict(texts)], expected, atol=1e-6)
    other = evaluate(tmp_path / "model", write_topics(tmp_path / "other.csv", 60, seed=5))
    assert other.metrics["macro_f1"].value > 0.9, "one word tells the topic"
    text = len(again.tokenizer.backend_tokenizer.to_str().encode())
    weights = (tmp_path / "model" / "model.safetensors").stat().st_size
    assert weights - 1000 < again.size() - text < weights


def test_the_same_rows_make_the_same_model_in_any_company(world):
    rows, source = read_dataset(world[0]), resolve_encoder(world[1])
    entry, task = contenders_for("classification")["static"], SingleLabelClassification(TOPICS)
    states = []
    for settings in entry.grid:
        job = Job(rows, rows, task, 0, source)
        first, second = (entry.fit(job, settings).model.state_dict() for _ in range(2))
        assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
        states.append(first)
    assert {len(state) for state in states} == {3, 5}, "some have a hidden layer"


def test_each_text_of_a_pair_has_its_own_mean(world):
    texts = ["goal team", "soup bread", "orbit moon"]
    rows = [(one, two, int(one == two)) for one in texts for two in texts] * 8
    data = Dataset(
        {"first": [row[0] for row in rows], "second": [row[1] for row in rows]},
        [("no", "yes")[row[2]] for row in rows],
        [str(number) for number in range(len(rows))],
        list(range(len(rows))),
        "pairs",
    )
    entry, task = contenders_for("pairs")["static"], PairClassification(("no", "yes"))
    fitted = entry.fit(Job(data, data, task, 0, resolve_encoder(world[1])), entry.grid[0])
    batch = fitted.tokenizer(
        ["goal team", "goal team"], ["team goal", "soup"], return_tensors="pt", padding=True
    )
    with torch.no_grad():
        answers = fitted.model(**batch).logits.argmax(dim=1)
    assert answers.tolist() == [1, 0], "the order of the words counts for nothing"


def test_an_lstm_begins_with_the_vectors_of_its_words(world, monkeypatch):
    rows, source = read_dataset(world[0]), resolve_encoder(world[1])
    begun = {}

    def keep(job, model, tokenizer, *_):
        begun.update(model=model, tokenizer=tokenizer)
        raise InterruptedError

    monkeypatch.setattr("textgraft.comparison.contenders.recurrent.train_on_rows", keep)
    entry = contenders_for("classification")["lstm-static"]
    with pytest.raises(InterruptedError):
        entry.fit(Job(rows, rows, SingleLabelClassification(TOPICS), 0, source), entry.grid[0])
    table = begun["model"].get_input_embeddings().weight.detach().numpy()
    vectors = token_vectors(source, rows.texts)
    words = begun["tokenizer"].get_vocab()
    known = vectors.means(["goal", "moon", "the"])
    found = table[[words[word] for word in ("goal", "moon", "the")]]
    np.testing.assert_allclose(found / found[0, 0], known / known[0, 0], rtol=1e-4)
    assert not table[words["[PAD]"]].any()


@pytest.mark.parametrize(("seconds", "budget"), [(400.0, "10m"), (200.0, "10m"), (400.0, None)])
def test_what_distilling_takes_is_known_before_it_begins(world, tmp_path, monkeypatch, seconds, budget):
    """Of an encoder as large as BERT-base it takes minutes, and no clock can end it."""
    monkeypatch.setattr(token_vectors_module, "seconds_to_distil", lambda *_: seconds)
    notes = []
    reporter = SilentReporter()
    reporter.note = notes.append
    result = textgraft.compare(
        world[0], output=tmp_path / "run", encoder=str(world[1]), contenders="tfidf,static", sizes="40",
        seeds=1, tuning=1, budget=budget, reporter=reporter,
    )  # fmt: skip
    is_left_out = seconds > 300 and budget is not None
    assert {trial.contender for trial in result.trials} == {"tfidf"} | (set() if is_left_out else {"static"})
    assert any("every token of its encoder" in note for note in notes) == is_left_out


def test_a_budget_that_distilling_alone_would_take_is_refused(world, tmp_path, monkeypatch):
    monkeypatch.setattr(token_vectors_module, "seconds_to_distil", lambda *_: 400.0)
    with pytest.raises(OptionError, match=r"600 s is too small(?s:.*)Give at least [89]\d\ds"):
        textgraft.compare(
            world[0], output=tmp_path / "run", encoder=str(world[1]), contenders="static", sizes="40",
            seeds=1, tuning=1, budget="10m",
        )  # fmt: skip
