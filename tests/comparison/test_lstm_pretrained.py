"""A recurrent language model as a contender: adapted, fine-tuned layer by layer, compared and handed over."""

from __future__ import annotations

import csv
import functools
import importlib
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from tests.data.test_languages import SAMPLES
from tests.tiny import topic_rows, write_topics
from textgraft.comparison.compare import compare
from textgraft.comparison.contenders.registry import choose_contenders
from textgraft.comparison.preparing import choose, read
from textgraft.comparison.settings import TrainConfig
from textgraft.comparison.train import run_training, train
from textgraft.errors import ModelError, OptionError
from textgraft.inference.encode import Encoder
from textgraft.models.encoders import load_encoder, resolve_language_model
from textgraft.models.recurrent.encoder import RecurrentConfig
from textgraft.models.recurrent.language_model import RecurrentForCausalLM
from textgraft.pretraining.adaptation import adapt, boundary_ids, texts_as_tokens
from textgraft.pretraining.objectives.streams import Streams
from textgraft.tokenization.word_tokenizer import train_word_tokenizer, with_words_of
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings


def save_language_model(
    folder: Path, *, bidirectional: bool = True, cell: str = "lstm", epochs: int = 6
) -> Path:
    """Train and save a tiny language model of the topics' texts, without the words of one topic."""
    texts = [text for text, label in topic_rows(300, seed=7) if label != "space"]
    tokenizer = train_word_tokenizer(texts)
    torch.manual_seed(0)
    config = RecurrentConfig(
        vocab_size=len(tokenizer), cell=cell, embedding_size=16, hidden_size=24, num_layers=2,
        bidirectional=bidirectional, independent_directions=bidirectional, pooling="last", dropout=0.1,
        embedding_dropout=0.1, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model = RecurrentForCausalLM(config)
    held_out, learned = texts[:40], texts[40:]
    adapt(model, tokenizer, learned, held_out, epochs=epochs, max_length=64)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_language_model(tmp_path_factory.mktemp("lm") / "pair")


def test_words_of_the_task_are_added_and_the_others_keep_their_ids():
    tokenizer = train_word_tokenizer(["red green green"] * 2)
    extended = with_words_of(tokenizer, ["Blue sky over red", "blue blue green once"])
    before, after = tokenizer.get_vocab(), extended.get_vocab()
    assert after == {**before, "blue": len(before)}
    assert len(tokenizer) == len(before)
    assert extended("Red BLUE sky").input_ids == [2, before["red"], after["blue"], tokenizer.unk_token_id]
    assert extended.pad_token_id == tokenizer.pad_token_id


def test_texts_become_documents_that_end():
    tokenizer = train_word_tokenizer(["one two three"] * 2)
    ids = tokenizer.get_vocab()
    tokens = texts_as_tokens(tokenizer, ["one two three", "", "three"], max_length=2)
    assert boundary_ids(tokenizer) == (2, 2)
    assert [tokens.document(number).tolist() for number in range(3)] == [
        [ids["one"], ids["two"], 2], [2], [ids["three"], 2],
    ]  # fmt: skip


def test_adaptation_lowers_the_perplexity_of_the_tasks_texts(pair):
    model, tokenizer = load_encoder(resolve_language_model(pair), "AutoModelForCausalLM")
    texts = [text for text, label in topic_rows(200, seed=3) if label == "space"]
    extended = with_words_of(tokenizer, texts)
    assert len(extended) > len(tokenizer)
    model.resize_token_embeddings(len(extended))
    embedding = model.get_input_embeddings().weight
    assert model.lm_head.weight is embedding
    old, new = embedding[: len(tokenizer)], embedding[len(tokenizer) :]
    assert (new - old.mean(dim=0)).abs().max() < 1e-3, "new words begin as the mean of the known ones"
    tokens = texts_as_tokens(extended, texts, 64)
    objective = Streams(tokens, tokens, start_id=2, bidirectional=True)
    settings = TrainingSettings(batch_size=4, max_tokens=256)
    before = objective.evaluate(model, settings, "fp32")[0]["perplexity"]
    adapt(model, extended, texts, texts, epochs=8, max_length=64)
    assert objective.evaluate(model, settings, "fp32")[0]["perplexity"] < 0.9 * before


def test_the_classifier_begins_with_the_language_models_layers(pair, monkeypatch):
    begun = {}

    def remember(model, objective, settings, **others):
        if isinstance(objective, Streams):
            return fit(model, objective, settings, **others)
        begun.update({name: tensor.clone() for name, tensor in model.state_dict().items()}, settings=settings)
        begun["config"] = model.config
        raise KeyboardInterrupt

    # What takes it from there when it is first imported must not take the one of this test for good.
    for name in ("training.frozen", "training.shallow", "comparison.contenders.contrastive"):
        importlib.import_module(f"textgraft.{name}")
    monkeypatch.setattr("textgraft.training.loop.fit", remember)
    monkeypatch.setattr("textgraft.pretraining.adaptation.adapt", lambda *given, **named: None)
    source = write_topics(pair.parent / "begun.csv", 90)
    with pytest.raises(KeyboardInterrupt):
        train(source, pair.parent / "begun", contender="lstm-pretrained", language_model=str(pair))
    original = RecurrentForCausalLM.from_pretrained(pair).state_dict()
    for name, tensor in original.items():
        if name.startswith("recurrent.layers"):
            assert torch.equal(begun[name], tensor), name
    words = len(original["recurrent.embedding.weight"])
    assert torch.equal(begun["recurrent.embedding.weight"][:words], original["recurrent.embedding.weight"])
    assert len(begun["recurrent.embedding.weight"]) > words
    assert begun["config"].independent_directions
    assert begun["config"].pooling == "concat"
    assert begun["settings"].gradual_unfreezing
    assert begun["settings"].layer_decay == pytest.approx(1 / 2.6)


@pytest.mark.parametrize("kind", ["pair", "rightward"])
def test_it_competes_and_the_winner_predicts(kind, pair, tmp_path):
    folder = (
        pair
        if kind == "pair"
        else save_language_model(tmp_path / "gru", bidirectional=False, cell="gru", epochs=1)
    )
    done = compare(
        write_topics(tmp_path / "topics.csv", 260),
        contenders=["lstm-pretrained", "majority"],
        sizes=[100],
        seeds=1,
        tuning=1,
        language_model=folder,
        output=tmp_path / "run",
    )
    scores = {trial.contender: trial.metrics["accuracy"] for trial in done.trials}
    assert scores["lstm-pretrained"] > scores["majority"] + 0.2
    best = done.best
    assert best.model.config.bidirectional == (kind == "pair")
    assert best.predict(["the team had a goal"])[0].label == "sport"
    loaded = AutoModelForSequenceClassification.from_pretrained(done.folder / "best")
    assert loaded.config.pooling == "concat"


def test_a_language_model_of_another_language_is_told_when_the_rows_are_read(pair, tmp_path):
    german = tmp_path / "german"
    shutil.copytree(pair, german)
    (german / "README.md").write_text("---\nlanguage: de\n---\n")
    rows = tmp_path / "rows.csv"
    with rows.open("w", newline="") as handle:
        table = [(f"{text} {number}", number % 2) for number in range(40) for text in SAMPLES["en"]]
        csv.writer(handle).writerows([("text", "label"), *table])
    for folder, told in ((german, 1), (pair, 0)):
        notes: list[str] = []
        settings = TrainConfig(contender="lstm-pretrained", language_model=str(folder))
        entrants = choose(
            rows, settings, functools.partial(choose_contenders, ["lstm-pretrained"]), notes.append
        )
        read(rows, entrants, settings, notes.append)
        assert sum("was trained on German" in note for note in notes) == told


def test_a_budget_that_reading_uses_up_still_trains_the_task(pair, tmp_path):
    trained = train(
        write_topics(tmp_path / "topics.csv", 90), tmp_path / "model", contender="lstm-pretrained",
        language_model=pair, budget=0.01,
    )  # fmt: skip
    assert trained.trial.stopped_by == "budget"
    assert trained.trial.limit_seconds == 0.01  # the clock shaped it, so it is no result for others


def test_pairs_of_texts_are_compared_by_it(pair, tmp_path):
    rows = topic_rows(160, seed=2)
    lines = ["text_a,text_b,label"]
    for (first, one), (second, other) in zip(rows[::2], rows[1::2], strict=True):
        lines.append(f"{first},{second},{'same' if one == other else 'other'}")
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    trained = train(
        tmp_path / "pairs.csv",
        tmp_path / "model",
        task="pairs",
        text=["text_a", "text_b"],
        label="label",
        contender="lstm-pretrained",
        language_model=str(pair),
        settings={"epochs": 1, "adaptation_epochs": 1},
    )
    assert trained.predictor.model.config.pairs


@pytest.mark.parametrize("stopped_in", ["adaptation", "task"])
def test_a_stopped_training_goes_on(stopped_in, pair, tmp_path):
    source = write_topics(tmp_path / "topics.csv", 90)
    config = {
        "contender": "lstm-pretrained", "language_model": str(pair),
        "settings": {"epochs": 3, "precision": "fp32"},
    }  # fmt: skip
    expected = train(source, tmp_path / "whole", **config)
    steps = []

    def stop(progress):
        steps.append(progress.step)
        stages = steps.count(1)
        if (stages, progress.step) == ((1, 20) if stopped_in == "adaptation" else (2, 5)):
            # The handler itself: a signal of the system would also stop whatever else runs in this process.
            signal.getsignal(signal.SIGINT)(signal.SIGINT, None)

    with pytest.raises(KeyboardInterrupt):
        run_training(source, tmp_path / "stopped", TrainConfig(**config), on_step=stop)
    resumed: list[int] = []
    found = run_training(
        source,
        tmp_path / "stopped",
        TrainConfig(**config),
        resume=True,
        on_step=lambda progress: resumed.append(progress.step),
    )
    assert resumed[0] == (21 if stopped_in == "adaptation" else 6)
    assert found.trial.predicted == expected.trial.predicted
    assert found.trial.confidence == expected.trial.confidence


def test_what_cannot_be_meant_is_refused(pair, tmp_path):
    source = write_topics(tmp_path / "topics.csv", 60)
    with pytest.raises(OptionError, match="begins with a recurrent language model, and none is named"):
        compare(source, contenders=["lstm-pretrained"], output=tmp_path / "a")
    with pytest.raises(OptionError, match="none of tfidf begins with a language model"):
        compare(source, contenders=["tfidf"], language_model=pair, output=tmp_path / "b")
    with pytest.raises(ModelError, match="there is no such folder"):
        compare(source, contenders=["lstm-pretrained"], language_model=tmp_path / "no", output=tmp_path / "c")
    classifier = train(source, tmp_path / "lstm", contender="lstm", settings={"epochs": 1}).folder
    with pytest.raises(ModelError, match="no recurrent language model but"):
        compare(source, contenders=["lstm-pretrained"], language_model=classifier, output=tmp_path / "d")
    with pytest.raises(OptionError, match="cannot do the task token-classification"):
        choose_contenders(["lstm-pretrained"], "token-classification")


def test_it_encodes_texts(pair):
    encoder = Encoder(pair, precision="fp32")
    assert encoder.dimension == 48
    texts = ["the team had a goal", "a", "", "we saw the oven and the soup and the cheese"]
    together = encoder.encode(texts)
    assert together.shape == (4, 48)
    for text, vector in zip(texts, together, strict=True):
        np.testing.assert_allclose(encoder.encode([text])[0], vector, atol=1e-4)
