"""Heads on tokens: a row of outputs for each, of which a task keeps what a window answers for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from textgraft.serving.light.model import Layers, LightModel, types_of
from textgraft.serving.light.states import States
from textgraft.tasks.spans.question_answering import QuestionAnswering
from textgraft.tasks.spans.token_classification import TokenClassification
from textgraft.tokenization.word_shapes import WORD_SHAPES, shape_places

if TYPE_CHECKING:
    from textgraft.tasks.base import Task

TokenTask = TokenClassification | QuestionAnswering


@dataclass
class TokensLane:
    """Runs windows of a task, each to what the task keeps of its tokens' outputs."""

    states: States
    layers: Layers
    task: TokenTask
    shapes: NDArray[np.float32] | None = None
    """What each way of writing a word, and its neighbours, tells the head; None: it is not told."""
    background: bool = False

    @property
    def key(self) -> Any:
        """Apart from other graphs, and from the same with another task's options."""
        return ("tokens", self.states.key, repr(sorted(self.task.settings().items())))

    def run(self, batches: Iterator[list[Any]]) -> Iterator[Any]:
        """Run batches of windows."""
        held: list[list[Any]] = []

        def sequences() -> Iterator[list[tuple[list[int], list[int]]]]:
            for batch in batches:
                held.append(batch)
                yield [(ids := window["input_ids"], types_of(window, len(ids))) for window in batch]

        for states, mask in self.states.run(sequences()):
            windows = held.pop(0)
            outputs = self.layers(self._told(states, mask, windows))
            kept: list[Any] = [
                self.task.of_tokens(logits, window) for logits, window in zip(outputs, windows, strict=True)
            ]
            yield kept

    def _told(
        self, states: NDArray[np.float32], mask: NDArray[np.int64], windows: Sequence[Any]
    ) -> NDArray[np.float32]:
        """Return states with what the head is told of the writing of words beside them, if it is."""
        if self.shapes is None:
            return states
        written = np.zeros(mask.shape, dtype=np.int64)
        written[mask > 0] = np.concatenate([window[WORD_SHAPES] for window in windows])
        told = self.shapes[shape_places(written)].reshape(*mask.shape, -1)
        return np.concatenate([states, told], axis=-1)


@dataclass
class LightTokens(LightModel):
    """A graft that tags words, or finds answers."""

    def sequences(self, windows: Sequence[Any]) -> list[list[Any]]:
        """Return each window as its only payload."""
        return [[window] for window in windows]

    def tokens(self, payload: Any) -> int:
        """Count the tokens of a window."""
        return len(payload["input_ids"])

    def decoded(self, results: Sequence[Sequence[Any]]) -> list[Any]:
        """Return what was kept of each window."""
        return [result for (result,) in results]

    def for_task(self, task: Task[Any], max_length: int | None = None) -> Self:
        """Return the model for a task with other options, and for shorter windows if need be."""
        assert isinstance(self.lane, TokensLane)
        assert isinstance(task, TokenTask)
        made = replace(self, task=task, lane=replace(self.lane, task=task))
        made.max_length = max_length or self.max_length
        return made
