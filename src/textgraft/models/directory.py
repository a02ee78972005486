"""The model directory: what Transformers expects, plus textgraft.json.

config.json (with id2label), model.safetensors and the tokenizer make the folder an ordinary Transformers
model. textgraft.json adds what serving needs: the task, the columns, the label order, the calibration, where
the model came from, and golden inputs with the outputs that this model gave when it was saved.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from textgraft.errors import ModelError
from textgraft.files import atomic_folder, sha256_file
from textgraft.models.quiet import quiet_transformers

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

GRAFT = "graft"
"""The model type whose weights are but a part: the encoder is named by its hash."""
MANIFEST = "textgraft.json"
WEIGHTS = "model.safetensors"


class Golden(msgspec.Struct, frozen=True):
    """One row and the probabilities that the saved model gave for it."""

    columns: dict[str, Any]
    """The row's value in each column."""
    numbers: list[float]
    """As ``Prediction.numbers`` of the task gives them."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The content of textgraft.json."""

    format: int = 2
    task: str
    task_settings: dict[str, Any]
    """What makes the task again, as its labels."""
    contender: str
    """Which entry of the comparison trained this model, as "lstm"."""
    text_columns: list[str]
    label_column: str | None
    max_length: int
    """Tokens a text is cut to, special tokens included."""
    temperature: float
    """Logits are divided by this before they become probabilities (Guo et al. 2017, fitted on dev rows)."""
    data_source: str
    data_hash: str
    training: dict[str, Any]
    """Rows, seed, settings and seconds of the training run."""
    metrics: dict[str, float]
    """On the test rows."""
    dev_score: float
    golden: list[Golden]
    weights_sha256: str = ""
    versions: dict[str, str] = msgspec.field(default_factory=dict)


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
        tokenizer: Saved beside it; that of a graft is its encoder's and stays there.
        manifest: Saved as textgraft.json, with the weights' hash and the library versions filled in.
        card: The model card, saved as README.md.

    Raises:
        OutputError: The folder cannot be written. Nothing is left behind.
    """
    with atomic_folder(path) as folder:
        with quiet_transformers():
            model.save_pretrained(folder)
        if model.config.model_type != GRAFT:
            tokenizer.save_pretrained(folder)
        (folder / "README.md").write_text(card)
        complete = msgspec.structs.replace(
            manifest, weights_sha256=sha256_file(folder / WEIGHTS), versions=library_versions()
        )
        (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(complete), indent=1))


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
    try:
        return msgspec.json.decode(file.read_bytes(), type=Manifest)
    except msgspec.DecodeError as error:
        raise ModelError(
            f"{MANIFEST} is damaged: {error}", where=str(file), fix="Train or copy the model again."
        ) from error


def load_model_directory(
    path: Path, auto_class: str
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast, Manifest]:
    """Load a model directory through the Auto classes, in evaluation mode.

    Args:
        path: The folder.
        auto_class: Name of the Auto class of the model's task.

    Raises:
        ModelError: A file is missing or damaged, or the weights are not those that were saved.
    """
    manifest = read_manifest(path)
    weights = path / WEIGHTS
    if not weights.is_file():
        raise ModelError(
            f"{WEIGHTS} is missing", where=str(path), fix="Copy the whole folder, or train again."
        )
    if sha256_file(weights) != manifest.weights_sha256:
        raise ModelError(
            "the weights are not the ones that were saved with this model",
            where=str(weights),
            fix="The file is damaged or was exchanged: copy the folder again, or train again.",
        )
    import transformers

    import textgraft.models.auto  # noqa: F401  registers our architectures

    try:
        with quiet_transformers():
            model = getattr(transformers, auto_class).from_pretrained(path)
        home = model.source.path if model.config.model_type == GRAFT else path
        tokenizer = cast("PreTrainedTokenizerFast", transformers.AutoTokenizer.from_pretrained(home))
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"the model cannot be loaded: {error}",
            where=str(path),
            fix="Copy the folder again, or train again.",
        ) from error
    return model.eval(), tokenizer, manifest
