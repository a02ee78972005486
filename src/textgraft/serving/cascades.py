"""Predictions of a chain of models: its parts are asked in turn within one batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from textgraft.data.dataset import Dataset

if TYPE_CHECKING:
    from textgraft.inference.cascading.cascaded import CascadePredictor
    from textgraft.inference.predictor import Predictor
    from textgraft.inference.promised import Promised


class CascadeLane:
    """Runs rows through a chain of models.

    Args:
        predictor: The chain.
        key: Names it among all that are served.
    """

    background = False

    def __init__(self, predictor: CascadePredictor, key: str) -> None:
        self.predictor = predictor
        self.key = ("cascade", key)

    def run(self, batches: Iterator[list[Any]]) -> Iterator[Any]:
        """Run batches of rows; the result of each is the window that was read last, and its logits."""
        for batch in batches:
            names = batch[0]["values"]
            rows = Dataset.unlabelled({name: [row["values"][name] for row in batch] for name in names})
            windows, logits = self.predictor.outputs(rows)
            yield list(zip(windows, logits, strict=True))


class ServedCascade:
    """A chain of models that take requests together.

    Args:
        predictor: The chain.
        reader: Its last model, which says how long texts are and may be.
        key: As for :class:`CascadeLane`.
    """

    def __init__(self, predictor: CascadePredictor, reader: Predictor, key: str) -> None:
        self.predictor = predictor
        self.reader = reader
        self.task = predictor.task
        self.manifest = predictor.manifest
        self.lane = CascadeLane(predictor, key)

    @property
    def engine(self) -> str:
        """What computes each part, and in which precision."""
        return self.predictor.engine

    def windows(self, dataset: Dataset) -> list[Any]:
        """Cut rows as the last model does, and keep of each what the others read."""
        rows = zip(*dataset.columns.values(), strict=True)
        return [
            {**window, "values": dict(zip(dataset.columns, values, strict=True))}
            for window, values in zip(self.reader.windows(dataset), rows, strict=True)
        ]

    def sequences(self, windows: Sequence[Any]) -> list[list[Any]]:
        """Return each row as its only payload."""
        return [[window] for window in windows]

    def tokens(self, payload: Any) -> int:
        """Count the tokens that the last model would read."""
        return self.task.length(payload)

    def decoded(self, results: Sequence[Sequence[Any]]) -> list[Any]:
        """Return what the chain gave for each row."""
        return [result for (result,) in results]

    def predictions(
        self, windows: Sequence[Any], decoded: Sequence[Any], promised: Promised | None = None
    ) -> list[Any]:
        """Return a prediction for each row, held back where it does not reach the chain's threshold."""
        del windows
        read, logits = zip(*decoded, strict=True)
        return self.predictor.decide(self.predictor.predictions(read, logits), promised)
