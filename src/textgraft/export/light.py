"""Rows predicted by an exported model: no torch is loaded, and answers can do what they can elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from textgraft import runtime
from textgraft.data.dataset import Dataset
from textgraft.errors import MissingExtraError, ModelError, OptionError
from textgraft.inference.row_predictor import RowPredictor
from textgraft.models.fingerprint import Fingerprint
from textgraft.models.manifest import MANIFEST, Manifest, read_manifest
from textgraft.tasks.base import token_counts
from textgraft.tasks.registry import make_task


def is_export(folder: Path) -> bool:
    """Return whether a folder is an exported model."""
    return (folder / runtime.FACTS).is_file()


def load_light(folder: Path) -> LightPredictor:
    """Load an exported model.

    Raises:
        ModelError: The folder is no exported model, or a file of it is damaged.
        MissingExtraError: onnxruntime is not installed.
    """
    if not is_export(folder):
        raise ModelError(
            "this is no exported model",
            where=str(folder),
            fix=f"Export it first: textgraft export {folder} --format onnx -o FOLDER",
        )
    manifest = read_manifest(folder)
    try:
        return LightPredictor(runtime.load(folder), manifest)
    except ModuleNotFoundError as error:
        raise MissingExtraError("onnxruntime", "onnx", "an exported model") from error
    except runtime.ExportError as error:
        raise ModelError(str(error), where=str(folder), fix="Export the model again.") from error


class LightPredictor(RowPredictor):
    """Predicts as the model that was exported.

    Args:
        model: The exported one.
        manifest: Its textgraft.json.
    """

    def __init__(self, model: runtime.Model, manifest: Manifest) -> None:
        where = str(model.folder / MANIFEST)
        task = make_task(manifest.task, manifest.task_settings, where=where)
        super().__init__(task, manifest.max_length, manifest.temperature, manifest)
        self.model = model
        self.folder = model.folder

    @property
    def engine(self) -> str:
        """What computes, and in which precision."""
        return f"onnxruntime, {self.model.precision}"

    def outputs(
        self,
        dataset: Dataset,
        on_progress: Callable[[int], None] | None = None,
        choose: Callable[[list[Any]], list[Any]] | None = None,
    ) -> tuple[list[Any], list[Any]]:
        """Run the exported model over rows."""
        windows = self.model.windows(runtime_rows(self.task, dataset))
        if choose is not None:
            windows = choose(windows)
        return windows, self.model.run(windows, on_progress)

    def size(self) -> int:
        """Count the bytes of the folder."""
        return sum(path.stat().st_size for path in self.model.folder.rglob("*") if path.is_file())

    def truncated_fraction(self, dataset: Dataset) -> float:
        """Count tokens."""
        windows: list[Any] = self.model.windows(runtime_rows(self.task, dataset))
        kept, lost = token_counts(windows)
        return lost / (kept + lost) if lost else 0.0

    def save(self, path: Path, manifest: Manifest, card: str, fingerprint: Fingerprint | None = None) -> None:
        """Refuse to: an export is a copy of a model, and lies on disk already.

        Raises:
            OptionError: Always.
        """
        raise OptionError("an exported model is not saved anew", fix="Copy its folder.")


def runtime_rows(task: Any, rows: Dataset) -> Sequence[Any]:
    """Return rows of a task as :meth:`textgraft.runtime.Model.windows` takes them."""
    columns = rows.columns
    if task.name == "token-classification":
        return list(zip(columns["text"], columns["words"], strict=True))
    if task.name == "question-answering":
        return list(zip(columns["question"], columns["context"], strict=True))
    if task.name == "multiple-choice":
        return list(zip(*task.parts(rows), strict=True))
    if task.name in ("pairs", "similarity"):
        return list(zip(*columns.values(), strict=True))
    return rows.texts
