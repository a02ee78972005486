"""Attention without padding, as GPUs compute it; where there is none, the same on the CPU."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.utils._python_dispatch import TorchDispatchMode

from tests.training.helpers import TASK, make_model, make_rows
from textgraft.training.unpadded import UnpaddedAttention

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class _Rows(TorchDispatchMode):
    """Notes over how many queries softmax or a fused kernel runs in all."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_a_model_comes_to_the_same_loss_and_gradients(family):
    padded = make_model(family, layers=2).to(DEVICE).train()
    unpadded = copy.deepcopy(padded)
    batch = {name: tensor.to(DEVICE) for name, tensor in TASK.collate(make_rows(5), 0).items()}
    assert not batch["attention_mask"].all()
    expected = padded(**batch)
    expected.loss.backward()
    with UnpaddedAttention(), _Rows() as run:
        found = unpadded(**batch)
        found.loss.backward()
    assert any("jagged" in name for name in run.names), "attention ran on sequences of different lengths"
    torch.testing.assert_close(found.logits, expected.logits, rtol=1e-4, atol=1e-5)
    for (name, one), other in zip(padded.named_parameters(), unpadded.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), name
        if one.grad is not None:
            torch.testing.assert_close(other.grad, one.grad, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize("kind", ["causal", "left", "none", "additive", "cross"])
def test_what_is_no_padding_is_left_to_torch(kind):
    torch.manual_seed(0)
    query, key, value = (torch.randn(3, 2, 5, 4, device=DEVICE) for _ in range(3))
    seen = torch.arange(5, device=DEVICE) < torch.tensor([5, 2, 3], device=DEVICE)[:, None]
    mask = seen[:, None, None]
    if kind == "causal":
        mask = mask & torch.ones(5, 5, dtype=torch.bool, device=DEVICE).tril()
    if kind == "left":
        mask = mask.flip(-1)
    if kind == "none":
        mask = None
    if kind == "additive":
        mask = torch.zeros(mask.shape, device=DEVICE).masked_fill_(~mask, -1e9)
    if kind == "cross":
        query = query[:, :, :1]
    expected = scaled_dot_product_attention(query, key, value, attn_mask=mask)
    with UnpaddedAttention(), _Rows() as run:
        found = scaled_dot_product_attention(query, key, value, attn_mask=mask)
    assert any("jagged" in name for name in run.names) == (kind == "additive")
    true = seen[:, None, : query.shape[2], None] if kind == "additive" else torch.ones((), dtype=torch.bool)
    torch.testing.assert_close(found * true.to(DEVICE), expected * true.to(DEVICE), rtol=1e-4, atol=1e-5)
