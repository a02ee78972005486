"""Rows answered by a chain of models: the next part reads only what those before it were unsure of."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from textgraft.data.dataset import Dataset
from textgraft.files import atomic_folder
from textgraft.inference.cascading.steps import Step, Steps, part_folder, save_steps
from textgraft.inference.row_predictor import RowPredictor
from textgraft.integrity import check_files
from textgraft.models.fingerprint import Fingerprint
from textgraft.models.manifest import MANIFEST, Manifest, stamp
from textgraft.tasks.text.classification import LabelPrediction

CARD = "README.md"


@dataclass(frozen=True, slots=True)
class PartPrediction(LabelPrediction):
    """The label of one text, and who gave it."""

    part: str = ""
    """Name of the part of the chain."""

    def to_dict(self) -> dict[str, Any]:
        """Return label, score, part and the scores of all labels."""
        return {
            "label": self.label,
            "score": round(self.score, 6),
            "part": self.part,
            "scores": self.scores(),
        }


@dataclass(frozen=True)
class Part:
    """A model of a chain."""

    name: str
    predictor: RowPredictor
    least: float | None
    """How sure it must be to answer; None for the last."""


class CascadePredictor(RowPredictor):
    """A chain of models of one task with the same labels.

    A part answers by its own temperature; thresholds that parts have for themselves are not heeded, that of
    the chain is.

    Args:
        parts: The one that reads all rows first; the last has no threshold.
        manifest: Where the chain came from, when it was loaded from a model directory.
    """

    def __init__(self, parts: Sequence[Part], manifest: Manifest | None = None) -> None:
        last = parts[-1].predictor
        super().__init__(last.task, last.max_length, 1.0, manifest)
        self.parts = tuple(parts)

    @property
    def last(self) -> RowPredictor:
        """The model that answers where no other is sure."""
        return self.parts[-1].predictor

    @property
    def engine(self) -> str:
        """Which engine runs each part."""
        return "; ".join(f"{part.name}: {part.predictor.engine}" for part in self.parts)

    def choose_engine(self, engine: str, *, keep: bool = True) -> None:
        """Let another engine run all parts."""
        for part in self.parts:
            part.predictor.choose_engine(engine, keep=keep)

    def outputs(
        self,
        dataset: Dataset,
        on_progress: Callable[[int], None] | None = None,
        choose: Callable[[list[Any]], list[Any]] | None = None,
    ) -> tuple[list[Any], list[Any]]:
        """Ask the parts in turn, each for the rows that none before it has answered.

        Returns:
            For each row the window that the part read which has answered it, with the number of that part,
            and the logits that it gave, divided by its temperature.
        """
        rows: list[Any] = [{"row": row} for row in range(len(dataset))]
        left = [window["row"] for window in (choose(rows) if choose else rows)]
        order = left
        windows: dict[int, Any] = {}
        logits: dict[int, Any] = {}
        for number, part in enumerate(self.parts):
            if not left:
                break
            is_last = part.least is None
            found = self._ask(part, dataset.select(left), on_progress if is_last else None)
            unsure = []
            for row, (window, own, score) in zip(left, found, strict=True):
                if part.least is not None and score < part.least:
                    unsure.append(row)
                    continue
                windows[row] = {**window, "row": row, "part": number}
                logits[row] = own
            if on_progress and not is_last and len(unsure) < len(left):
                on_progress(len(left) - len(unsure))
            left = unsure
        return [windows[row] for row in order], [logits[row] for row in order]

    def _ask(
        self, part: Part, rows: Dataset, on_progress: Callable[[int], None] | None
    ) -> list[tuple[Any, Any, float]]:
        """Return the window of each row, its calibrated logits, and how sure the part is."""
        windows, decoded = part.predictor.outputs(rows, on_progress)
        predictions = part.predictor.predictions(windows, decoded)
        scale = np.float32(part.predictor.temperature)
        return [
            (window, np.asarray(own, dtype=np.float32) / scale, prediction.score)
            for window, own, prediction in zip(windows, decoded, predictions, strict=True)
        ]

    def predictions(self, features: Sequence[Any], decoded: Sequence[Any]) -> list[PartPrediction]:
        """Make predictions of what :meth:`outputs` returned."""
        return [
            PartPrediction(one.labels, one.probabilities, one.answer, part=self.parts[window["part"]].name)
            for one, window in zip(self.task.predictions(features, decoded), features, strict=True)
        ]

    def size(self) -> int:
        """Count all parts."""
        return sum(part.predictor.size() for part in self.parts)

    def truncated_fraction(self, dataset: Dataset) -> float:
        """Count what the last part would not read."""
        return self.last.truncated_fraction(dataset)

    def save(self, path: Path, manifest: Manifest, card: str, fingerprint: Fingerprint | None = None) -> None:
        """Write cascade.json and a copy of each part; the folder needs no other.

        Raises:
            DamagedError: A part has changed since it was loaded.
            OutputError: The folder cannot be written. Nothing is left behind.
        """
        with atomic_folder(path) as folder:
            for place, part in enumerate(self.parts):
                _copy(part.predictor, part_folder(folder, place))
            save_steps(folder, Steps(parts=[Step(name=part.name, least=part.least) for part in self.parts]))
            if fingerprint is not None:
                fingerprint.save(folder)
            (folder / CARD).write_text(card)
            stamp(folder, msgspec.structs.replace(manifest, golden=[]))


def _copy(predictor: RowPredictor, target: Path) -> None:
    """Copy the files of a model directory that are read again, and its card."""
    source, manifest = predictor.folder, predictor.manifest
    assert source is not None and manifest is not None, "parts are loaded from model directories"  # noqa: PT018
    for name in (*manifest.files, MANIFEST, CARD):
        if not (source / name).is_file():
            continue  # a card may be missing; any other is missed below
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)
    check_files(target, manifest.files, fix="Wait until nothing writes that model, and try again.")
