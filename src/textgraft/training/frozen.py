"""Fine-tuning of the upper layers, with the output of the frozen lower ones computed once.

A frozen layer gives the same output in every epoch. So the embeddings and the lower layers run over all rows
once, in evaluation mode, and the rest of the model is trained on what they gave: the same loop, on batches
that hold hidden states in place of ids. The result is that of training with those layers frozen and without
dropout in them.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import PreTrainedModel

from textgraft.errors import OptionError
from textgraft.forks import computing
from textgraft.models.encoders import SHAPING
from textgraft.models.graft.base import Graft, run_encoder
from textgraft.models.graft.encoder_layers import encoder_layers, lower_modules, only_layers
from textgraft.models.windows import Cutting
from textgraft.tasks.base import Features, Task, padded_inputs
from textgraft.training.batching import ShapedBatch, fixed_shapes
from textgraft.training.loop import Run, fit
from textgraft.training.placement import placed
from textgraft.training.precision import autocast, resolve_precision
from textgraft.training.processes import join_processes
from textgraft.training.progress import Progress, TrainingResult
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows
from textgraft.training.text_arrays import MAX_BYTES, Computed, TextArrays, TextStores, text_key, weights_key

logger = logging.getLogger(__name__)


def fit_upper_layers(
    model: PreTrainedModel,
    objective: TaskRows,
    settings: TrainingSettings,
    *,
    freeze_layers: int,
    stores: TextStores | None = None,
    max_bytes: int = MAX_BYTES,
    folder: Path | None = None,
    on_step: Callable[[Progress], None] | None = None,
    on_begin: Callable[[Run], None] | None = None,
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
        folder: Where checkpoints go.
        on_step: Called after every step.
        on_begin: Called before the first one, as in :func:`fit`.

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
    cutting = Cutting.of(model.config)
    texts = [text for row in (*objective.train, *objective.dev) for text in _texts(row, cutting)]
    if isinstance(model, Graft) and len(texts) > len(objective.train) + len(objective.dev) and cutting:
        # A graft takes the texts and cuts them by itself.
        with _frozen(encoder, freeze_layers):
            return fit(model, objective, settings, folder=folder, on_step=on_step, on_begin=on_begin)
    stores = TextStores() if stores is None else stores
    states = _states(model, texts, settings, freeze_layers, objective.pad_token_id, stores, max_bytes)
    if states is None:
        logger.warning("the hidden states cannot be kept: they are computed in every epoch")
        with _frozen(encoder, freeze_layers):
            return fit(model, objective, settings, folder=folder, on_step=on_step, on_begin=on_begin)
    with _frozen(encoder, freeze_layers), only_layers(encoder, freeze_layers, layers):
        on_states = objective.of_task(cast("Task", _OnStates(objective.task, states, cutting)))
        return fit(model, on_states, settings, folder=folder, on_step=on_step, on_begin=on_begin)


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


def _key(text: Features) -> bytes:
    return text_key(text["input_ids"], text.get("token_type_ids", ()))


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
        states = torch.zeros((len(texts), width, self._states.width))
        for target, text in zip(states, texts, strict=True):
            array = self._states.get(_key(text))
            target[: len(array)] = torch.from_numpy(array)
        if not in_windows:
            return {**batch, "inputs_embeds": states.view(*ids.shape, -1)}
        counts = torch.tensor([len(own) for own in parts])
        return {
            "windows": torch.arange(int(counts.max())) < counts[:, None],
            **batch,
            "attention_mask": (torch.arange(width) < lengths[:, None]).long(),
            "inputs_embeds": states,
        }


def _states(
    model: PreTrainedModel,
    texts: Sequence[Features],
    settings: TrainingSettings,
    freeze_layers: int,
    pad_token_id: int,
    stores: TextStores,
    max_bytes: int,
) -> TextArrays | None:
    """Return the output of the lower layers for all texts; None where there is no room for it."""
    device = join_processes().device
    model.to(device)
    encoder = _encoder(model)
    precision = resolve_precision(settings.precision, device)
    config = encoder.config
    facts = [config.model_type, precision, *(f"{name}={getattr(config, name, None)}" for name in SHAPING)]
    states = stores.open(
        weights_key(lower_modules(encoder, freeze_layers), facts),
        config.hidden_size,
        # Next to bf16 arithmetic, fp16 is free: three bits more of precision in the same bytes, and
        # normalised states never come near its range. fp32 arithmetic keeps fp32.
        "float16" if precision == "bf16" else "float32",
        max_bytes,
    )

    def compute(missing: list[int]) -> Iterator[Computed]:
        lengths = [len(texts[place]["input_ids"]) for place in missing]
        computing(torch.get_num_threads())
        encoder.eval()
        with (
            torch.inference_mode(),
            autocast(precision, device),
            only_layers(encoder, 0, freeze_layers),
        ):
            for batch in fixed_shapes(lengths, getattr(config, "max_position_embeddings", None)):
                inputs = _shaped([texts[missing[member]] for member in batch.members], batch, pad_token_id)
                ids, mask, types = (placed(inputs, device).get(name) for name in _INPUTS)
                assert ids is not None
                last, _ = run_encoder(encoder, ids, mask, types, None)
                arrays = [
                    array[: lengths[member]]
                    for member, array in zip(batch.members, last.float().cpu().numpy(), strict=False)
                ]
                yield Computed(batch.members, arrays, [batch.width] * len(arrays), batch.rows * batch.width)

    is_kept = states.fill([_key(text) for text in texts], [len(text["input_ids"]) for text in texts], compute)
    return states if is_kept else None


def _shaped(features: Sequence[Features], shape: ShapedBatch, pad_token_id: int) -> dict[str, Tensor]:
    """Make a batch of its full width and number of rows; copies of the first one fill it up."""
    batch = padded_inputs(features, pad_token_id)
    fill = [*range(len(features)), *([0] * (shape.rows - len(features)))]
    return {
        name: pad(tensor, (0, shape.width - tensor.shape[1]), value=pad_token_id * (name == "input_ids"))[
            fill
        ]
        for name, tensor in batch.items()
    }


_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
