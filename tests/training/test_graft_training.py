"""Grafts in the one training loop."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from tests.tiny_encoders import FAMILIES, save_tiny_encoder
from tests.training.helpers import LABELS, TASK, make_rows
from textgraft.errors import OptionError
from textgraft.models.encoders import resolve_encoder
from textgraft.models.graft.heads import GraftConfig, GraftForSequenceClassification
from textgraft.training.batching import fixed_shapes
from textgraft.training.frozen import fit_upper_layers
from textgraft.training.loop import fit
from textgraft.training.optimizer import build_optimizer
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows

WORDS = 37
"""Of the tiny encoders' vocabulary."""
SETTINGS = TrainingSettings(
    learning_rate=1e-2, epochs=3, batch_size=8, precision="fp32", patience=None, checkpoint_seconds=None
)


def rows(count, seed=0):
    return [
        {**row, "input_ids": [token if token < WORDS else 5 for token in row["input_ids"]]}
        for row in make_rows(count, seed)
    ]


OBJECTIVE = TaskRows(TASK, rows(120), rows(30, seed=1), pad_token_id=0)


def make(folder, family="bert", **settings):
    if not folder.exists():
        save_tiny_encoder(folder, family)
    torch.manual_seed(0)
    settings = {"lora_rank": 4, "normalize": False, "pooling": "max", **settings}
    config = GraftConfig.on(resolve_encoder(folder), num_labels=len(LABELS), **settings)
    return GraftForSequenceClassification(config)


def encoder_weights(model):
    return {
        name: tensor.clone() for name, tensor in model.encoder.state_dict().items() if "lora_" not in name
    }


def test_training_improves_and_leaves_the_encoder_alone(tmp_path):
    model = make(tmp_path / "encoder")
    before = encoder_weights(model)
    result = fit(model, OBJECTIVE, SETTINGS)
    assert result.dev_metrics["macro_f1"] > 0.9
    assert result.history[-1]["train_loss"] < 0.7 * result.history[0]["train_loss"]
    after = encoder_weights(model)
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_resumed_equal_to_the_last_bit(tmp_path):
    class StopError(Exception):
        pass

    def run(folder, on_step=None):
        losses = {}

        def remember(progress):
            losses[progress.step] = progress.loss
            if on_step:
                on_step(progress)

        # Dropout, whose draws must not depend on when the encoder was loaded.
        model = make(tmp_path / "encoder", lora_dropout=0.2)
        fit(model, OBJECTIVE, SETTINGS, folder=folder, on_step=remember)
        return model, losses

    def stop(progress):
        if progress.epoch >= 1.5:
            raise StopError

    whole, expected = run(tmp_path / "whole")
    with pytest.raises(StopError):
        run(tmp_path / "run", stop)
    resumed, losses = run(tmp_path / "run")
    assert 1 < min(losses) < max(losses) == max(expected)
    assert {step: expected[step] for step in losses} == losses
    for name, tensor in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name
    tensors = max((tmp_path / "run").glob("checkpoint-*")) / "model.safetensors"
    assert tensors.stat().st_size < 100_000


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("settings", [{"lora_rank": 0}, {"lora_layers": [1]}], ids=["frozen", "upper"])
def test_cached_states_train_the_same(tmp_path, family, settings):
    """Without the encoder's dropout, which the cached lower layers have not."""
    cached = make(tmp_path / "encoder", family, **settings)
    for module in cached.encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    plain = copy.deepcopy(cached)
    two = SETTINGS.model_copy(update={"epochs": 2})
    calls = []
    cached.encoder.embeddings.register_forward_hook(lambda *_: calls.append(1))
    result = fit_upper_layers(
        cached,
        OBJECTIVE,
        two,
        freeze_layers=cached.frozen_layers,
    )
    lengths = [len(row["input_ids"]) for row in [*OBJECTIVE.train, *OBJECTIVE.dev]]
    assert len(calls) == len(fixed_shapes(lengths)), "the embeddings of all rows are looked up once"
    expected = fit(plain, OBJECTIVE, two)
    losses = [[entry["train_loss"] for entry in run.history] for run in (result, expected)]
    np.testing.assert_allclose(*losses, atol=1e-4)
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(cached.state_dict()[name], tensor, atol=1e-3, rtol=1e-2, msg=name)


def test_layers_that_the_adapter_changes_cannot_be_cached(tmp_path):
    model = make(tmp_path / "encoder", lora_layers=[1])
    with pytest.raises(OptionError, match="1 of them are to be trained"):
        fit_upper_layers(model, OBJECTIVE, SETTINGS, freeze_layers=2)


def test_the_head_has_a_rate_of_its_own(tmp_path):
    model = make(tmp_path / "encoder")
    groups = build_optimizer(model, SETTINGS.model_copy(update={"head_learning_rate": 0.5})).param_groups
    rates = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    for name, parameter in model.named_parameters():
        assert rates[id(parameter)] == (0.5 if name.startswith("layers.") else 1e-2), name
