"""The layers of a Transformers encoder: where each family keeps them, and how to run some of them alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from textgraft.errors import OptionError

STACKS = {
    "bert": "encoder.layer",
    "camembert": "encoder.layer",
    "distilbert": "transformer.layer",
    "electra": "encoder.layer",
    "modernbert": "layers",
    "mpnet": "encoder.layer",
    "roberta": "encoder.layer",
    "xlm-roberta": "encoder.layer",
}
"""Model types whose encoder is embeddings, then a stack of like layers that take only the states below, the
mask and positions; with the path of the stack."""
_BELOW = ("embeddings", "embeddings_project")
"""Modules between the ids and the lowest layer, of which a family has some."""
_IN_ALL = {"mpnet": "encoder.relative_attention_bias"}
"""What every layer of a family adds to its attention, the lowest as the highest."""
_ABOVE = ("final_norm",)
"""Modules between the highest layer and the last hidden states."""


def encoder_layers(encoder: PreTrainedModel) -> nn.ModuleList:
    """Return the layers, the lowest first.

    Raises:
        OptionError: The model type is not in :data:`STACKS`.
    """
    kind = encoder.config.model_type
    if kind not in STACKS:
        raise OptionError(
            f"the layers of the model type {kind!r} cannot be told apart",
            fix=f"Train all of them, or take an encoder of type {', '.join(STACKS)}.",
        )
    stack = encoder.get_submodule(STACKS[kind])
    assert isinstance(stack, nn.ModuleList)
    return stack


def lower_modules(encoder: PreTrainedModel, stop: int) -> list[nn.Module]:
    """Return the embeddings and the layers below ``stop``: all that the states there depend on.

    What every layer has a part in is among them, although those from ``stop`` on use it too.
    """
    below = [getattr(encoder, name) for name in _BELOW if hasattr(encoder, name)]
    shared = _IN_ALL.get(encoder.config.model_type)
    in_all = [] if shared is None else [encoder.get_submodule(shared)]
    return [*below, *in_all, encoder_layers(encoder)[:stop]]


@contextlib.contextmanager
def only_layers(encoder: PreTrainedModel, start: int, stop: int) -> Iterator[None]:
    """Let the encoder run its layers from ``start`` up to, not including, ``stop`` alone.

    From a ``start`` above zero it takes hidden states as ``inputs_embeds`` in place of ids; below the highest
    layer its ``last_hidden_state`` is what the next layer would take.
    """
    parent_path, _, name = STACKS[encoder.config.model_type].rpartition(".")
    parent = encoder.get_submodule(parent_path)
    layers = encoder_layers(encoder)
    replaced: dict[str, nn.Module] = {}
    if start > 0:
        replaced |= {name: _GivenEmbeddings() for name in _BELOW[:1]}
        replaced |= {name: nn.Identity() for name in _BELOW[1:]}
    if stop < len(layers):
        replaced |= {name: nn.Identity() for name in _ABOVE}
    kept = {name: getattr(encoder, name) for name in replaced if hasattr(encoder, name)}
    setattr(parent, name, layers[start:stop])
    for module in kept:
        setattr(encoder, module, replaced[module])
    try:
        yield
    finally:
        setattr(parent, name, layers)
        for module, original in kept.items():
            setattr(encoder, module, original)


class _GivenEmbeddings(nn.Module):
    """Stands where the embeddings stood, and hands on the states that were given in their place."""

    def forward(self, input_ids: Tensor | None = None, *others: Tensor | None, **named: Any) -> Any:
        """Return inputs_embeds, which some families pass by name and some by position."""
        del input_ids
        return named["inputs_embeds"] if "inputs_embeds" in named else others[0]
