"""Which arithmetic a model computes in."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import linear, scaled_dot_product_attention
from torch.utils._python_dispatch import TorchDispatchMode

from textgraft.training.precision import autocast

CPU = torch.device("cpu")


class Computed(TorchDispatchMode):
    """Notes the types in which attention is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.types: set[torch.dtype] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if "attention" in str(func):
            self.types |= {value.dtype for value in args if isinstance(value, torch.Tensor)} - {torch.bool}
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("precision", "inputs_in"),
    [("fp32", torch.float32), ("bf16", torch.float32), ("bf16", torch.bfloat16)],
)
def test_attention_is_trained_in_fp32_and_all_else_as_wanted(precision, inputs_in):
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, 5, 8, dtype=inputs_in, requires_grad=True) for _ in range(3))
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]).bool()[:, None, None]
    with Computed() as computed, autocast(precision, CPU):
        found = scaled_dot_product_attention(query, key, value, attn_mask=mask)
        multiplied = linear(query, query[0, 0])
    assert computed.types == {torch.float32}
    assert multiplied.dtype is (torch.bfloat16 if precision == "bf16" else torch.float32)
    found.float().sum().backward()
    gradients = [tensor.grad.float() for tensor in (query, key, value)]
    exact = [tensor.detach().float().requires_grad_() for tensor in (query, key, value)]
    expected = scaled_dot_product_attention(*exact, attn_mask=mask)
    expected.sum().backward()
    assert torch.allclose(found.float(), expected, atol=1e-6)
    for gradient, tensor in zip(gradients, exact, strict=True):
        assert torch.allclose(gradient, tensor.grad, atol=0.02)
    with torch.inference_mode(), Computed() as computed, autocast(precision, CPU):
        scaled_dot_product_attention(query, key, value, attn_mask=mask)
    assert computed.types == {torch.bfloat16 if precision == "bf16" else torch.float32}
