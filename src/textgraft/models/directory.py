"""The model directory: what Transformers expects, plus textgraft.json.

config.json (with id2label), model.safetensors and the tokenizer make the folder an ordinary Transformers
model. textgraft.json adds what serving needs: the task, the columns, the label order, the calibration, where
the model came from, golden inputs with the outputs that this model gave when it was saved, and the SHA-256 of
every other file that is read again.
"""

from __future__ import annotations

import copy
import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from textgraft.errors import ModelError
from textgraft.files import atomic_folder, content_hash
from textgraft.integrity import (
    CHECKSUM,
    as_record,
    check_files,
    file_hashes,
    read_members,
    read_record,
    write_record,
)
from textgraft.models.loading import load_model, load_tokenizer
from textgraft.models.quiet import quiet_transformers

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

GRAFT = "graft"
"""The model type whose weights are but a part: the encoder is named by its hash."""
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
    data_source: str
    data_hash: str
    training: dict[str, Any]
    """Rows, seed, settings and seconds of the training run."""
    metrics: dict[str, float]
    """On the test rows."""
    dev_score: float
    golden: list[Golden]
    files: dict[str, str] = msgspec.field(default_factory=dict)
    """SHA-256 of each other file that is read again, by its path in the folder."""
    versions: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def weights_sha256(self) -> str:
        """The hash of the weights: which model this is."""
        return self.files.get(WEIGHTS, "")

    @property
    def identity(self) -> str:
        """A hash of everything that predictions depend on."""
        return content_hash([self.files, self.task, self.task_settings, self.max_length, self.temperature])


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that a model's outputs depend on."""
    names = ("textgraft", "torch", "transformers", "tokenizers", "scikit-learn", "numpy")
    return {name: importlib.metadata.version(name) for name in names}


def save_model_directory(
    path: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, manifest: Manifest, card: str
) -> None:
    """Write a whole model directory atomically; one that stood there before is replaced.

    Args:
        path: The folder to write.
        model: Saved by ``save_pretrained`` as safetensors.
        tokenizer: Saved beside it.
        manifest: Saved as textgraft.json, with the files' hashes and the library versions filled in.
        card: The model card, saved as README.md.

    Raises:
        OutputError: The folder cannot be written. Nothing is left behind.
    """
    with atomic_folder(path) as folder:
        with quiet_transformers():
            model.save_pretrained(folder)
        # Whoever loads it cuts texts where this model does.
        saved = copy.deepcopy(tokenizer)
        saved.model_max_length = manifest.max_length
        saved.save_pretrained(folder)
        (folder / "README.md").write_text(card)
        stamp(folder, msgspec.structs.replace(manifest, versions=library_versions()))


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


def load_model_directory(
    path: Path, auto_class: str
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast, Manifest]:
    """Load a model directory through the Auto classes, in evaluation mode.

    Args:
        path: The folder.
        auto_class: Name of the Auto class of the model's task.

    Raises:
        ModelError: A file is missing, damaged, or not the one that was saved.
    """
    manifest = read_manifest(path)
    check_files(path, manifest.files, fix=_COPY)
    model = load_model(auto_class, path)
    # Grafts were once saved without the tokenizer, which is their encoder's.
    is_bare = model.config.model_type == GRAFT and not (path / "tokenizer_config.json").is_file()
    tokenizer = load_tokenizer(model.source.path if is_bare else path)
    return model.eval(), tokenizer, manifest
