"""Dropout of our own is dropout: its rate, its mean, its gradient; and attention with it is attention."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import dropout, scaled_dot_product_attention

from textgraft.training import precision
from textgraft.training.dropout import attention_with_dropout, fast_dropout
from textgraft.training.precision import autocast

CPU = torch.device("cpu")


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.5, 0.9])
def test_as_many_entries_as_asked_for_become_zero_and_the_mean_stays(rate):
    torch.manual_seed(0)
    count = 400_003
    found = fast_dropout(torch.ones(count), rate)
    error = math.sqrt(rate * (1 - rate) / count)
    assert abs(float((found == 0).float().mean()) - rate) < 4 * error + 1 / 65536
    assert abs(float(found.mean()) - 1) < 4 * error / (1 - rate) + 1e-4
    assert len(found.unique()) == 2


def test_entries_are_independent_of_their_neighbours():
    torch.manual_seed(0)
    zero = (fast_dropout(torch.ones(400_000), 0.3) == 0).float() - 0.3
    for distance in (1, 2, 3, 4, 8):
        correlation = float((zero[distance:] * zero[:-distance]).mean()) / 0.21
        assert abs(correlation) < 4 / math.sqrt(len(zero))


def test_gradients_flow_through_what_was_kept_alone():
    inputs = torch.randn(7, 5, requires_grad=True)
    found = fast_dropout(inputs, 0.4)
    found.sum().backward()
    torch.testing.assert_close(inputs.grad, torch.where(found == 0, 0.0, found / inputs).detach())


@pytest.mark.parametrize("scale", [None, 0.3])
@pytest.mark.parametrize("kind", ["bool", "float", "none"])
def test_attention_is_that_of_torch(kind, scale):
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, 5, 8, requires_grad=True) for _ in range(3))
    seen = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]).bool()[:, None, None]
    mask = {"bool": seen, "float": torch.where(seen, 0.0, -1e30), "none": None}[kind]
    found = attention_with_dropout(query, key, value, mask, 0.0, scale)
    expected = scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(found)
    for ours, theirs in zip(
        torch.autograd.grad((found * weights).sum(), (query, key, value)),
        torch.autograd.grad((expected * weights).sum(), (query, key, value)),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("kind", ["fp32", "bf16"])
def test_models_in_training_use_both_and_no_others_do(kind, monkeypatch):
    used: list[str] = []
    for name in ("fast_dropout", "attention_with_dropout"):
        whole = getattr(precision, name)
        monkeypatch.setattr(precision, name, lambda *a, w=whole, n=name: used.append(n) or w(*a))
    inputs = torch.randn(2, 3, 5, 8, requires_grad=True)
    with autocast(kind, CPU):
        nn.Dropout(0.1)(inputs).sum().backward()
        scaled_dot_product_attention(inputs, inputs, inputs, dropout_p=0.1).sum().backward()
        assert used == ["fast_dropout", "attention_with_dropout"]
        assert torch.equal(nn.Dropout(0.1).eval()(inputs), inputs)
        assert torch.equal(dropout(inputs, 0.0), inputs)
        assert not dropout(inputs, 1.0).any()
        scaled_dot_product_attention(inputs, inputs, inputs, None, 0.1, True)
    with torch.inference_mode(), autocast(kind, CPU):
        nn.Dropout(0.1)(inputs)
    assert len(used) == 2


def test_a_seed_repeats_the_mask():
    found = []
    for _ in range(2):
        torch.manual_seed(5)
        found.append(fast_dropout(torch.ones(1001), 0.5))
    assert torch.equal(*found)
