"""What the training loop needs to know of its objective: a task on its rows, or pre-training on text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from transformers import PreTrainedModel

    from textgraft.training.settings import TrainingSettings

Steps = Sequence[Sequence[Sequence[int]]]
"""Optimizer steps; each a list of batches; a batch a list of example numbers."""


class Objective(ABC):
    """What a run trains on: its examples, their batches, the loss, and how the model scores on held-out ones.

    All but :meth:`loss` and :meth:`evaluate` are functions of their arguments alone, so that a run which was
    stopped goes on as if it had not been. State that a step hands to the next goes through :meth:`carried`.
    """

    divisible: bool = True
    """Whether the loss of a batch is a mean over its rows, each by itself, so that several processes can have
    a part of a batch each. Otherwise they have whole ones."""
    main_metric: str
    """The key of :meth:`evaluate`'s metrics that decides which weights are best; larger is better."""

    def begin(self, settings: TrainingSettings) -> None:  # noqa: B027  most need nothing
        """Called once before training."""

    @abstractmethod
    def steps(self, epoch: int, settings: TrainingSettings) -> Steps:
        """Return the optimizer steps of an epoch, each of at most ``accumulation`` batches.

        Args:
            epoch: Counted from 0.
            settings: The seed, the size of batches and their accumulation.
        """

    def ids_in_use(self) -> Tensor | None:
        """Return all token ids that :meth:`batch` and :meth:`evaluate` give the model, each once.

        None where they cannot be told: then every word of the vocabulary counts as used.
        """
        return None

    @abstractmethod
    def tokens(self, rows: Sequence[int]) -> int:
        """Return how many tokens a batch of these examples trains on: what cost is measured by."""

    def held_out_tokens(self) -> int:
        """Return how many tokens :meth:`evaluate` reads; tells when to end so that it fits into a budget."""
        return 0

    @abstractmethod
    def batch(self, rows: Sequence[int], generator: np.random.Generator) -> dict[str, Tensor]:
        """Make one batch.

        Args:
            rows: Example numbers.
            generator: Source of all randomness, as that of masking; it is the same for the same batch of the
                same step, whichever process makes it.
        """

    def part(
        self, rows: Sequence[int], generator: np.random.Generator, part: int, parts: int
    ) -> dict[str, Tensor]:
        """Make what one of several processes computes of a batch: every so many-th row of it.

        Together the parts are the batch, with the same masked words. Here all of it is made, and rows taken
        of every tensor; an objective whose tensors are not of one row each does otherwise.

        Args:
            rows: Example numbers of the whole batch, at least ``part + 1``.
            generator: As of :meth:`batch`.
            part: From 0 to ``parts - 1``.
            parts: How many there are.
        """
        return {name: tensor[part::parts] for name, tensor in self.batch(rows, generator).items()}

    @abstractmethod
    def losses(self, model: PreTrainedModel, batch: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """Return the loss of a batch, a scalar, or the terms that add up to it.

        Calls ``model`` itself, not its parts. Terms are apart that are means over different things, as masked
        tokens and pairs of sentences: so that a step's gradient does not depend on how its examples meet in
        batches, each term is weighed by what it is a mean over.
        """

    @abstractmethod
    def counts(self, batch: Mapping[str, Tensor]) -> tuple[float, ...]:
        """Return how many rows, words or tokens each term of :meth:`losses` is the mean over."""

    @abstractmethod
    def evaluate(
        self, model: PreTrainedModel, settings: TrainingSettings, precision: str
    ) -> tuple[dict[str, float], float]:
        """Return metrics and the mean loss on the held-out examples; leaves the model in evaluation mode."""

    @abstractmethod
    def identity(self) -> str:
        """Return a hash of all that the result of training depends on, besides model and settings."""

    def carried(self) -> dict[str, Tensor]:
        """Return the state that the last step left on this process for the next one."""
        return {}

    def merged(self, pieces: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Return the whole state, as checkpoints hold it, of what each process carries.

        It does not depend on how many they are.
        """
        return dict(pieces[0])

    def carry(self, tensors: Mapping[str, Tensor]) -> None:  # noqa: B027  most carry nothing
        """Put back what :meth:`merged` returned, or of it what this process needs."""
