"""Makes Transformers' Auto classes know our architectures: here those that an encoder can be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from textgraft.models.recurrent.encoder import RecurrentConfig, RecurrentModel
from textgraft.models.recurrent.language_model import RecurrentForCausalLM

Registered = tuple[Any, type[PreTrainedConfig], type[PreTrainedModel]]
"""An Auto class, a configuration, and the model that the Auto class makes of it."""

ENCODERS: tuple[Registered, ...] = (
    (AutoModel, RecurrentConfig, RecurrentModel),
    (AutoModelForCausalLM, RecurrentConfig, RecurrentForCausalLM),
)
"""What a task's head may stand on; the heads themselves are registered in :mod:`textgraft.models.auto`."""


def register(models: Iterable[Registered]) -> None:
    """Make the Auto classes know these models and their configurations. Doing it again changes nothing."""
    for auto, config, model in models:
        AutoConfig.register(config.model_type, config, exist_ok=True)
        auto.register(config, model, exist_ok=True)
