"""Contenders that need no labelled row: they answer whether labels are needed at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

from pydantic import AfterValidator, Field

from textgraft.comparison.contenders.base import LABELS, Contender, Count, Fitted, Job, RecipeSettings
from textgraft.comparison.contenders.bert import WINDOWS
from textgraft.comparison.contenders.shared import answering
from textgraft.inference.nearest_label import SCALE, TEMPLATE, check_template, hypotheses
from textgraft.training.settings import Positive

if TYPE_CHECKING:
    from torch import Tensor

    from textgraft.data.dataset import Dataset
    from textgraft.tasks.text.texts import TextTask


class ZeroShotSettings(RecipeSettings):
    """Settings of a model that tells labels by what they are called."""

    template: Annotated[str, AfterValidator(check_template)] = TEMPLATE
    """The sentence that is made of a label's name, with {} in its place."""
    descriptions: dict[str, str] = Field(default_factory=dict)
    """Sentences for labels, in place of what the template makes of their names."""
    scale: Positive = SCALE
    """What cosines are multiplied by to become logits."""
    windows: Count = WINDOWS
    """Windows of the encoder's length that are read of a long text at most, and their encodings averaged.
    Where a length limit is given, a text is cut there instead."""


def _zero_shot(job: Job, settings: ZeroShotSettings) -> Fitted:
    """Encode a sentence for each label: the rows of the one linear layer.

    No row is looked at. What is fitted to the dev rows, as for every contender, is the temperature of its
    probabilities, which changes no answer.
    """
    import numpy as np
    import torch

    from textgraft.models.graft.heads import GraftConfig, GraftForSequenceClassification
    from textgraft.tasks.text.label_names import label_words

    source, labels = job.needed_encoder(), job.task.labels
    windows = 1 if job.max_length else settings.windows
    shared = job.shared.encoder(source, job.max_length, windows)
    encoder = shared.encoder
    sentences = [
        settings.descriptions.get(label) or hypotheses([label_words(label)], settings.template)[0]
        for label in labels
    ]
    named = shared.encode(sentences)
    weight = np.float32(settings.scale) * named / np.linalg.norm(named, axis=1, keepdims=True)
    config = GraftConfig.on(source, pooling=encoder.pooling, normalize=True)
    if windows > 1:
        config.window, config.window_frame = encoder.max_length, list(encoder.frame)
    job.task.configure(config)
    model = GraftForSequenceClassification.from_layers(config, [(weight, np.zeros(len(labels), np.float32))])

    def encodings(rows: Dataset) -> Tensor:
        return torch.from_numpy(shared.encode(list(rows.texts)))

    task, tokenizer = cast("TextTask", job.task), shared.tokenizer
    # Of an encoder that does not normalize, what is shared is not what the model compares.
    outputs = answering(model, encodings, task, tokenizer, encoder.longest) if encoder.normalize else None
    return Fitted(
        model,
        tokenizer,
        encoder.longest,
        epochs=0.0,
        stopped_by="nothing to train",
        begun_from=source,
        outputs=outputs,
    )


CONTENDERS = (
    Contender(
        name="zero-shot",
        title="nearest label name, no labelled rows",
        recipe=_zero_shot,
        grid=(ZeroShotSettings(),),
        tasks=LABELS,
        colour="#000000",
        marker="star-triangle-up",
        is_default=True,
        asked_about="BERT",
        needs_encoder=True,
        windows=WINDOWS,
        fixed_sizes=(0,),
        draws_nothing=True,
        takes_descriptions=True,
        goes_by_label_names=True,
    ),
)
