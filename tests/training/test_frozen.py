from __future__ import annotations

import copy
import logging

import numpy as np
import pytest
import torch

from tests.training.helpers import TASK, make_bert, make_model, make_rows
from textgraft.errors import OptionError
from textgraft.inference.encoder_states import open_states
from textgraft.tasks.text.multiple_choice import MultipleChoice
from textgraft.training.batching import fixed_shapes
from textgraft.training.evaluate import run_model
from textgraft.training.frozen import fit_upper_layers, run_upper_layers
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows
from textgraft.training.text_arrays import TextStores

TRAIN, DEV = make_rows(40), make_rows(12, seed=1)
OBJECTIVE = TaskRows(TASK, TRAIN, DEV, pad_token_id=0)
SETTINGS = TrainingSettings(learning_rate=1e-2, epochs=2, batch_size=8, precision="fp32", patience=None)


def freeze(model, layers):
    """Freeze in plain PyTorch, by the names of the parameters."""
    for name, parameter in model.named_parameters():
        lower = ["relative_attention_bias", *(f".layer.{layer}." for layer in range(layers))]
        if "embeddings" in name or any(part in name for part in lower):
            parameter.requires_grad_(False)


@pytest.mark.parametrize("engine", [None, open_states])
@pytest.mark.parametrize(
    "family", ["bert", "roberta", "xlm-roberta", "camembert", "distilbert", "electra", "mpnet"]
)
def test_equals_plain_training_with_the_same_layers_frozen(family, engine):
    cached = make_model(family)
    plain = copy.deepcopy(cached)
    initial = copy.deepcopy(cached.state_dict())
    freeze(plain, 2)

    losses: dict[str, list[float]] = {"cached": [], "plain": []}
    result = fit_upper_layers(
        cached, OBJECTIVE, SETTINGS, freeze_layers=2, open_states=engine,
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


def test_of_long_texts_the_states_of_every_window_are_kept():
    long = [
        {**row, "input_ids": [*row["input_ids"][:-1], *more["input_ids"][1:]]}
        for row, more in zip(TRAIN, TRAIN[::-1], strict=True)
    ]
    objective = TaskRows(TASK, long, DEV, pad_token_id=0)
    cached = make_model("bert")
    cached.config.window = 9
    plain = copy.deepcopy(cached)
    freeze(plain, 2)
    calls = batches(cached)
    fit_upper_layers(cached, objective, SETTINGS, freeze_layers=2)
    assert len(calls) < SETTINGS.epochs * len(long) / SETTINGS.batch_size, "each window meets them once"
    fit(plain, objective, SETTINGS)
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(cached.state_dict()[name], tensor, atol=1e-4, rtol=1e-3, msg=name)
    whole = make_model("bert")
    fit_upper_layers(whole, objective, SETTINGS, freeze_layers=2)
    assert any(
        not torch.equal(tensor, whole.state_dict()[name]) for name, tensor in cached.state_dict().items()
    )


@pytest.mark.parametrize("window", [0, 9])
@pytest.mark.parametrize("family", ["bert", "distilbert", "mpnet"])
def test_rows_are_answered_by_the_upper_layers_as_by_the_whole_model(family, window):
    model, stores = make_model(family), TextStores()
    if window:
        model.config.window = window
    options = {"freeze_layers": 2, "stores": stores}
    fit_upper_layers(model, OBJECTIVE, SETTINGS, **options)
    calls, other = batches(model), make_rows(30, seed=5)
    asked = {"precision": "fp32", "pad_token_id": 0, **options}
    found = run_upper_layers(model, TASK, other, **asked)
    assert calls
    count = len(calls)
    again = run_upper_layers(model, TASK, other[:20], **asked)
    assert len(calls) == count, "their states are known"
    whole = run_model(
        model.eval(), TASK, other, pad_token_id=0, max_tokens=500, max_sequences=8, precision="fp32"
    )
    np.testing.assert_allclose(np.stack(found), np.stack(whole), atol=1e-5)
    np.testing.assert_allclose(np.stack(again), np.stack(found)[:20], atol=1e-6)


def test_without_room_for_states_the_upper_layers_answer_nothing():
    asked = {"precision": "fp32", "pad_token_id": 0, "stores": TextStores(), "max_bytes": 10}
    assert run_upper_layers(make_bert(), TASK, DEV, freeze_layers=1, **asked) is None


def test_answering_does_not_drive_out_what_training_keeps():
    model, stores = make_bert(), TextStores()
    fit_upper_layers(model, OBJECTIVE, SETTINGS, freeze_layers=1, stores=stores)
    (store,) = stores.values()
    store.max_bytes = kept = store.size
    asked = {"freeze_layers": 1, "precision": "fp32", "pad_token_id": 0, "stores": stores}
    assert run_upper_layers(model, TASK, make_rows(9, seed=7), **asked) is None
    assert run_upper_layers(model, TASK, DEV, **asked) is not None, "these are there"
    assert store.size == kept


def batches(model) -> list[int]:
    """Count the batches that the lower layers run over."""
    calls: list[int] = []
    model.base_model.embeddings.register_forward_hook(lambda *_: calls.append(1))
    return calls


def test_a_text_meets_the_lower_layers_once():
    model = make_bert(layers=3)
    calls, stores = batches(model), TextStores()
    options = {"freeze_layers": 1, "stores": stores}
    fit_upper_layers(model, OBJECTIVE, SETTINGS, **options)
    first = len(calls)
    assert first == len(fixed_shapes([len(row["input_ids"]) for row in [*TRAIN, *DEV]]))
    fit_upper_layers(model, OBJECTIVE, SETTINGS.model_copy(update={"seed": 1}), **options)
    fit_upper_layers(model, TaskRows(TASK, TRAIN[1:], DEV, pad_token_id=0), SETTINGS, **options)
    assert len(calls) == first
    fit_upper_layers(model, TaskRows(TASK, TRAIN, make_rows(1, seed=9), pad_token_id=0), SETTINGS, **options)
    assert len(calls) == first + 1, "the one new row"
    with torch.no_grad():
        model.bert.encoder.layer[0].output.dense.bias += 0.1
    fit_upper_layers(model, OBJECTIVE, SETTINGS, **options)
    assert len(calls) == 2 * first + 1, "other weights, other states"


def test_what_ran_before_changes_no_bit():
    """The states of a text are the same whichever texts were computed with it."""
    weights = []
    for before in ((), (make_rows(3, seed=5), make_rows(60, seed=6), TRAIN[::2])):
        stores, model = TextStores(), make_bert(layers=3)
        initial = copy.deepcopy(model.state_dict())
        for rows in before:
            fit_upper_layers(
                model, TaskRows(TASK, rows, DEV[:1], pad_token_id=0), SETTINGS, freeze_layers=1, stores=stores
            )
        model.load_state_dict(initial)
        fit_upper_layers(model, OBJECTIVE, SETTINGS, freeze_layers=1, stores=stores)
        weights.append(model.state_dict())
    for name, tensor in weights[0].items():
        assert torch.equal(weights[1][name], tensor), name


def test_what_was_computed_before_is_charged_all_the_same():
    stores, model = TextStores(), make_bert(layers=2)
    paid = []
    for _ in range(2):
        before = stores.owed
        fit_upper_layers(model, OBJECTIVE, SETTINGS, freeze_layers=1, stores=stores)
        paid.append(stores.owed - before)
    assert paid[0] <= 0 < paid[1]


def test_states_stay_within_their_bound():
    model, stores = make_bert(layers=2), TextStores()
    size = 4 * 16 * sum(len(row["input_ids"]) for row in [*TRAIN, *DEV])
    calls = batches(model)
    for seed in range(4):
        rows = TaskRows(TASK, make_rows(40, seed=10 + seed), DEV, pad_token_id=0)
        fit_upper_layers(
            model, rows, SETTINGS.model_copy(update={"epochs": 1}),
            freeze_layers=1, stores=stores, max_bytes=int(2.5 * size),
        )  # fmt: skip
        (store,) = stores.values()
        assert store.size <= 2.5 * size
    assert calls


def test_too_many_states_are_said_and_the_layers_are_frozen_without_them(caplog):
    model = make_bert(dropout=0.0)
    reference = copy.deepcopy(model)
    options = {"freeze_layers": 1}
    with caplog.at_level(logging.WARNING):
        fit_upper_layers(model, OBJECTIVE, SETTINGS, **options, max_bytes=10)
    assert "cannot be kept" in caplog.text
    fit_upper_layers(reference, OBJECTIVE, SETTINGS, **options)
    for name, tensor in reference.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], tensor, atol=1e-4, rtol=1e-3)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_bf16_states_are_kept_in_two_bytes(monkeypatch):
    monkeypatch.setattr("textgraft.training.precision._has_native_bf16", lambda device: True)
    settings, stores = SETTINGS.model_copy(update={"precision": "bf16"}), TextStores()
    result = fit_upper_layers(make_bert(), OBJECTIVE, settings, freeze_layers=1, stores=stores)
    assert result.precision == "bf16"
    tokens = sum(map(len, {tuple(row["input_ids"]) for row in [*TRAIN, *DEV]}))
    (store,) = stores.values()
    assert store.size == tokens * 16 * 2


def test_the_choices_of_a_row_are_texts_like_others():
    model = make_bert(layers=3, dropout=0.0, auto_class="AutoModelForMultipleChoice")
    task = MultipleChoice(3)
    rows = [
        {
            "input_ids": [row["input_ids"] for row in three],
            "choices": ("one", "two", "three"),
            "row": place,
            "labels": place % 3,
            "gold": place % 3,
        }
        for place, three in enumerate(zip(TRAIN[::3], TRAIN[1::3], TRAIN[2::3], strict=False))
    ]
    objective = TaskRows(task, rows, rows[:4], pad_token_id=0)
    plain = copy.deepcopy(model)
    freeze(plain, 1)
    calls = batches(model)
    cached = fit_upper_layers(model, objective, SETTINGS, freeze_layers=1)
    assert len(calls) == len(fixed_shapes([len(ids) for row in rows for ids in row["input_ids"]]))
    expected = fit(plain, objective, SETTINGS)
    losses = [[entry["train_loss"] for entry in run.history] for run in (cached, expected)]
    np.testing.assert_allclose(*losses, atol=1e-4)


@pytest.mark.parametrize("layers", [0, 2, 7])
def test_number_of_layers_is_checked(layers):
    with pytest.raises(OptionError, match="the model has 2 layers"):
        fit_upper_layers(make_bert(), OBJECTIVE, SETTINGS, freeze_layers=layers)


def test_other_families_are_refused():
    model = make_bert()
    model.config.model_type = "perceiver"
    with pytest.raises(OptionError, match="perceiver"):
        fit_upper_layers(model, OBJECTIVE, SETTINGS, freeze_layers=1)


def test_the_frozen_part_runs_without_dropout():
    losses = []
    for _ in range(2):
        model = make_bert(dropout=0.5)
        torch.manual_seed(len(losses))  # what dropout would draw from while the states are computed
        steps = []
        fit_upper_layers(
            model, OBJECTIVE, SETTINGS.model_copy(update={"epochs": 1}),
            freeze_layers=1, on_step=steps.append,
        )  # fmt: skip
        losses.append([step.loss for step in steps])
    assert losses[0] == losses[1]
