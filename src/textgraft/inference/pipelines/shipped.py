"""Which of the models that come with the package a pipeline uses where no model is named."""

from __future__ import annotations

from pathlib import Path

from textgraft.errors import ModelError, OptionError
from textgraft.models.encoders import BUNDLED
from textgraft.models.shipped import FOLDER, shipped_model

DEFAULTS = {
    "text-classification": "sentiment",
    "token-classification": "ner",
    "question-answering": "question-answering",
    "fill-mask": "fill-mask",
    "text-generation": "text-generation",
    "translation": "translation-de-en",
}
"""The model of each pipeline that has one."""
TRANSLATIONS = {("de", "en"): "translation-de-en", ("en", "de"): "translation-en-de"}
"""The model that translates from one language to another."""
ON_ENCODER = ("feature-extraction", "sentence-similarity", "summarization", "zero-shot-classification")
"""Pipelines that run the bundled encoder as it is."""
BY_THEMSELVES = ("text-generation", "translation")
"""Those whose default model stands on no encoder."""


def default_model(pipeline: str, source: str | None = None, target: str | None = None) -> str | Path:
    """Return the model that a pipeline uses where none is named.

    Args:
        pipeline: Its name.
        source: The language to translate from, where one is wanted.
        target: That to translate to, likewise.

    Raises:
        OptionError: It has none.
        ModelError: It has one, but that is not in this installation.
    """
    if pipeline in ON_ENCODER:
        return BUNDLED
    name = DEFAULTS.get(pipeline)
    if source is not None and target is not None:
        name = TRANSLATIONS.get((source, target))
    if name is None:
        wanted = pipeline if source is None else f"{pipeline}_{source}_to_{target}"
        known = ", ".join(f"translation_{one}_to_{other}" for one, other in TRANSLATIONS)
        raise OptionError(
            f"the pipeline {wanted!r} has no default model",
            fix=f"Name one: pipeline({wanted!r}, model=…)."
            + (f" Those of {known} come with the package." if source is not None and known else ""),
        )
    model = shipped_model(name)
    if model is None:
        raise ModelError(
            f"the default model of the pipeline {pipeline!r} is not in this installation",
            where=str(FOLDER / name),
            fix=f"Install textgraft anew, or name a model: pipeline({pipeline!r}, model=…).",
        )
    return model
