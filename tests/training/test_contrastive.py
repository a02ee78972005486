"""Contrastive fine-tuning: which texts meet in a batch, and that it draws labels together."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tiny import TOPICS, save_tiny_bert, topic_rows
from textgraft.data.dataset import Dataset
from textgraft.models.encoders import load_encoder_tokenizer, resolve_encoder
from textgraft.models.graft.encodings import GraftForEncoding
from textgraft.models.graft.heads import GraftConfig
from textgraft.tasks.text.classification import SingleLabelClassification
from textgraft.tasks.text.multi_label import MultiLabelClassification
from textgraft.training.contrastive import LabelPairs, contrastive_loss, likeness
from textgraft.training.frozen import fit_upper_layers
from textgraft.training.settings import TrainingSettings

LABELS = ("food", "space", "sport")
SETTINGS = TrainingSettings(learning_rate=2e-2, epochs=3, batch_size=8, precision="fp32")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_bert(tmp_path_factory.mktemp("encoder"))


def dataset(rows: list[tuple[str, object]]) -> Dataset:
    texts, labels = map(list, zip(*rows, strict=True))
    return Dataset({"text": texts}, labels, [str(row) for row in range(len(rows))], range(len(rows)), "rows")


def plain_rows(count: int, seed: int) -> list[tuple[str, str]]:
    """Make texts of nothing but words that tell the topic, so that little training shows."""
    generator = np.random.default_rng(seed)
    names = generator.choice(LABELS, count).tolist()
    return [(" ".join(generator.choice(TOPICS[name], 3)), name) for name in names]


def pairs(encoder: Path, rows: Dataset, dev: Dataset) -> tuple[GraftForEncoding, LabelPairs]:
    source = resolve_encoder(encoder)
    kind = SingleLabelClassification if isinstance(rows.labels[0], str) else MultiLabelClassification
    task, tokenizer = kind(LABELS), load_encoder_tokenizer(source)
    config = GraftConfig.on(source, lora_rank=4, lora_alpha=8, lora_layers=[1])
    task.configure(config)
    torch.manual_seed(0)
    features = (task.features(part, tokenizer, 64) for part in (rows, dev))
    return GraftForEncoding(config), LabelPairs(task, *features, pad_token_id=tokenizer.pad_token_id)


def test_the_loss_is_the_mean_over_texts_of_their_likes_improbability():
    generator = np.random.default_rng(0)
    similarities, labels = generator.normal(size=(5, 7)), [0, 0, 1, 2, 3]
    others = [0, 0, 0, 1, 2, 2, 4]
    losses = []
    for row, label in zip(similarities, labels, strict=True):
        log_total = math.log(sum(map(math.exp, row)))
        likes = [value - log_total for value, other in zip(row, others, strict=True) if other == label]
        if likes:  # nothing can be drawn to a text whose label no other has
            losses.append(-sum(likes) / len(likes))
    alike = likeness(torch.tensor(labels), torch.tensor(others))
    found = contrastive_loss(torch.tensor(similarities), alike)
    assert found.item() == pytest.approx(sum(losses) / len(losses), rel=1e-6)
    assert len(losses) == 4
    assert contrastive_loss(torch.zeros(2, 3), torch.zeros(2, 3)).item() == 0


def test_sets_are_as_alike_as_the_share_of_labels_that_both_have():
    sets = torch.tensor([[1.0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]])
    expected = [[1, 0.5, 0, 0], [0.5, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    torch.testing.assert_close(likeness(sets, sets), torch.tensor(expected, dtype=torch.float32))


@pytest.mark.parametrize("several", [False, True])
def test_every_row_meets_its_like_in_every_epoch_and_is_encoded_once(encoder, several):
    rows = [(text, (label,) if several else label) for text, label in topic_rows(41)]
    if several:
        rows[0] = (rows[0][0], ())
    _, objective = pairs(encoder, dataset(rows), dataset(rows[:6]))
    epochs = [objective.steps(epoch, SETTINGS) for epoch in (0, 1)]
    for epoch in epochs:
        batches = [batch for group in epoch for batch in group]
        assert {row for batch in batches for row in batch} == set(range(41))
        for batch in batches:
            assert len(set(batch)) == len(batch) <= SETTINGS.batch_size
            met = [rows[row][1] for row in batch]
            assert all(met.count(label) > 1 for label in met if label)
            width = max(len(objective.train[row]["input_ids"]) for row in batch)
            assert len(batch) * width <= SETTINGS.max_tokens
    assert epochs[0] != epochs[1]
    assert epochs[0] == objective.steps(0, SETTINGS)


def test_a_batch_costs_what_its_token_budget_says(encoder):
    rows = dataset(topic_rows(40))
    _, objective = pairs(encoder, rows, rows)
    settings = SETTINGS.but(max_tokens=60, batch_size=64)
    for (batch,) in objective.steps(0, settings):
        width = max(len(objective.train[row]["input_ids"]) for row in batch)
        assert len(batch) * width <= 60 or len(batch) <= 2


@pytest.mark.parametrize("several", [False, True])
def test_held_out_texts_come_nearer_to_those_of_their_label(encoder, several):
    rows, dev = (
        dataset([(text, (label,) if several else label) for text, label in plain_rows(count, seed)])
        for count, seed in ((48, 1), (30, 2))
    )
    model, objective = pairs(encoder, rows, dev)
    _, before = objective.evaluate(model, SETTINGS, "fp32")
    result = fit_upper_layers(model, objective, SETTINGS, freeze_layers=1)
    after, loss = objective.evaluate(model, SETTINGS, "fp32")
    assert after["log_likelihood"] == -loss == pytest.approx(result.dev_metrics["log_likelihood"], abs=1e-5)
    assert loss < before - 0.3
    assert not any(parameter.grad is not None for parameter in model.layers.parameters())


def test_encodings_stand_where_their_rows_do(encoder):
    rows = dataset(topic_rows(9))
    model, objective = pairs(encoder, rows, rows)
    together = objective.encodings(model, objective.train, SETTINGS, "fp32")
    for row, feature in enumerate(objective.train):
        alone = objective.encodings(model, [feature], SETTINGS, "fp32")
        torch.testing.assert_close(together[row], alone[0], atol=1e-5, rtol=0)
