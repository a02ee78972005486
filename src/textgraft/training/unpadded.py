"""Attention over the tokens of a batch alone, its padding left out, for GPUs.

There a mask keeps attention off its fastest kernel. Of texts padded on the right it says no more than how
long each of them is, and that is what kernels for sequences of different lengths take (Dao et al. 2022,
"FlashAttention"): torch runs them on its jagged tensors. On a CPU nothing is gained by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nested import nested_tensor_from_jagged
from torch.nn.functional import pad, scaled_dot_product_attention
from torch.overrides import TorchFunctionMode


class _Layout(NamedTuple):
    """Where the tokens of a padded batch are."""

    places: Tensor
    """In the flattened batch, [tokens]."""
    offsets: Tensor
    """Where each row begins among the tokens, and the last one ends, [batch + 1]."""
    shortest: int
    longest: int


class UnpaddedAttention(TorchFunctionMode):
    """Computes scaled dot-product attention without the padding, where a mask says nothing else.

    What stands at padding becomes zero. Any other mask, as of a decoder, is left to torch.
    """

    def __init__(self) -> None:
        super().__init__()
        self._mask: Tensor | None = None
        self._layout: _Layout | None = None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is scaled_dot_product_attention:
            return self._attention(*args, **kwargs)
        return func(*args, **kwargs)

    def _attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        **others: Any,
    ) -> Tensor:
        """Take what ``scaled_dot_product_attention`` takes: [batch, heads, time, size] each."""
        layout = None
        is_plain = not is_causal and not any(others.values()) and query.shape == key.shape
        if attn_mask is not None and is_plain and attn_mask.ndim == query.ndim == 4:
            layout = self._layout_of(attn_mask, query.shape[0], query.shape[2])
        if layout is None:
            return scaled_dot_product_attention(
                query, key, value, attn_mask, dropout_p, is_causal, scale=scale, **others
            )
        batch, _, time, _ = query.shape
        attended = scaled_dot_product_attention(
            _jagged(query, layout),
            _jagged(key, layout),
            _jagged(value, layout),
            dropout_p=dropout_p,
            scale=scale,
        )
        tokens = attended.transpose(1, 2).values()
        padded = tokens.new_zeros(batch * time, *tokens.shape[1:]).index_copy(0, layout.places, tokens)
        return padded.unflatten(0, (batch, time)).transpose(1, 2)

    def _layout_of(self, mask: Tensor, batch: int, time: int) -> _Layout | None:
        """Return where tokens are; None if that is not all that a mask says. Layers share a mask."""
        if mask is not self._mask:
            self._mask, self._layout = mask, _read(mask, batch, time)
        return self._layout


def _read(mask: Tensor, batch: int, time: int) -> _Layout | None:
    """Read a mask [batch, 1, 1 or time, time], true or not below zero where a token is seen."""
    if mask.shape[0] != batch or mask.shape[1] != 1 or mask.shape[3] != time:
        return None
    seen = mask if mask.dtype is torch.bool else mask >= 0
    every = seen[:, 0, 0]
    lengths = every.sum(dim=1)
    on_the_right = every == (torch.arange(time, device=mask.device) < lengths[:, None])
    if not bool((seen == seen[:, :, :1]).all() & on_the_right.all() & (lengths > 0).all()):
        return None
    shortest, longest = lengths.aminmax()
    return _Layout(
        every.flatten().nonzero().flatten(), pad(lengths.cumsum(0), (1, 0)), int(shortest), int(longest)
    )


def _jagged(part: Tensor, layout: _Layout) -> Tensor:
    """Return the tokens of a padded part [batch, heads, time, size] as a jagged one of that order."""
    tokens = part.transpose(1, 2).flatten(0, 1).index_select(0, layout.places)
    jagged = nested_tensor_from_jagged(
        tokens, layout.offsets, min_seqlen=layout.shortest, max_seqlen=layout.longest
    )
    return jagged.transpose(1, 2)
