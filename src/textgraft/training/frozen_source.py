"""Training of a decoder alone: what the encoder makes of the sources is computed once.

A step of an encoder–decoder spends most of its time on the encoder wherever sources are longer than targets:
of a subject line for 128 tokens of an e-mail four fifths. Left as it was pre-trained, the encoder costs a
forward pass a source, in all.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Unpack, cast

from torch import Tensor, nn
from transformers import EncoderDecoderModel, PreTrainedConfig
from transformers.modeling_outputs import BaseModelOutput

from textgraft.tasks.base import Features, Task
from textgraft.tasks.scoring import Scoring
from textgraft.training.loop import FitOptions, fit
from textgraft.training.processes import join_processes
from textgraft.training.progress import TrainingResult
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows
from textgraft.training.text_arrays import MAX_BYTES, TextArrays, TextStores
from textgraft.training.text_states import Frozen, OpenStates, padded_states, text_states, untrained

logger = logging.getLogger(__name__)

_LEAST_SHARE = 0.25
"""Of the time that there is for training, if the states took most of it."""


def fit_decoder(
    model: EncoderDecoderModel,
    objective: TaskRows,
    settings: TrainingSettings,
    *,
    stores: TextStores | None = None,
    max_bytes: int = MAX_BYTES,
    open_states: OpenStates | None = None,
    **options: Unpack[FitOptions],
) -> TrainingResult:
    """Train all but the encoder; like :func:`fit` otherwise.

    The encoder runs without dropout. What it would take to compute the states, whether they were known before
    or not, is taken off ``settings.max_seconds``; a quarter of that is left for training in any case. Where
    there is no room for the states, the encoder is run in every epoch, which a warning says.

    Args:
        model: The encoder–decoder.
        objective: Rows of a task whose answers are written.
        settings: All choices of the training.
        stores: Where states are kept and looked for; None: for this run alone.
        max_bytes: Most bytes of them.
        open_states: Opens an engine that computes them; None: torch does.
        options: Handed on to :func:`fit`.
    """
    model.to(join_processes().device)
    encoder = cast("Any", model.encoder)
    stores = TextStores() if stores is None else stores
    before = stores.charged
    rows = [*objective.train, *objective.dev]
    frozen = Frozen(encoder, [encoder], open_states=open_states)
    states = text_states(frozen, rows, settings.precision, objective.pad_token_id, stores, max_bytes)
    if states is None:
        logger.warning("the states of the sources cannot be kept: they are computed in every epoch")
        with untrained([encoder]):
            return fit(model, objective, settings, **options)
    if settings.max_seconds is not None:
        left = settings.max_seconds - (stores.charged - before)
        settings = settings.but(max_seconds=max(_LEAST_SHARE * settings.max_seconds, left))
    on_states = objective.of_task(cast("Task", _OnStates(objective.scoring, objective.task.name, states)))
    model.encoder = _Given(encoder.config)
    try:
        return fit(model, on_states, settings, **options)
    finally:
        model.encoder = encoder


class _Given(nn.Module):
    """Stands where the encoder stood, and hands on the states that were given in place of its work."""

    main_input_name = "input_ids"

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, inputs_embeds: Tensor, **others: Any) -> BaseModelOutput:
        """Return inputs_embeds [batch, time, size]."""
        del others
        return BaseModelOutput(last_hidden_state=inputs_embeds)


class _OnStates:
    """What scores a task's rows, with batches that hold the sources' states beside their ids."""

    def __init__(self, scoring: Scoring, name: str, states: TextArrays) -> None:
        self.name = name
        self._scoring, self._states = scoring, states

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scoring, name)

    def while_training(self) -> _OnStates:
        return self

    def collate(self, features: Sequence[Features], pad_token_id: int) -> Mapping[str, Tensor]:
        batch = self._scoring.collate(features, pad_token_id)
        return {**batch, "inputs_embeds": padded_states(self._states, features, batch["input_ids"].shape[1])}
