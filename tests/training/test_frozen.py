from __future__ import annotations

import copy
import logging

import numpy as np
import pytest
import torch

from tests.training.helpers import TASK, make_bert, make_model, make_rows
from textgraft.errors import OptionError
from textgraft.training.frozen import fit_upper_layers
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows

TRAIN, DEV = make_rows(40), make_rows(12, seed=1)
OBJECTIVE = TaskRows(TASK, TRAIN, DEV, pad_token_id=0)
SETTINGS = TrainingSettings(learning_rate=1e-2, epochs=2, batch_size=8, precision="fp32", patience=None)


def freeze(model, layers):
    """Freeze in plain PyTorch, by the names of the parameters."""
    for name, parameter in model.named_parameters():
        lower = [f".layer.{layer}." for layer in range(layers)]
        if "embeddings" in name or any(part in name for part in lower):
            parameter.requires_grad_(False)


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta", "camembert", "distilbert", "electra"])
def test_equals_plain_training_with_the_same_layers_frozen(family, tmp_path):
    cached = make_model(family)
    plain = copy.deepcopy(cached)
    initial = copy.deepcopy(cached.state_dict())
    freeze(plain, 2)

    losses: dict[str, list[float]] = {"cached": [], "plain": []}
    result = fit_upper_layers(
        cached, OBJECTIVE, SETTINGS, freeze_layers=2, cache_folder=tmp_path,
        on_step=lambda progress: losses["cached"].append(progress.loss),
    )  # fmt: skip
    expected = fit(
        plain, OBJECTIVE, SETTINGS,
        on_step=lambda progress: losses["plain"].append(progress.loss),
    )  # fmt: skip

    np.testing.assert_allclose(losses["cached"], losses["plain"], atol=1e-4)
    assert result.history[-1]["dev_loss"] == pytest.approx(expected.history[-1]["dev_loss"], abs=1e-4)
    assert cached.state_dict().keys() == plain.state_dict().keys()
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(cached.state_dict()[name], tensor, atol=1e-4, rtol=1e-3, msg=name)
    changed = {name for name, tensor in cached.state_dict().items() if not torch.equal(tensor, initial[name])}
    assert changed
    assert not any("embeddings" in name or ".layer.0." in name or ".layer.1." in name for name in changed)


def test_lower_layers_run_once_and_the_cache_is_shared(tmp_path, monkeypatch):
    model = make_bert(layers=3)
    calls = []
    model.bert.embeddings.register_forward_hook(lambda *_: calls.append(1))
    options = {"freeze_layers": 1, "cache_folder": tmp_path}
    fit_upper_layers(model, OBJECTIVE, SETTINGS, **options)
    first = len(calls)
    assert first == 1  # one batch holds all rows
    fit_upper_layers(model, OBJECTIVE, SETTINGS.model_copy(update={"seed": 1}), **options)
    assert len(calls) == first
    fit_upper_layers(model, TaskRows(TASK, TRAIN[1:], DEV, pad_token_id=0), SETTINGS, **options)
    assert len(calls) == first + 1
    with torch.no_grad():
        model.bert.encoder.layer[0].output.dense.bias += 0.1
    fit_upper_layers(model, OBJECTIVE, SETTINGS, **options)
    assert len(calls) == first + 2
    assert len(list(tmp_path.iterdir())) == 3


def test_cache_stays_within_its_bound(tmp_path):
    model = make_bert(layers=2)
    size = 4 * 16 * sum(len(row["input_ids"]) for row in [*TRAIN, *DEV])
    for seed in range(4):
        rows = TaskRows(TASK, make_rows(40, seed=10 + seed), DEV, pad_token_id=0)
        fit_upper_layers(
            model, rows, SETTINGS.model_copy(update={"epochs": 1}),
            freeze_layers=1, cache_folder=tmp_path, max_cache_bytes=int(2.5 * size),
        )  # fmt: skip
    assert 1 <= len(list(tmp_path.iterdir())) <= 2


def test_too_large_a_cache_is_said_and_the_layers_are_frozen_without_it(tmp_path, caplog):
    model = make_bert(dropout=0.0)
    reference = copy.deepcopy(model)
    options = {"freeze_layers": 1}
    with caplog.at_level(logging.WARNING):
        fit_upper_layers(model, OBJECTIVE, SETTINGS, **options, cache_folder=tmp_path, max_cache_bytes=10)
    assert "cannot be cached" in caplog.text
    assert not list(tmp_path.iterdir())
    fit_upper_layers(reference, OBJECTIVE, SETTINGS, **options, cache_folder=tmp_path)
    for name, tensor in reference.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], tensor, atol=1e-4, rtol=1e-3)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_bf16_states_are_stored_in_two_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("textgraft.training.precision._has_native_bf16", lambda device: True)
    settings = SETTINGS.model_copy(update={"precision": "bf16"})
    result = fit_upper_layers(make_bert(), OBJECTIVE, settings, freeze_layers=1, cache_folder=tmp_path)
    assert result.precision == "bf16"
    tokens = sum(len(row["input_ids"]) for row in [*TRAIN, *DEV])
    assert [file.stat().st_size for file in tmp_path.glob("*/*.bin")] == [tokens * 16 * 2]


@pytest.mark.parametrize("layers", [0, 2, 7])
def test_number_of_layers_is_checked(layers):
    with pytest.raises(OptionError, match="the model has 2 layers"):
        fit_upper_layers(make_bert(), OBJECTIVE, SETTINGS, freeze_layers=layers)


def test_other_families_are_refused():
    model = make_bert()
    model.config.model_type = "perceiver"
    with pytest.raises(OptionError, match="perceiver"):
        fit_upper_layers(model, OBJECTIVE, SETTINGS, freeze_layers=1)


def test_the_frozen_part_runs_without_dropout(tmp_path):
    losses = []
    for folder in ("first", "second"):
        model = make_bert(dropout=0.5)
        torch.manual_seed(len(losses))  # what dropout would draw from while the cache is filled
        steps = []
        fit_upper_layers(
            model, OBJECTIVE, SETTINGS.model_copy(update={"epochs": 1}),
            freeze_layers=1, cache_folder=tmp_path / folder, on_step=steps.append,
        )  # fmt: skip
        losses.append([step.loss for step in steps])
    assert losses[0] == losses[1]
