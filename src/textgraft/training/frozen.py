"""Fine-tuning of the upper layers, with the output of the frozen lower ones computed once.

A frozen layer gives the same output in every epoch. So the embeddings and the lower layers run over all rows
once, in evaluation mode, and the rest of the model is trained on what they gave: the same loop, on batches
that hold hidden states in place of ids. The result is that of training with those layers frozen and without
dropout in them.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from typing import Any, Unpack, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel

from textgraft.errors import OptionError
from textgraft.models.graft.base import Graft
from textgraft.models.graft.encoder_layers import encoder_layers, lower_modules, only_layers
from textgraft.models.windows import Cutting
from textgraft.tasks.base import Features, Task
from textgraft.training.loop import FitOptions, fit
from textgraft.training.processes import join_processes
from textgraft.training.progress import TrainingResult
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows
from textgraft.training.text_arrays import MAX_BYTES, TextArrays, TextStores
from textgraft.training.text_states import Frozen, OpenStates, padded_states, text_states, untrained

logger = logging.getLogger(__name__)


def fit_upper_layers(
    model: PreTrainedModel,
    objective: TaskRows,
    settings: TrainingSettings,
    *,
    freeze_layers: int,
    stores: TextStores | None = None,
    max_bytes: int = MAX_BYTES,
    open_states: OpenStates | None = None,
    **options: Unpack[FitOptions],
) -> TrainingResult:
    """Train all but the embeddings and the lowest ``freeze_layers`` layers; like :func:`fit` otherwise.

    The states of a text do not depend on which others there are, so that runs can share them. Where they
    would take too much room, the layers are frozen without being computed once (and keep their dropout); a
    warning says so. The same holds of grafts where a text takes several windows. ``settings.max_seconds``
    covers the training, not the computing of the states.

    Args:
        model: On an encoder of one of the types in ``textgraft.models.graft.encoder_layers.STACKS``, with any
            head; or a graft.
        objective: The task's rows to learn from, and those that decide which weights are best.
        settings: All choices of the training.
        freeze_layers: Layers to freeze, from the lowest. At least one must remain; of a graft, those that its
            adapter changes, so without an adapter none (``graft.frozen_layers`` is the most).
        stores: Where hidden states are kept and looked for, by the weights that they come from; None: for
            this run alone.
        max_bytes: Most bytes of them, in a file of the temporary folder.
        open_states: Opens an engine that computes the states; None: torch does.
        options: Handed on to :func:`fit`.

    Raises:
        OptionError: The model type has no such layers, or has too few of them.
    """
    encoder = _encoder(model)
    layers = len(encoder_layers(encoder))
    most = model.frozen_layers if isinstance(model, Graft) else layers - 1
    if not 1 <= freeze_layers <= most:
        raise OptionError(
            f"freeze_layers cannot be {freeze_layers}: the model has {layers} layers, and {layers - most} of "
            "them are to be trained",
            fix=f"Give a number from 1 to {most}." if most else "Train all layers.",
        )
    lower = lower_modules(encoder, freeze_layers)
    train = functools.partial(fit, model, **options)
    cutting = Cutting.of(model.config)
    texts = [text for row in (*objective.train, *objective.dev) for text in _texts(row, cutting)]
    with untrained(lower):
        if isinstance(model, Graft) and len(texts) > len(objective.train) + len(objective.dev) and cutting:
            # A graft takes the texts and cuts them by itself.
            return train(objective, settings)
        model.to(join_processes().device)
        states = text_states(
            Frozen(
                encoder, lower, lambda: only_layers(encoder, 0, freeze_layers), freeze_layers, open_states
            ),
            texts,
            settings.precision,
            objective.pad_token_id,
            TextStores() if stores is None else stores,
            max_bytes,
        )
        if states is None:
            logger.warning("the hidden states cannot be kept: they are computed in every epoch")
            return train(objective, settings)
        on_states = objective.of_task(cast("Task", _OnStates(objective.task, states, cutting)))
        with only_layers(encoder, freeze_layers, layers):
            return train(on_states, settings)


def _encoder(model: PreTrainedModel) -> PreTrainedModel:
    """Return the part with the layers; a graft hides it."""
    return model.encoder if isinstance(model, Graft) else cast("PreTrainedModel", model.base_model)


def _texts(window: Features, cutting: Cutting | None) -> list[Features]:
    """Return what the encoder reads by itself: a window, each of its choices, or what it is cut into."""
    ids, types = window["input_ids"], window.get("token_type_ids")
    if isinstance(ids[0], int) and cutting is not None and types is None:
        ids = cutting.cut(ids)
    elif isinstance(ids[0], int):
        ids, types = [ids], None if types is None else [types]
    if types is None:
        return [{"input_ids": text} for text in ids]
    return [{"input_ids": text, "token_type_ids": of} for text, of in zip(ids, types, strict=True)]


class _OnStates:
    """A task whose batches hold hidden states in place of ids."""

    def __init__(self, task: Task, states: TextArrays, cutting: Cutting | None) -> None:
        self._task, self._states, self._cutting = task, states, cutting

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def while_training(self) -> _OnStates:
        return self

    def collate(self, features: Sequence[Features], pad_token_id: int) -> dict[str, Tensor]:
        batch = self._task.collate(features, pad_token_id)
        ids = batch.pop("input_ids")
        parts = [_texts(feature, self._cutting) for feature in features]
        texts = [text for own in parts for text in own]
        in_windows = self._cutting is not None and len(texts) > len(features)
        lengths = torch.tensor([len(text["input_ids"]) for text in texts])
        width = int(lengths.max()) if in_windows else ids.shape[-1]
        states = padded_states(self._states, texts, width)
        if not in_windows:
            return {**batch, "inputs_embeds": states.view(*ids.shape, -1)}
        counts = torch.tensor([len(own) for own in parts])
        return {
            "windows": torch.arange(int(counts.max())) < counts[:, None],
            **batch,
            "attention_mask": (torch.arange(width) < lengths[:, None]).long(),
            "inputs_embeds": states,
        }
