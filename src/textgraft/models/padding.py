"""Padding that stands elsewhere than on the right: tokens are brought to the front, and what was found back.

All of ours are made for right-padded batches. Other hands may pad on the left, as is usual for models that
write; that must change no output.
"""

from __future__ import annotations

import torch
from torch import Tensor

from textgraft.errors import OptionError


def true_tokens(attention_mask: Tensor | None, inputs: Tensor, pad_token_id: int | None = None) -> Tensor:
    """Return which tokens of a batch are no padding, as booleans [batch, time].

    Args:
        attention_mask: 1 at true tokens, [batch, time]; without it every pad_token_id is padding, and of
            vectors none is.
        inputs: Token ids [batch, time] or vectors [batch, time, size].
        pad_token_id: Fills batches of ids up; None where nothing does.
    """
    if attention_mask is not None:
        return attention_mask.bool()
    if inputs.dim() > 2 or pad_token_id is None:
        return torch.ones(inputs.shape[:2], dtype=torch.bool, device=inputs.device)
    return inputs.ne(pad_token_id)


def one_of(input_ids: Tensor | None, inputs_embeds: Tensor | None) -> Tensor:
    """Return the ids or the vectors of a batch, of which there must be exactly one.

    Raises:
        OptionError: There are both, or neither.
    """
    if (input_ids is None) == (inputs_embeds is None):
        raise OptionError(
            "a batch holds both input_ids and inputs_embeds"
            if input_ids is not None
            else "a batch holds neither input_ids nor inputs_embeds",
            fix="Give the token ids, or their vectors in place of them.",
        )
    inputs = inputs_embeds if input_ids is None else input_ids
    assert inputs is not None, "one of them is given"
    return inputs


def ascending(keys: Tensor) -> Tensor | None:
    """Return the order that sorts the time steps of each row by a key, those of one key as they stand.

    Args:
        keys: Booleans or whole numbers, [batch, time].

    Returns:
        For each place the time step that goes there, [batch, time]; None where all are sorted.
    """
    keys = keys.to(torch.int8)
    if not (keys[:, 1:] < keys[:, :-1]).any():
        return None
    return keys.argsort(dim=1, stable=True)


def ordered(steps: Tensor, order: Tensor | None) -> Tensor:
    """Bring the time steps of ``steps`` [batch, time, …] into an order [batch, time]; None leaves them."""
    if order is None:
        return steps
    index = order.view(*order.shape, *[1] * (steps.dim() - 2))
    return steps.gather(1, index.expand(*order.shape, *steps.shape[2:]))


def inverse(order: Tensor | None) -> Tensor | None:
    """Return the order that takes an order back."""
    return None if order is None else order.argsort(dim=1)
