"""Registers our architectures with the Auto classes; importing this module is enough."""

from __future__ import annotations

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
)

from textgraft.models.graft import GraftConfig, GraftForSequenceClassification
from textgraft.models.majority import MajorityConfig, MajorityForSequenceClassification
from textgraft.models.recurrent import RecurrentConfig, RecurrentForSequenceClassification, RecurrentModel
from textgraft.models.tfidf import TfidfConfig, TfidfForSequenceClassification

CLASSIFIERS: dict[type[PreTrainedConfig], type[PreTrainedModel]] = {
    GraftConfig: GraftForSequenceClassification,
    MajorityConfig: MajorityForSequenceClassification,
    RecurrentConfig: RecurrentForSequenceClassification,
    TfidfConfig: TfidfForSequenceClassification,
}


def register() -> None:
    """Make AutoConfig, AutoModel and AutoModelForSequenceClassification know our architectures.

    Calling it again changes nothing.
    """
    for config, model in CLASSIFIERS.items():
        AutoConfig.register(config.model_type, config, exist_ok=True)
        AutoModelForSequenceClassification.register(config, model, exist_ok=True)
    AutoModel.register(RecurrentConfig, RecurrentModel, exist_ok=True)


register()
