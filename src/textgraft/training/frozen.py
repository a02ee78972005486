"""Fine-tuning of the upper layers, with the output of the frozen lower ones computed once.

A frozen layer gives the same output in every epoch. So the embeddings and the lower layers run over all rows
once, in evaluation mode, and the rest of the model is trained on what they gave: the same loop, on batches
that hold hidden states in place of ids. The result is that of training with those layers frozen and without
dropout in them. Other rows are answered likewise, by the upper layers alone on what is kept.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any, Unpack, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel

from textgraft.errors import OptionError
from textgraft.models.graft.base import Graft
from textgraft.models.graft.encoder_layers import encoder_layers, lower_modules, only_layers
from textgraft.models.windows import Cutting
from textgraft.tasks.base import Features, Task
from textgraft.tasks.scoring import Scoring
from textgraft.training.evaluate import run_model
from textgraft.training.first_token import only_first_token
from textgraft.training.loop import FitOptions, fit
from textgraft.training.precision import resolve_precision
from textgraft.training.processes import join_processes
from textgraft.training.progress import TrainingResult
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows
from textgraft.training.text_arrays import MAX_BYTES, TextArrays, TextStores
from textgraft.training.text_states import Frozen, OpenStates, padded_states, text_states, untrained

logger = logging.getLogger(__name__)

_MAX_TOKENS, _MAX_SEQUENCES = 2_048, 256
"""Of a batch that is answered."""


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
    layers = len(encoder_layers(_encoder(model)))
    most = model.frozen_layers if isinstance(model, Graft) else layers - 1
    if not 1 <= freeze_layers <= most:
        raise OptionError(
            f"freeze_layers cannot be {freeze_layers}: the model has {layers} layers, and {layers - most} of "
            "them are to be trained",
            fix=f"Give a number from 1 to {most}." if most else "Train all layers.",
        )
    model.to(join_processes().device)
    part = _Lower(model, freeze_layers, open_states)
    with untrained(part.modules):
        states = part.states(
            [*objective.train, *objective.dev],
            settings.precision,
            objective.pad_token_id,
            TextStores() if stores is None else stores,
            max_bytes,
        )
        if states is None:
            logger.warning("the hidden states cannot be kept: they are computed in every epoch")
            return fit(model, objective, settings, **options)
        with part.left_out(objective.task, states) as task:
            return fit(model, objective.of_task(task), settings, **options)


def run_upper_layers(
    model: PreTrainedModel,
    task: Task,
    windows: Sequence[Features],
    *,
    freeze_layers: int,
    precision: str,
    pad_token_id: int,
    stores: TextStores,
    max_bytes: int = MAX_BYTES,
    open_states: OpenStates | None = None,
) -> list[Any] | None:
    """Run a model that :func:`fit_upper_layers` trained on what its frozen layers made of windows.

    What was kept for training stays where it is, also where these would need its room.

    Args:
        model: The model, in evaluation mode afterwards.
        task: Makes batches of windows, and says what is kept of outputs.
        windows: Of any rows.
        freeze_layers: As in its training.
        precision: Likewise, as in :func:`resolve_precision`.
        pad_token_id: Id that fills the batches up.
        stores: Where hidden states are kept and looked for.
        max_bytes: Most bytes of them.
        open_states: As in its training.

    Returns:
        What the task keeps of the outputs for each window; None where no states are kept.
    """
    part = _Lower(model.eval(), freeze_layers, open_states)
    states = part.states(windows, precision, pad_token_id, stores, max_bytes, forgets=False)
    if states is None:
        return None
    with part.left_out(task, states) as on_states, only_first_token(model):
        return run_model(
            model,
            cast("Scoring", on_states),
            windows,
            pad_token_id=pad_token_id,
            max_tokens=_MAX_TOKENS,
            max_sequences=_MAX_SEQUENCES,
            precision=resolve_precision(precision, model.device),
        )


class _Lower:
    """The part of a model that training leaves as it is: the embeddings, and layers from the lowest.

    Args:
        model: The model, where it is to run.
        layers: How many.
        open_states: Opens an engine that runs them; None: torch does.
    """

    def __init__(self, model: PreTrainedModel, layers: int, open_states: OpenStates | None) -> None:
        self._model, self._layers, self._open_states = model, layers, open_states
        self._encoder = _encoder(model)
        self._cutting = Cutting.of(model.config)
        self.modules = lower_modules(self._encoder, layers)

    def states(
        self,
        windows: Sequence[Features],
        precision: str,
        pad_token_id: int,
        stores: TextStores,
        max_bytes: int,
        *,
        forgets: bool = True,
    ) -> TextArrays | None:
        """Return what it makes of windows; None where that cannot be kept."""
        texts = [text for window in windows for text in _texts(window, self._cutting)]
        if isinstance(self._model, Graft) and len(texts) > len(windows) and self._cutting:
            return None  # a graft takes the texts and cuts them by itself
        frozen = Frozen(
            self._encoder,
            self.modules,
            lambda: only_layers(self._encoder, 0, self._layers),
            self._layers,
            self._open_states,
        )
        return text_states(frozen, texts, precision, pad_token_id, stores, max_bytes, forgets=forgets)

    @contextlib.contextmanager
    def left_out(self, task: Task, states: TextArrays) -> Iterator[Task]:
        """Have the model run without it meanwhile; yields the task on its states."""
        with only_layers(self._encoder, self._layers, len(encoder_layers(self._encoder))):
            yield cast("Task", _OnStates(task, states, self._cutting))


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
