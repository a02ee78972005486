"""Tasks of long range whose distance can be chosen: what is asked at the end stands so many steps earlier."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

SYMBOLS, NOISE = 8, 8
"""Different symbols to be remembered, and different ones to be ignored."""
ASK = 1 + SYMBOLS + NOISE
"""Id of the token that asks for the answer; 0 is padding, 1 to 8 are symbols, 9 to 16 noise."""
VOCABULARY = ASK + 1


class Drawn(NamedTuple):
    """Sequences of one length."""

    inputs: NDArray[np.float32] | NDArray[np.int64]
    """Token ids [rows, time], or numbers [rows, time, channels]."""
    targets: NDArray[np.float32] | NDArray[np.int64]
    """What the network is to answer at the last steps, [rows, answers]."""


class SyntheticTask(ABC):
    """Draws sequences, and judges answers."""

    name: ClassVar[str]
    title: ClassVar[str]
    outputs: ClassVar[int]
    """Numbers that the network gives at every step."""
    chance: ClassVar[float]
    """Accuracy of the best answer that knows nothing of the sequence."""

    @abstractmethod
    def draw(self, rows: int, steps: int, generator: np.random.Generator) -> Drawn:
        """Draw sequences in which what is asked stands ``steps`` steps before it is asked for."""

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of outputs [rows, answers, outputs] against targets [rows, answers]."""
        from torch.nn import functional

        return functional.cross_entropy(outputs.flatten(0, 1), targets.flatten())

    def right(self, outputs: Tensor, targets: Tensor) -> NDArray[np.float64]:
        """Return the share of right answers of each row, [rows]."""
        found: NDArray[np.float64] = (outputs.argmax(dim=-1) == targets).double().mean(dim=1).numpy()
        return found


class Recall(SyntheticTask):
    """Which of eight symbols stood first; all between is noise."""

    name, title = "recall", "recall of the first token"
    outputs, chance = SYMBOLS, 1 / SYMBOLS

    def draw(self, rows: int, steps: int, generator: np.random.Generator) -> Drawn:
        """Draw a symbol, noise, and the question."""
        ids = generator.integers(1 + SYMBOLS, ASK, (rows, steps + 1))
        ids[:, 0] = generator.integers(1, 1 + SYMBOLS, rows)
        ids[:, -1] = ASK
        return Drawn(ids, ids[:, :1] - 1)


class Copy(SyntheticTask):
    """Which symbols stood first, in their order (Hochreiter and Schmidhuber 1997; Arjovsky et al. 2016)."""

    name, title = "copy", "copying the first five tokens"
    outputs, chance = SYMBOLS, 1 / SYMBOLS
    length = 5

    def draw(self, rows: int, steps: int, generator: np.random.Generator) -> Drawn:
        """Draw five symbols, filling, and a question for each; of fewer steps, fewer symbols."""
        count = min(self.length, steps)
        ids = np.full((rows, steps + count), 1 + SYMBOLS)
        ids[:, :count] = generator.integers(1, 1 + SYMBOLS, (rows, count))
        ids[:, -count:] = ASK
        return Drawn(ids, ids[:, :count] - 1)


class Adding(SyntheticTask):
    """What the sum of the two marked numbers is (Hochreiter and Schmidhuber 1997, experiment 4).

    The first is marked, and one of the others. Right is what is off by less than 0.04, as in the paper; who
    always says 1, the mean, is right in 8 of 100 cases.
    """

    name, title = "adding", "adding two marked numbers"
    outputs, chance = 1, 0.0784
    tolerance = 0.04

    def draw(self, rows: int, steps: int, generator: np.random.Generator) -> Drawn:
        """Draw numbers from 0 to 1, each with a mark of 0 or 1, in two channels."""
        inputs = np.zeros((rows, steps + 1, 2), dtype=np.float32)
        inputs[..., 0] = generator.random((rows, steps + 1))
        second = generator.integers(1, steps + 1, rows)
        inputs[:, 0, 1] = 1
        inputs[np.arange(rows), second, 1] = 1
        return Drawn(inputs, (inputs[..., 0] * inputs[..., 1]).sum(axis=1, keepdims=True))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean squared error."""
        from torch.nn import functional

        return functional.mse_loss(outputs.squeeze(-1), targets)

    def right(self, outputs: Tensor, targets: Tensor) -> NDArray[np.float64]:
        """Return 1 where a sum is off by less than the tolerance."""
        near: NDArray[np.float64] = (
            ((outputs.squeeze(-1) - targets).abs() < self.tolerance).double().mean(dim=1).numpy()
        )
        return near


TASKS: dict[str, SyntheticTask] = {task.name: task for task in (Recall(), Copy(), Adding())}
