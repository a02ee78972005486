"""Contenders that need no labelled row: they answer whether labels are needed at all."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from textgraft.comparison.contenders.base import LABELS, Contender, Fitted, Job, RecipeSettings
from textgraft.inference.nearest_label import SCALE, TEMPLATE, check_template, hypotheses
from textgraft.training.settings import Positive


class ZeroShotSettings(RecipeSettings):
    """Settings of a model that tells labels by what they are called."""

    template: Annotated[str, AfterValidator(check_template)] = TEMPLATE
    """The sentence that is made of a label's name, with {} in its place."""
    descriptions: dict[str, str] = Field(default_factory=dict)
    """Sentences for labels, in place of what the template makes of their names."""
    scale: Positive = SCALE
    """What cosines are multiplied by to become logits."""


def _zero_shot(job: Job, settings: ZeroShotSettings) -> Fitted:
    """Encode a sentence for each label: the rows of the one linear layer.

    No row is looked at. What is fitted to the dev rows, as for every contender, is the temperature of its
    probabilities, which changes no answer.
    """
    import numpy as np

    from textgraft.models.graft.heads import GraftConfig, GraftForSequenceClassification
    from textgraft.tasks.text.label_names import label_words

    source, labels = job.needed_encoder(), job.task.labels
    shared = job.shared.encoder(source, job.max_length)
    encoder = shared.encoder
    sentences = [
        settings.descriptions.get(label) or hypotheses([label_words(label)], settings.template)[0]
        for label in labels
    ]
    weight = np.float32(settings.scale) * shared.encode(sentences)
    config = GraftConfig.on(source, pooling=encoder.pooling, normalize=True)
    job.task.configure(config)
    model = GraftForSequenceClassification.from_layers(config, [(weight, np.zeros(len(labels), np.float32))])
    return Fitted(
        model,
        shared.tokenizer,
        encoder.max_length,
        epochs=0.0,
        stopped_by="nothing to train",
        begun_from=source,
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
        fixed_sizes=(0,),
        takes_descriptions=True,
        goes_by_label_names=True,
    ),
)
