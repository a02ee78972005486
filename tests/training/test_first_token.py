"""A highest layer that computes the first token alone gives the same logits and gradients."""

from __future__ import annotations

import pytest
import torch

from tests.training.helpers import TASK, make_model, make_rows
from textgraft.models.graft.encoder_layers import encoder_layers
from textgraft.training import first_token
from textgraft.training.first_token import only_first_token, reads_first_token
from textgraft.training.frozen import fit_upper_layers
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows

IDS = torch.tensor([[2, 16, 17, 18, 3], [2, 19, 3, 0, 0]])
BATCH = {"input_ids": IDS, "attention_mask": (IDS != 0).long()}
CHOICES = {name: tensor.unsqueeze(0) for name, tensor in BATCH.items()}


def gradients(model, batch):
    logits = model(**batch).logits
    (logits * torch.arange(1.0, logits.numel() + 1).view_as(logits)).sum().backward()
    found = {name: each.grad for name, each in model.named_parameters() if each.grad is not None}
    model.zero_grad()
    return logits, found


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", ["bert", "camembert", "roberta", "xlm-roberta"])
@pytest.mark.parametrize(
    ("head", "batch"),
    [
        ("SequenceClassification", BATCH),
        ("SequenceClassification", {"input_ids": IDS}),
        ("MultipleChoice", CHOICES),
    ],
)
def test_logits_and_gradients_are_the_same(family, head, batch, attention):
    model = make_model(family, auto_class=f"AutoModelFor{head}").train()
    model.set_attn_implementation(attention)
    widths = []
    layer = encoder_layers(model.base_model)[-1]
    hook = layer.output.register_forward_hook(lambda module, args, output: widths.append(output.shape[1]))
    expected = gradients(model, batch)
    with only_first_token(model):
        found = gradients(model, batch)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert widths == [5, 1]
    hook.remove()
    assert (
        model.base_model(**{name: tensor[:1].view(1, -1) for name, tensor in BATCH.items()})[0].shape[1] == 5
    )


@pytest.mark.parametrize(
    ("family", "head"),
    [("bert", "TokenClassification"), ("bert", "QuestionAnswering"), ("electra", "SequenceClassification")],
)
def test_what_other_heads_read_is_computed(family, head):
    model = make_model(family, auto_class=f"AutoModelFor{head}")
    assert not reads_first_token(model)
    with only_first_token(model):
        assert model.base_model(**BATCH)[0].shape[1] == 5


@pytest.mark.parametrize("freeze", [0, 1])
def test_training_comes_to_the_same_weights(freeze, monkeypatch):
    found = []
    computed = []
    first = first_token._first
    monkeypatch.setattr(first_token, "_first", lambda *given: computed.append(1) or first(*given))
    for whole in (False, True):
        if whole:
            monkeypatch.setattr(first_token, "reads_first_token", lambda model: False)
        model = make_model("bert", seed=2)
        rows = make_rows(24)
        objective = TaskRows(TASK, rows[:20], rows[20:], pad_token_id=0)
        settings = TrainingSettings(
            epochs=2, patience=None, learning_rate=1e-3, batch_size=8, precision="fp32"
        )
        if freeze:
            fit_upper_layers(model, objective, settings, freeze_layers=freeze)
        else:
            fit(model, objective, settings)
        found.append(model.state_dict())
        assert computed
    torch.testing.assert_close(*found, atol=1e-4, rtol=1e-3)
