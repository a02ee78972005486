"""Contrastive fine-tuning: for a handful of labelled rows a label, of which pairs make many."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, cast

from textgraft.comparison.contenders.base import (
    LABELS,
    Contender,
    Count,
    EpochSchedule,
    Fitted,
    Job,
    TrainedSettings,
    on_states,
    training_loop,
)
from textgraft.comparison.contenders.bert import FrozenLayers, keeping_states, upper_layers
from textgraft.models.encoders import encoder_max_length, load_encoder_tokenizer
from textgraft.training.settings import Positive

if TYPE_CHECKING:
    from textgraft.tasks.text.texts import TextTask

TRAINING_SHARE = 0.9
"""Of a limit on seconds; the rest is for the head."""


class ContrastiveSettings(TrainedSettings):
    """Settings of contrastive fine-tuning, and of the head that is fitted afterwards."""

    freeze_layers: FrozenLayers = "half"
    """Lower layers that stay as they are, so that what they compute is computed once: a number, or "half"."""
    lora_rank: Count = 16
    """Rank of what is added to each weight matrix of the layers above (Hu et al. 2022, "LoRA")."""
    lora_alpha: Count | None = None
    """What is added is scaled by ``lora_alpha / lora_rank``; None: twice the rank."""
    temperature: Positive = 0.3
    """That the cosines of encodings are divided by: a low one attends to the nearest texts alone."""
    c: Positive = 10.0
    """Inverse strength of the L2 penalty of the head, as in scikit-learn's LogisticRegression."""


def _contrastive(job: Job, settings: ContrastiveSettings) -> Fitted:
    """Move the encodings of one label together and of others apart, then fit logistic regression on them."""
    from textgraft.models.baselines.softmax_regression import Clock
    from textgraft.models.graft.encodings import GraftForEncoding
    from textgraft.models.graft.heads import GraftConfig
    from textgraft.training.contrastive import LabelPairs
    from textgraft.training.shallow import fit_shallow

    clock = Clock(job.max_seconds)
    source, task = job.needed_encoder(), cast("TextTask", job.task)
    config = GraftConfig.on(
        source,
        lora_layers=upper_layers(source, settings.freeze_layers),
        lora_rank=settings.lora_rank,
        lora_alpha=settings.lora_alpha or 2 * settings.lora_rank,
    )
    task.configure(config)
    model, tokenizer = GraftForEncoding(config), load_encoder_tokenizer(source)
    length = job.max_length or encoder_max_length(source)
    rows = LabelPairs(
        task,
        *(task.features(part, tokenizer, length) for part in (job.train, job.dev)),
        pad_token_id=tokenizer.pad_token_id,
        temperature=settings.temperature,
    )
    given = settings.training(job)
    if job.max_seconds is not None:
        given = given.but(max_seconds=TRAINING_SHARE * job.max_seconds)
    states = job.shared.states
    before = states.owed
    keeping = keeping_states(model.frozen_layers)
    run = functools.partial(
        training_loop(job, keeping),
        model,
        rows,
        given,
        folder=job.folder,
        on_step=job.on_step,
        on_begin=job.on_begin,
    )
    result = run()
    encodings, dev_encodings = (
        rows.encodings(model, part, given, result.precision).numpy() for part in (rows.train, rows.dev)
    )
    layers = fit_shallow(
        encodings,
        task.loss_targets(job.train),
        dev_encodings,
        task.loss_targets(job.dev),
        len(task.labels),
        problem_type=config.problem_type,
        c=settings.c,
        seed=job.seed,
        clock=clock,
    )
    fitted = Fitted(
        model.with_head(layers),
        tokenizer,
        length,
        epochs=result.epochs,
        stopped_by="budget" if clock.was_over else result.stopped_by,
        history=result.history,
        cached_seconds=states.owed - before,
        cut=result.cut or clock.was_over,
        begun_from=source,
    )
    return on_states(fitted, job, keeping, given.precision)


CONTENDERS = (
    Contender(
        name="bert-contrastive",
        asked_about="BERT",
        title="BERT fine-tuned on pairs of texts + logistic regression",
        recipe=_contrastive,
        grid=(
            # A handful of dev rows cannot tell when to stop.
            ContrastiveSettings(learning_rate=1e-3, batch_size=16, patience=None),
            ContrastiveSettings(learning_rate=1e-3, batch_size=16, patience=None, temperature=0.1),
            ContrastiveSettings(learning_rate=3e-3, batch_size=16),
        ),
        tasks=(*LABELS, "multi-label"),
        colour="#009e73",
        marker="circle-cross",
        evaluating=0.4,  # a third of it for each training row, which are encoded as well, and each dev row
        is_default_of_few=True,
        epochs=EpochSchedule(rows=3_000, least=2, most=30, stops_early=False),
        needs_encoder=True,
    ),
)
