"""The model directory: what Transformers expects, plus textgraft.json.

config.json (with id2label), model.safetensors and the tokenizer make the folder an ordinary Transformers
model; the manifest (:mod:`textgraft.models.manifest`) adds what serving needs.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

import textgraft.models.auto  # noqa: F401  registers our architectures
from textgraft.files import atomic_folder
from textgraft.integrity import check_files
from textgraft.models.fingerprint import Fingerprint
from textgraft.models.known import KnownTexts
from textgraft.models.loading import load_model, load_tokenizer
from textgraft.models.manifest import Manifest, read_manifest, stamp
from textgraft.models.quiet import quiet_transformers
from textgraft.models.windows import Cutting

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_COPY = "Copy the whole folder again, or train again."


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that a model's outputs depend on."""
    return dict(_versions())


@functools.cache
def _versions() -> dict[str, str]:
    """Look them up: each is a file to find and to read."""
    names = ("textgraft", "torch", "transformers", "tokenizers", "scikit-learn", "numpy")
    found = {name: importlib.metadata.version(name) for name in names}
    for engine in ("openvino", "ctranslate2"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[engine] = importlib.metadata.version(engine)
    return found


def save_model_directory(
    path: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    manifest: Manifest,
    card: str,
    fingerprint: Fingerprint | None = None,
    known: KnownTexts | None = None,
) -> None:
    """Write a whole model directory atomically; one that stood there before is replaced.

    Args:
        path: The folder to write.
        model: Saved by ``save_pretrained`` as safetensors.
        tokenizer: Saved beside it.
        manifest: Saved as textgraft.json, with the files' hashes and the library versions filled in.
        card: The model card, saved as README.md.
        fingerprint: What is remembered of the rows that it was made with, saved beside it.
        known: What is remembered of where their texts lie, likewise.

    Raises:
        OutputError: The folder cannot be written. Nothing is left behind.
    """
    with atomic_folder(path) as folder:
        with quiet_transformers():
            model.save_pretrained(folder)
        # Whoever loads it cuts texts where this model does: one that has its texts cut into windows takes
        # no more than one at a time.
        saved = copy.deepcopy(tokenizer)
        cutting = None if getattr(model, "reads_windows", False) else Cutting.of(model.config)
        saved.model_max_length = manifest.max_length if cutting is None else cutting.size
        saved.save_pretrained(folder)
        (folder / "README.md").write_text(card)
        if fingerprint is not None:
            fingerprint.save(folder)
        if known is not None:
            known.save(folder)
        stamp(folder, msgspec.structs.replace(manifest, versions=library_versions()))


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
    tokenizer = load_tokenizer(path)
    return model.eval(), tokenizer, manifest
