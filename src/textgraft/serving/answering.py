"""Predictions: the rows of a task to its answers, window by window in batches that all requests share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from textgraft.data.dataset import Dataset
from textgraft.errors import TextgraftError
from textgraft.inference.promised import Promised
from textgraft.serving.prepared import Prepared, as_input_error, refuse_long
from textgraft.serving.queueing import Lane
from textgraft.side_by_side import in_order

if TYPE_CHECKING:
    from textgraft.inference.predictor import Predictor
    from textgraft.models.manifest import Manifest
    from textgraft.tasks.base import Task


class Answering(Protocol):
    """A model that answers rows, in steps."""

    @property
    def task(self) -> Task[Any]:
        """What its rows are."""
        ...

    @property
    def manifest(self) -> Manifest | None:
        """What it may promise; None where that is not known."""
        ...

    @property
    def lane(self) -> Lane:
        """What computes its payloads."""
        ...

    @property
    def engine(self) -> str:
        """What computes, and in which precision."""
        ...

    def windows(self, dataset: Dataset) -> list[Any]:
        """Cut rows into windows."""
        ...

    def sequences(self, windows: Sequence[Any]) -> list[list[Any]]:
        """Return the payloads of each window."""
        ...

    def tokens(self, payload: Any) -> int:
        """Count the tokens of a payload."""
        ...

    def decoded(self, results: Sequence[Sequence[Any]]) -> list[Any]:
        """Return what the task keeps of each window, from the results of its payloads."""
        ...

    def predictions(
        self, windows: Sequence[Any], decoded: Sequence[Any], promised: Promised | None = None
    ) -> list[Any]:
        """Return a prediction for each row, with what is asked for beside it."""
        ...


class WindowLane:
    """Runs the windows of a predictor.

    Args:
        predictor: Of any task.
        key: Names it among all that are served.
        background: Whether it runs only while nothing else waits.
    """

    def __init__(self, predictor: Predictor, key: str, *, background: bool = False) -> None:
        self.predictor = predictor
        self.key = ("windows", key)
        self.background = background

    def run(self, batches: Iterator[list[Any]]) -> Iterator[Any]:
        """Run batches of windows, as many at a time as the engine computes."""
        return in_order(self.predictor.run, batches, self.predictor.runner.open().at_once)


class ServedPredictor:
    """A model of any task, its encoder on an engine and its head in torch.

    Args:
        predictor: The model.
        key: As for :class:`WindowLane`.
    """

    def __init__(self, predictor: Predictor, key: str) -> None:
        self.predictor = predictor
        self.task = predictor.task
        self.manifest = predictor.manifest
        self.lane = WindowLane(predictor, key)

    @property
    def engine(self) -> str:
        """What computes, and in which precision."""
        return self.predictor.engine

    def windows(self, dataset: Dataset) -> list[Any]:
        """Cut rows into windows."""
        return self.predictor.windows(dataset)

    def sequences(self, windows: Sequence[Any]) -> list[list[Any]]:
        """Return each window as its only payload."""
        return [[window] for window in windows]

    def tokens(self, payload: Any) -> int:
        """Count the tokens of a window."""
        return int(sum(self.task.sides(payload)))

    def decoded(self, results: Sequence[Sequence[Any]]) -> list[Any]:
        """Return what was kept of each window."""
        return [result for (result,) in results]

    def predictions(
        self, windows: Sequence[Any], decoded: Sequence[Any], promised: Promised | None = None
    ) -> list[Any]:
        """Return a prediction for each row, held back where it does not reach the model's threshold."""
        return self.predictor.decide(self.predictor.predictions(windows, decoded), promised)


def prepare_rows(
    model: Answering,
    inputs: list[Any],
    *,
    truncate: bool,
    lane: Lane | None = None,
    promised: Promised | None = None,
) -> Prepared:
    """Make inputs ready for a model.

    Args:
        model: The model.
        inputs: As its task's ``rows`` takes them, at least one.
        truncate: Whether the beginning of a longer input is read.
        lane: In place of the model's own, one that computes the same.
        promised: What is to come with answers.

    Raises:
        InputError: An input is not of the form that the task takes, or too long; or the model cannot promise
            that.
    """
    try:
        if promised:
            promised.check(model.manifest)
        return prepare_dataset(
            model, model.task.rows(inputs), truncate=truncate, lane=lane, promised=promised
        )
    except TextgraftError as error:
        raise as_input_error(error) from error


def prepare_dataset(
    model: Answering,
    rows: Dataset,
    *,
    truncate: bool,
    lane: Lane | None = None,
    promised: Promised | None = None,
) -> Prepared:
    """Make rows ready for a model.

    Args:
        model: The model.
        rows: At least one.
        truncate: As for :func:`prepare_rows`.
        lane: As there.
        promised: As there.

    Raises:
        InputError: A row is too long.
    """
    windows = model.windows(rows)
    kept, lost = [0] * len(rows), [0] * len(rows)
    for window in windows:
        kept[window["row"]] += model.task.length(window)
        lost[window["row"]] += window.get("lost", 0)
    if not truncate and any(lost):
        longest = next(place for place, tokens in enumerate(lost) if tokens)
        refuse_long([a + b for a, b in zip(kept, lost, strict=True)], kept[longest])
    sequences = model.sequences(windows)
    payloads = [payload for own in sequences for payload in own]

    def finish(results: list[Any]) -> list[Any]:
        given = iter(results)
        decoded = model.decoded([[next(given) for _ in own] for own in sequences])
        return model.predictions(windows, decoded, promised)

    tokens = [model.tokens(payload) for payload in payloads]
    return Prepared(lane or model.lane, payloads, tokens, finish, kept, lost)
