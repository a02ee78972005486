"""Fine-tuning of the upper layers, with the output of the frozen lower ones computed once.

A frozen layer gives the same output in every epoch. So the embeddings and the lower layers run over all rows
once, in evaluation mode, and the rest of the model is trained on what they gave: the same loop, on batches
that hold hidden states in place of ids. The result is that of training with those layers frozen and without
dropout in them.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from torch import Tensor
from transformers import PreTrainedModel

from textgraft.errors import OptionError
from textgraft.files import cache_folder as default_cache_folder
from textgraft.models.encoders import SHAPING
from textgraft.models.graft.base import Graft, run_encoder
from textgraft.models.graft.encoder_layers import encoder_layers, lower_modules, only_layers
from textgraft.tasks.base import Features, Task
from textgraft.training.forward import in_batches
from textgraft.training.layer_cache import HiddenStates, states_key, stored_states
from textgraft.training.loop import fit
from textgraft.training.precision import resolve_precision
from textgraft.training.processes import join_processes
from textgraft.training.progress import Progress, TrainingResult
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows

logger = logging.getLogger(__name__)


def fit_upper_layers(
    model: PreTrainedModel,
    objective: TaskRows,
    settings: TrainingSettings,
    *,
    freeze_layers: int,
    cache_folder: Path | None = None,
    max_cache_bytes: int = 20 * 10**9,
    folder: Path | None = None,
    on_step: Callable[[Progress], None] | None = None,
) -> TrainingResult:
    """Train all but the embeddings and the lowest ``freeze_layers`` layers; like :func:`fit` otherwise.

    Where the cache would grow too large, or a row holds several texts as in multiple choice, the layers are
    frozen without it (and keep their dropout); a warning says so. ``settings.max_seconds`` covers the
    training, not the filling of the cache.

    Args:
        model: On an encoder of one of the types in ``textgraft.models.graft.encoder_layers.STACKS``, with any
            head; or a graft.
        objective: The task's rows to learn from, and those that decide which weights are best.
        settings: All choices of the training.
        freeze_layers: Layers to freeze, from the lowest. At least one must remain; of a graft, those that its
            adapter changes, so without an adapter none (``graft.frozen_layers`` is the most).
        cache_folder: Where hidden states are kept, by content hash; None: in the user's cache.
        max_cache_bytes: Most bytes of that folder.
        folder: Where checkpoints go.
        on_step: Called after every step.

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
    rows: list[_Placed] = [
        {**feature, "window": at}
        for at, feature in enumerate(itertools.chain(objective.train, objective.dev))
    ]
    states = None
    if isinstance(rows[0]["input_ids"][0], int):
        states = _states(model, objective, rows, settings, freeze_layers, cache_folder, max_cache_bytes)
    if states is None:
        logger.warning("the hidden states cannot be cached: they are computed in every epoch")
        with _frozen(encoder, freeze_layers):
            return fit(model, objective, settings, folder=folder, on_step=on_step)
    with only_layers(encoder, freeze_layers, layers):
        on_states = TaskRows(
            cast("Task", _OnStates(objective.task, states)),
            rows[: len(objective.train)],
            rows[len(objective.train) :],
            pad_token_id=objective.pad_token_id,
        )
        return fit(model, on_states, settings, folder=folder, on_step=on_step)


def _encoder(model: PreTrainedModel) -> PreTrainedModel:
    """Return the part with the layers; a graft hides it."""
    return model.encoder if isinstance(model, Graft) else cast("PreTrainedModel", model.base_model)


@contextlib.contextmanager
def _frozen(encoder: PreTrainedModel, freeze_layers: int) -> Iterator[None]:
    parameters = [
        parameter
        for module in lower_modules(encoder, freeze_layers)
        for parameter in module.parameters()
        if parameter.requires_grad
    ]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


class _Placed(Features, total=False):
    window: int
    """Which of all windows it is: where its hidden states stand."""


class _OnStates:
    """A task whose batches hold hidden states in place of ids."""

    def __init__(self, task: Task, states: HiddenStates) -> None:
        self._task, self._states = task, states

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def while_training(self) -> _OnStates:
        return self

    def collate(self, features: Sequence[_Placed], pad_token_id: int) -> dict[str, Tensor]:
        batch = self._task.collate(features, pad_token_id)
        del batch["input_ids"]
        return {**batch, "inputs_embeds": self._states.batch([feature["window"] for feature in features])}


def _states(
    model: PreTrainedModel,
    objective: TaskRows,
    rows: Sequence[Features],
    settings: TrainingSettings,
    freeze_layers: int,
    cache_folder: Path | None,
    max_cache_bytes: int,
) -> HiddenStates | None:
    """Return the output of the lower layers for all rows, from the cache or into it."""
    device = join_processes().device
    model.to(device)
    encoder = _encoder(model)
    precision = resolve_precision(settings.precision, device)
    # Next to bf16 arithmetic, fp16 is free: three bits more of precision in the same bytes, and normalised
    # states never come near its range. fp32 arithmetic keeps fp32.
    dtype = "float16" if precision == "bf16" else "float32"
    config = encoder.config
    architecture = [f"{name}={getattr(config, name, None)}" for name in SHAPING]
    tokens = [[*row["input_ids"], *row.get("token_type_ids", ())] for row in rows]
    lengths = [len(row["input_ids"]) for row in rows]

    def compute(keep: Callable[[int, np.ndarray], None]) -> None:
        def forward(members: Sequence[int], batch: dict[str, Tensor]) -> None:
            ids, mask, types = (batch.get(name) for name in _INPUTS)
            assert ids is not None
            last, _ = run_encoder(encoder, ids, mask, types, None)
            for row, states in zip(members, last.float().cpu().numpy(), strict=True):
                keep(row, states[: lengths[row]])

        encoder.eval()
        with only_layers(encoder, 0, freeze_layers):
            in_batches(
                lengths,
                lambda members: objective.task.collate(
                    [rows[row] for row in members], objective.pad_token_id
                ),
                forward,
                max_tokens=settings.max_tokens,
                max_sequences=len(rows),
                precision=precision,
                device=device,
            )

    return stored_states(
        cache_folder or default_cache_folder() / "layers",
        states_key(
            lower_modules(encoder, freeze_layers), tokens, [config.model_type, precision, *architecture]
        ),
        lengths,
        config.hidden_size,
        dtype,
        compute,
        max_bytes=max_cache_bytes,
    )


_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
