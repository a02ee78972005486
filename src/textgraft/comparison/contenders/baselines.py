"""Baselines: what ignores the text, and what counts its words."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textgraft.comparison.contenders.base import (
    LABELS,
    MAX_LENGTH,
    TEXTS,
    Contender,
    Fitted,
    Job,
    RecipeSettings,
)
from textgraft.training.settings import Positive

if TYPE_CHECKING:
    from textgraft.tasks.text.texts import TextTask


class MajoritySettings(RecipeSettings):
    """There is nothing to set."""


def _majority(job: Job, settings: MajoritySettings) -> Fitted:
    """Count the training labels."""
    import numpy as np

    from textgraft.models.baselines.majority import MajorityConfig, MajorityForSequenceClassification
    from textgraft.tokenization.word_tokenizer import train_word_tokenizer

    del settings
    counts = np.bincount(job.targets(job.train), minlength=len(job.task.labels))
    config = MajorityConfig(label_counts=counts.tolist())
    job.task.configure(config)
    tokenizer = train_word_tokenizer(job.train.texts)
    return Fitted(MajorityForSequenceClassification(config), tokenizer, MAX_LENGTH)


class TfidfSettings(RecipeSettings):
    """Settings of a linear model on weighted words and word pairs."""

    c: Positive = 100.0
    """Inverse strength of the L2 penalty, as in scikit-learn."""


def _tfidf(job: Job, settings: TfidfSettings) -> Fitted:
    """Fit logistic regression, or ridge regression for numbers."""
    from transformers import PreTrainedConfig

    from textgraft.models.baselines.softmax_regression import Clock
    from textgraft.models.baselines.tfidf import fit_weights

    clock = Clock(job.max_seconds)
    shape = PreTrainedConfig()
    job.task.configure(shape)
    targets, labels = cast("TextTask", job.task).loss_targets(job.train), len(job.task.labels)
    ngrams, saved = job.shared.weighted_ngrams(job.train, targets, labels)
    model, tokenizer = fit_weights(
        ngrams, targets, labels, problem_type=shape.problem_type, c=settings.c, clock=clock
    )
    job.task.configure(model.config)
    # A bag of words has no length limit; the tokenizer's own guards against absurd inputs.
    length = job.max_length or tokenizer.model_max_length
    return Fitted(
        model,
        tokenizer,
        length,
        stopped_by=clock.stopped_by,
        cut=clock.was_over,
        cached_seconds=saved,
    )


CONTENDERS = (
    Contender(
        name="majority",
        title="most frequent label",
        recipe=_majority,
        grid=(MajoritySettings(),),
        tasks=LABELS,
        colour="#8a8a8a",
        marker="x",
        is_floor=True,
        draws_nothing=True,
    ),
    Contender(
        name="tfidf",
        asked_about="TF-IDF",
        title="TF-IDF + logistic regression",
        recipe=_tfidf,
        grid=tuple(TfidfSettings(c=c) for c in (100.0, 10.0, 1.0)),
        tasks=TEXTS,
        colour="#e69f00",
        marker="square",
        is_default=True,
        draws_nothing=True,
    ),
)
