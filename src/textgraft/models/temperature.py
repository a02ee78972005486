"""Temperature scaling (Guo et al. 2017) as a part of the weights: the model's own logits are calibrated.

A temperature that stands beside a model is known to textgraft alone: Transformers, and whatever else reads
the folder, would give other scores. Logits are linear in the last layer: dividing its weights divides them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn
from transformers import PreTrainedModel


def fold_temperature(model: PreTrainedModel, temperature: float) -> Callable[[], None] | None:
    """Divide the logits of a model by a temperature, from now on.

    A model of ours that is not linear in its last layer has a method ``divide_logits``, one with several last
    layers a method ``output_parameters``. Of any other the last linear layer of the head is taken: whoever
    calls this on a foreign head should look whether its logits are what they should be.

    Args:
        model: With any head.
        temperature: Above 0.

    Returns:
        What takes it back, to the last bit; None if the model has no such layer and is as before.
    """
    divide: Callable[[float], Callable[[], None]] | None = getattr(model, "divide_logits", None)
    if divide is not None:
        return divide(temperature)
    parameters = output_parameters(model)
    return divided(parameters, temperature) if parameters else None


def output_parameters(model: PreTrainedModel) -> list[nn.Parameter]:
    """Return the weights and the bias that logits are linear in; none if the head has no linear layer."""
    own: Callable[[], list[nn.Parameter]] | None = getattr(model, "output_parameters", None)
    if own is not None:
        return own()
    layer = output_layer(model)
    return [] if layer is None else list(layer.parameters())


def output_layer(model: PreTrainedModel) -> nn.Linear | None:
    """Return the last linear layer of the head; None if there is none, or the model says it has others."""
    if hasattr(model, "output_parameters") or hasattr(model, "divide_logits"):
        return None
    below = f"{model.base_model_prefix}."
    head = [
        module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not name.startswith(below)
    ]
    return head[-1] if head else None


def divided(parameters: Sequence[nn.Parameter], by: float) -> Callable[[], None]:
    """Divide parameters in place; returns what restores them."""
    before = [parameter.detach().clone() for parameter in parameters]

    @torch.no_grad()
    def restore() -> None:
        for parameter, value in zip(parameters, before, strict=True):
            parameter.copy_(value)

    with torch.no_grad():
        for parameter in parameters:
            parameter.div_(by)
    return restore
