"""Models that others trained, as Transformers saved them: a folder or a Hub id without a textgraft.json."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import textgraft.models.auto  # noqa: F401  registers our architectures
from textgraft.errors import ModelError
from textgraft.models.encoders import EncoderSource
from textgraft.models.loading import load_tokenizer, load_with_report
from textgraft.models.vetting import read_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

CLASSIFIER = "AutoModelForSequenceClassification"
_HEAD = "ForSequenceClassification"


def load_checkpoint(
    source: EncoderSource, auto_class: str
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Load a checkpoint in fp32, in evaluation mode, and refuse it if its head would be a random one.

    Args:
        source: Where it is.
        auto_class: Name of the Auto class whose models have the head that is needed.

    Raises:
        ModelError: A file is missing or damaged, or the checkpoint has not that head.
    """
    model, report = load_with_report(auto_class, source.path, dtype=torch.float32)
    tokenizer = load_tokenizer(source.path)
    if missing := report.missing:
        raise ModelError(
            f"the checkpoint has not the head that is needed: {', '.join(missing[:3])} is missing",
            where=str(source.path),
            fix=f"Give a checkpoint that was saved from a model of {auto_class}.",
        )
    return model.eval(), tokenizer


def is_classifier(folder: Path) -> bool:
    """Tell whether a folder holds a Transformers model that classifies whole texts.

    Raises:
        ModelError: Its config.json is damaged.
    """
    config = folder / "config.json"
    return config.is_file() and any(
        str(name).endswith(_HEAD) for name in read_json(config).get("architectures") or ()
    )


def task_of_config(config: Any, where: str) -> tuple[str, dict[str, Any]]:
    """Return the task of a text classifier and what makes it, by the labels and the loss of its head.

    Args:
        config: Of the model, as Transformers loads it.
        where: The folder, for errors.

    Raises:
        ModelError: Two of its labels have one name.
    """
    names = config.id2label or {}
    labels = [str(names[place]) for place in range(len(names))]
    if config.problem_type == "regression" or len(labels) == 1:
        return "regression", {"mean": 0.0, "deviation": 1.0}  # its numbers as they are
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise ModelError(
            f"two of its labels are called {twice!r}",
            where=where,
            fix="Give each a name of its own in config.json, under id2label and label2id.",
        )
    several = config.problem_type == "multi_label_classification"
    return "multi-label" if several else "classification", {"labels": labels}
