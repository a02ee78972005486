"""What models of texts and models of tokens share when numpy computes their heads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from textgraft.data.dataset import Dataset
from textgraft.errors import ModelError
from textgraft.evaluation.promises import Threshold
from textgraft.inference.promised import Promised
from textgraft.models.known import KnownTexts
from textgraft.models.manifest import WEIGHTS, Manifest
from textgraft.serving.light.states import Arrays, LightTokenizer
from textgraft.serving.queueing import Lane
from textgraft.tasks.targets import decided
from textgraft.training.batching import token_budget_batches

if TYPE_CHECKING:
    from textgraft.tasks.base import Task

MAX_TOKENS = 768
MAX_SEQUENCES = 64


@dataclass(frozen=True)
class Layers:
    """The layers of a head, the lowest first."""

    maps: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]
    """Weight [outputs, inputs] and bias [outputs] of each."""

    @classmethod
    def of(cls, tensors: Arrays) -> Self:
        """Take the layers out of a graft's weights.

        Raises:
            ModelError: One is missing.
        """
        count = sum(name.startswith("layers.") and name.endswith(".weight") for name in tensors)
        try:
            maps = tuple((tensors[f"layers.{n}.weight"], tensors[f"layers.{n}.bias"]) for n in range(count))
        except KeyError as error:
            raise ModelError(
                f"the head has no {error}", where=WEIGHTS, fix="Copy the folder again."
            ) from error
        return cls(maps)

    def __call__(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the outputs [..., outputs] of states [..., inputs]."""
        return self.last(self.hidden(states))

    def hidden(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the last layer reads [..., size] of states [..., inputs]."""
        for inner, offset in self.maps[:-1]:
            states = np.maximum(states @ inner.T + offset, 0)
        return states

    def last(self, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the outputs [..., outputs] of what the last layer reads [..., size]."""
        weight, bias = self.maps[-1]
        outputs: NDArray[np.float32] = hidden @ weight.T + bias
        return outputs


@dataclass
class LightModel(ABC):
    """A graft, ready to answer without torch. See :func:`~textgraft.serving.light.opening.open_light`."""

    manifest: Manifest
    task: Task[Any]
    lane: Lane
    engine: str
    tokenizer: LightTokenizer
    max_length: int = field(init=False)
    temperature: float = field(init=False)
    threshold: Threshold | None = field(init=False)
    known: KnownTexts | None = field(init=False, default=None)
    """Where its training texts lie, if that was kept."""

    def __post_init__(self) -> None:
        self.max_length = self.manifest.max_length
        self.temperature = self.manifest.temperature
        self.threshold = self.manifest.threshold

    @abstractmethod
    def sequences(self, windows: Sequence[Any]) -> list[list[Any]]:
        """Return the payloads of each window."""

    @abstractmethod
    def tokens(self, payload: Any) -> int:
        """Count the tokens of a payload."""

    @abstractmethod
    def decoded(self, results: Sequence[Sequence[Any]]) -> list[Any]:
        """Return what the task keeps of each window, from the results of its payloads."""

    def windows(self, dataset: Dataset) -> list[Any]:
        """Cut rows, labelled or not, into windows that the model reads."""
        tokenizer: Any = self.tokenizer
        return self.task.features(replace(dataset, labels=None), tokenizer, self.max_length)

    def predictions(
        self, windows: Sequence[Any], decoded: Sequence[Any], promised: Promised | None = None
    ) -> list[Any]:
        """Return a prediction for each row, held back where it does not reach the model's threshold."""
        made = self.task.predictions(windows, decoded, self.temperature)
        answers = decided(self.task, made, self.threshold)
        return (promised or Promised()).beside(answers, made, self.manifest, self.known)

    def outputs(
        self,
        dataset: Dataset,
        on_progress: Callable[[int], None] | None = None,
        choose: Callable[[list[Any]], list[Any]] | None = None,
    ) -> tuple[list[Any], list[Any]]:
        """Run the model over rows at once, as a predictor does; pipelines call it."""
        del on_progress
        windows = self.windows(dataset)
        if choose is not None:
            windows = choose(windows)
        sequences = self.sequences(windows)
        payloads = [payload for own in sequences for payload in own]
        batches = token_budget_batches(
            [self.tokens(payload) for payload in payloads],
            max_tokens=MAX_TOKENS,
            max_sequences=MAX_SEQUENCES,
            generator=None,
        )
        found: list[Any] = [None] * len(payloads)
        given: Iterator[list[Any]] = iter([[payloads[place] for place in batch] for batch in batches])
        for batch, results in zip(batches, self.lane.run(given), strict=True):
            for place, result in zip(batch, results, strict=True):
                found[place] = result
        results = iter(found)
        return windows, self.decoded([[next(results) for _ in own] for own in sequences])

    def predict_rows(self, dataset: Dataset) -> list[Any]:
        """Return one prediction a row, whatever the threshold."""
        windows, decoded = self.outputs(dataset)
        return self.task.predictions(windows, decoded, self.temperature)


def types_of(window: Mapping[str, Any], length: int) -> list[int]:
    """Return which text of a pair each token is of; pairs are never cut into pieces."""
    types: list[int] = window.get("token_type_ids") or []
    return types if len(types) == length else [0] * length
