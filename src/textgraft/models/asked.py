"""What a call of a model asks for beside its logits."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from transformers import PreTrainedConfig, PreTrainedModel

from textgraft.errors import OptionError


def asked(config: PreTrainedConfig, **given: bool | None) -> dict[str, bool]:
    """Return what is to be returned, by name: as the call says, else as the configuration does.

    Args:
        config: Of the model.
        given: ``output_hidden_states`` and ``output_attentions`` as the call has them.
    """
    return {name: bool(getattr(config, name) if value is None else value) for name, value in given.items()}


def has_only_logits(model: PreTrainedModel, **given: bool | None) -> None:
    """Let a model that computes no states refuse to return them.

    Args:
        model: The model.
        given: As for :func:`asked`.

    Raises:
        OptionError: Something is asked for.
    """
    for name, wanted in asked(model.config, **given).items():
        if wanted:
            thing = name.removeprefix("output_").replace("_", " ")
            raise OptionError(
                f"{type(model).__name__} computes no {thing}", where=name, fix="Leave it out, or False."
            )


@contextlib.contextmanager
def observable(model: PreTrainedModel) -> Iterator[None]:
    """Compute attention in the way that keeps its weights; fused kernels do not."""
    fused = getattr(model.config, "_attn_implementation", None)
    if fused in (None, "eager"):
        yield
        return
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(fused)
