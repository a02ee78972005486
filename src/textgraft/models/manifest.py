"""textgraft.json: what a model directory says beyond what Transformers reads.

The task, the columns, the label order, the calibration, where the model came from, golden inputs with the
outputs that this model gave when it was saved, and the SHA-256 of every other file that is read again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec

from textgraft.errors import ModelError
from textgraft.evaluation.conformal import Nonconformity
from textgraft.evaluation.promises import EarlyAnswer, Threshold
from textgraft.evaluation.unknown import Strangeness
from textgraft.files import content_hash
from textgraft.integrity import CHECKSUM, as_record, file_hashes, read_members, read_record, write_record
from textgraft.models.vetting import INT8_WEIGHTS

MANIFEST = "textgraft.json"
WEIGHTS = "model.safetensors"
FORMAT = 3
"""Of textgraft.json. Format 2 had the hash of the weights alone, and no checksum of its own."""
_COPY = "Copy the whole folder again, or train again."


class Golden(msgspec.Struct, frozen=True):
    """One row and the probabilities that the saved model gave for it."""

    columns: dict[str, Any]
    """The row's value in each column."""
    numbers: list[float]
    """As ``Prediction.numbers`` of the task gives them."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The content of textgraft.json."""

    format: int = FORMAT
    task: str
    task_settings: dict[str, Any]
    """What makes the task again, as its labels."""
    contender: str
    """Which entry of the comparison trained this model, as "lstm"."""
    text_columns: Annotated[list[str], msgspec.Meta(min_length=1)]
    label_column: str | list[str] | None
    max_length: Annotated[int, msgspec.Meta(ge=1, le=10**6)]
    """Tokens a text is cut to, special tokens included."""
    temperature: Annotated[float, msgspec.Meta(ge=1e-3, le=1e3)]
    """Logits are divided by this before they become probabilities (Guo et al. 2017, fitted on dev rows): what
    of the calibration is not in the weights."""
    calibration: Annotated[float, msgspec.Meta(ge=1e-3, le=1e3)] = 1.0
    """The temperature that the weights were divided by, so that the model's own logits are calibrated."""
    prompt: str = ""
    """What the tokenizer puts before every text."""
    data_source: str
    data_hash: str
    training: dict[str, Any]
    """Rows, seed, settings and seconds of the training run."""
    metrics: dict[str, float]
    """On the test rows."""
    dev_score: float
    golden: list[Golden]
    threshold: Threshold | None = None
    """From which score on answers are given, and what is promised of them; None: all of them are."""
    early: EarlyAnswer | None = None
    """From which score on a text that goes on may be answered before its end; None: nothing was decided."""
    nonconformity: Nonconformity | None = None
    """What prediction sets are made by; None where the model has no probabilities of labels."""
    doubt: Nonconformity | None = None
    """1 minus the probability of the likeliest label, on the dev rows: what unknown texts are told by where
    no encodings of training texts are kept."""
    strangeness: Strangeness | None = None
    """What they are told by where such are kept, beside this file."""
    files: dict[str, str] = msgspec.field(default_factory=dict)
    """SHA-256 of each other file that is read again, by its path in the folder."""
    versions: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def weights_sha256(self) -> str:
        """The hash of the weights: which model this is."""
        return self.files.get(WEIGHTS) or self.files.get(INT8_WEIGHTS, "")

    @property
    def identity(self) -> str:
        """A hash of everything that predictions depend on."""
        return content_hash([self.files, self.task, self.task_settings, self.max_length, self.temperature])


def stamp(folder: Path, manifest: Manifest) -> None:
    """Write textgraft.json with the hashes of the files that stand in the folder now.

    Raises:
        OutputError: The folder cannot be written.
    """
    files = {name: sha256 for name, sha256 in file_hashes(folder).items() if name != MANIFEST}
    write_record(folder / MANIFEST, msgspec.structs.replace(manifest, format=FORMAT, files=files))


def read_manifest(path: Path) -> Manifest:
    """Read textgraft.json of a model directory.

    Raises:
        ModelError: ``path`` is no folder, has no textgraft.json, or the file is damaged.
    """
    if not path.is_dir():
        raise ModelError(
            "there is no such model directory",
            where=str(path),
            fix="Give the folder that holds textgraft.json, as runs/<name>/best.",
        )
    file = path / MANIFEST
    if not file.is_file():
        nested = next(path.glob(f"best/{MANIFEST}"), None)
        hint = f"Did you mean {nested.parent}?" if nested else "Give a folder that textgraft wrote."
        raise ModelError(f"this folder holds no {MANIFEST}", where=str(path), fix=hint)
    members = read_members(file, fix=_COPY)
    if members.get("format") not in (2, FORMAT):
        raise ModelError(
            f"its format is {members.get('format')!r}, and this textgraft reads {FORMAT}",
            where=str(file),
            fix="It was damaged, or written by a newer version: install that one, or train again.",
        )
    if CHECKSUM in members or members["format"] != 2:
        return read_record(file, Manifest, fix=_COPY)
    members["files"] = {WEIGHTS: members.pop("weights_sha256", "")}
    return as_record(members, Manifest, where=str(file), fix=_COPY)
