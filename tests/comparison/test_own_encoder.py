"""Encoders of one's own as contenders: pre-trained here, and the same architecture from random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from transformers import AutoModel, AutoModelForSequenceClassification

from tests.tiny import topic_rows, write_topics
from textgraft.comparison.compare import compare
from textgraft.comparison.contenders.registry import choose_contenders, scaled_to
from textgraft.comparison.settings import TrainConfig
from textgraft.comparison.train import full_config, train
from textgraft.models.encoders import resolve_encoder
from textgraft.pretraining.pretrain import pretrain

ARCHITECTURES = ("bert", "gpt", "lstm")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    folder = tmp_path_factory.mktemp("own")
    texts = [text for text, _ in topic_rows(200, seed=3)]
    documents = [f"{first}.\n{second}." for first, second in zip(texts[::2], texts[1::2], strict=True)]
    (folder / "corpus.txt").write_text("\n\n".join(documents))
    patch = pytest.MonkeyPatch()
    patch.setattr("textgraft.pretraining.pretrain.TRIAL_SECONDS", 0.0)
    patch.setenv("TEXTGRAFT_CACHE", str(folder / "cache"))
    for arch in ARCHITECTURES:
        pretrain(
            folder / "corpus.txt", folder / arch, arch=arch, tokens=3000, max_length=32,
            vocabulary_size=300, settings={"max_tokens": 256, "batch_size": 8},
        )  # fmt: skip
    patch.undo()
    return write_topics(folder / "topics.csv", 150), {arch: folder / arch for arch in ARCHITECTURES}


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_what_was_pretrained_here_is_an_encoder_like_any_other(world, tmp_path, arch):
    source, encoders = world
    settings = {"epochs": 1, "learning_rate": 1e-3}
    options = {"task": "classification", "encoder": str(encoders[arch])}
    tuned = train(source, tmp_path / "tuned", contender="bert-finetuned", settings=settings, **options)
    assert tuned.predictor.predict(["goal and team"])[0].label in {"food", "space", "sport"}
    frozen = train(source, tmp_path / "frozen", contender="bert-frozen", **options)
    assert frozen.trial.metrics["macro_f1"] > 0.5


@pytest.mark.parametrize("arch", ["gpt", "lstm"])
def test_on_an_encoder_whose_layers_are_not_known_a_head_is_trained_for_every_token(world, tmp_path, arch):
    _, encoders = world
    topics = {"food", "space", "sport"}
    sentences = [
        "".join(f"{word} {'B-TOPIC' if word in topics else 'O'}\n" for word in (*text.split(), label))
        for text, label in topic_rows(60)
    ]
    (tmp_path / "tags.conll").write_text("\n".join(sentences))
    trained = train(
        tmp_path / "tags.conll", tmp_path / "tagger", contender="bert-frozen", encoder=str(encoders[arch]),
        settings={"epochs": 1},
    )  # fmt: skip
    assert trained.predictor.task.name == "token-classification"


def test_from_random_weights_nothing_of_the_encoder_is_left(world, tmp_path):
    source, encoders = world
    options = {"task": "classification", "encoder": str(encoders["bert"])}
    at_rest = {"epochs": 1, "learning_rate": 1e-12, "weight_decay": 0.0}
    kept = AutoModel.from_pretrained(encoders["bert"]).state_dict()
    for contender, is_kept in (("bert-finetuned", True), ("bert-scratch", False)):
        settings = {**at_rest, "head_learning_rate": 1e-12}
        train(source, tmp_path / contender, contender=contender, settings=settings, **options)
        model = AutoModelForSequenceClassification.from_pretrained(tmp_path / contender)
        name = "encoder.layer.1.output.dense.weight"
        assert model.base_model.state_dict().keys() == kept.keys()
        found = model.base_model.get_parameter(name)
        assert torch.allclose(found, kept[name], atol=1e-6) == is_kept


def test_the_effect_of_pretraining_is_measured(world, tmp_path):
    source, encoders = world
    comparison = compare(
        source, encoder=str(encoders["bert"]), contenders=["bert-scratch", "bert-finetuned"],
        sizes=[60], seeds=1, tuning=1, output=tmp_path / "run", task="classification",
    )  # fmt: skip
    names = {trial.contender for trial in comparison.trials}
    assert names == {"bert-scratch", "bert-finetuned"}


def test_the_rate_of_fine_tuning_falls_with_the_width_of_the_encoder(world):
    _, encoders = world
    names = ["bert-scratch", "bert-adapter", "bert-finetuned"]
    stated = choose_contenders(names, "classification")
    assert scaled_to(stated, None) == stated
    narrow = scaled_to(stated, resolve_encoder(encoders["bert"]))
    for (before, after), factor in zip(zip(stated, narrow, strict=True), (1, 1, 3), strict=True):
        for old, new in zip(before.grid, after.grid, strict=True):
            rate = {"learning_rate": pytest.approx(factor * old.learning_rate)}
            assert new.given() == {**old.given(), **rate}
    config = TrainConfig(encoder=str(encoders["bert"]))
    assert yaml.safe_load(full_config(config))["settings"]["learning_rate"] == 6e-4
    chosen = config.model_copy(update={"settings": {"learning_rate": 1e-4}})
    assert yaml.safe_load(full_config(chosen))["settings"]["learning_rate"] == 1e-4
