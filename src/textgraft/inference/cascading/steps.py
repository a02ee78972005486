"""cascade.json: which parts a chain of models has, and how sure each must be to answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from textgraft.errors import ModelError
from textgraft.evaluation.promises import Share
from textgraft.integrity import read_record, write_record
from textgraft.models.manifest import MANIFEST, Manifest

FILE = "cascade.json"
"""In a model directory, in place of weights."""
FOLDER = "parts"
"""Of the model directory; holds the model directory of each part, whole, under its number."""
FORMAT = 1
CONTENDER = "cascade"
"""What made such a model, as its textgraft.json says."""
MOST = 8
"""Parts of a chain."""
_COPY = "Copy the whole folder again, or make the cascade again."


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a chain."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    """By which answers say that it gave them."""
    least: Share | None
    """How sure it must be to answer; None for the last part, which answers all that comes to it."""


class Steps(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a chain, the one that is asked first at the beginning: the content of cascade.json."""

    format: int = FORMAT
    parts: Annotated[list[Step], msgspec.Meta(min_length=1, max_length=MOST)]


def part_folder(folder: Path, place: int) -> Path:
    """Return the model directory of a part, counted from 0."""
    return folder / FOLDER / str(place + 1)


def is_cascade(manifest: Manifest) -> bool:
    """Return whether a model directory holds a chain of models."""
    return FILE in manifest.files


def own_files(manifest: Manifest) -> dict[str, str]:
    """Return the hashes of the files that are a chain's own; those of its parts are checked by the parts.

    Of each part textgraft.json is among them, which holds the hashes of the part's other files.
    """
    return {
        name: sha256
        for name, sha256 in manifest.files.items()
        if not name.startswith(f"{FOLDER}/") or name.endswith(f"/{MANIFEST}")
    }


def save_steps(folder: Path, steps: Steps) -> None:
    """Write cascade.json.

    Raises:
        OutputError: It cannot be written.
    """
    write_record(folder / FILE, steps)


def load_steps(folder: Path, manifest: Manifest) -> Steps:
    """Read cascade.json.

    Raises:
        ModelError: It is damaged, the last part alone may answer all, or a part is none of the folder's own.
    """
    steps = read_record(folder / FILE, Steps, fix=_COPY)
    *first, last = steps.parts
    if last.least is not None or any(step.least is None for step in first):
        raise ModelError(
            "all parts but the last need a threshold, and the last has none",
            where=str(folder / FILE),
            fix=_COPY,
        )
    for place in range(len(steps.parts)):
        name = (part_folder(Path(), place) / MANIFEST).as_posix()
        if name not in manifest.files:
            raise ModelError(f"{MANIFEST} says nothing of {name}", where=str(folder), fix=_COPY)
    return steps
