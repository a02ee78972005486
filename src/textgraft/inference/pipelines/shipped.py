"""The grafts that come with the package, and which pipeline uses which where no model is named."""

from __future__ import annotations

from pathlib import Path

from textgraft.errors import ModelError, OptionError
from textgraft.models.encoders import BUNDLED
from textgraft.models.manifest import MANIFEST

FOLDER = Path(__file__).parents[2] / "grafts"
"""Holds each graft in a folder of its name."""
DEFAULTS = {
    "text-classification": "sentiment",
    "token-classification": "ner",
    "question-answering": "question-answering",
}
"""The graft of each pipeline that has one."""
ON_ENCODER = ("feature-extraction", "zero-shot-classification")
"""Pipelines that run the bundled encoder as it is."""


def shipped_graft(name: str) -> Path | None:
    """Return the folder of a graft that comes with the package, or None."""
    folder = FOLDER / name
    return folder if Path(name).name == name and (folder / MANIFEST).is_file() else None


def default_model(pipeline: str) -> str | Path:
    """Return the model that a pipeline uses where none is named.

    Raises:
        OptionError: It has none.
        ModelError: It has one, but that is not in this installation.
    """
    if pipeline in ON_ENCODER:
        return BUNDLED
    if pipeline not in DEFAULTS:
        reason = "The bundled encoder has no head for masked words. " if pipeline == "fill-mask" else ""
        raise OptionError(
            f"the pipeline {pipeline!r} has no default model",
            fix=f"{reason}Name one: pipeline({pipeline!r}, model=…).",
        )
    graft = shipped_graft(DEFAULTS[pipeline])
    if graft is None:
        raise ModelError(
            f"the default model of the pipeline {pipeline!r} is not in this installation",
            where=str(FOLDER / DEFAULTS[pipeline]),
            fix=f"Install textgraft anew, or name a model: pipeline({pipeline!r}, model=…).",
        )
    return graft
