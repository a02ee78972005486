"""How a model is run over windows of rows, and what its outputs score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypedDict, TypeVar

import numpy as np
from numpy.typing import NDArray

from textgraft.evaluation.intervals import Scale

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class Features(TypedDict, total=False):
    """One window of a row, ready for batching; tasks whose windows hold more declare their own record."""

    input_ids: list[Any]
    """Ids of its tokens, special ones included, not padded; of several choices, a list of ids for each. Only
    a source that is no text has none."""
    token_type_ids: list[Any]
    """Which text of a pair each token is of, likewise; where the model reads them."""
    row: int
    """Position of its row in the data set."""
    lost: int
    """Tokens of the row that no window holds, as it was longer than the model reads."""
    labels: Any
    """What the loss takes as target; where the row has one."""
    gold: Any
    """The row's target as :meth:`textgraft.tasks.base.Task.targets` gives it, likewise."""


W = TypeVar("W", bound=Features)
"""The record that a task's windows are."""


class Scoring(ABC, Generic[W]):
    """From windows to batches, from batches to outputs, from outputs to answers, from answers to scores."""

    main_metric: str
    """The key of :meth:`metrics` that early stopping and comparison go by; larger is better."""
    scales: ClassVar[Mapping[str, Scale]] = {}
    """What values the metrics can take that are no shares from 0 to 1."""

    def length(self, feature: W) -> int:
        """Return the tokens that a window takes in a batch."""
        return len(feature["input_ids"])

    def sides(self, feature: W) -> tuple[int, ...]:
        """Return the tokens of each sequence that is padded by itself: what batches are filled by."""
        return (self.length(feature),)

    def learned(self, feature: W) -> list[Any]:
        """Return what of a window with a target training depends on."""
        return [feature["input_ids"], feature["labels"]]

    @abstractmethod
    def collate(self, features: Sequence[W], pad_token_id: int) -> dict[str, torch.Tensor]:
        """Make one right-padded batch: input_ids and attention_mask [batch, time], and labels if known."""

    def outputs(self, model: PreTrainedModel, batch: Mapping[str, torch.Tensor]) -> Any:
        """Run a model on a batch: once, unless answers are generated."""
        return model(**batch)

    def loss_count(self, batch: Mapping[str, torch.Tensor]) -> float:
        """Return what the loss of a batch is the mean over: how many rows, words or predicted tokens."""
        return len(next(iter(batch.values())))

    @abstractmethod
    def decode(self, outputs: Any, features: Sequence[W]) -> list[Any]:
        """Keep of the outputs for one batch what each window needs, on the CPU, unpadded."""

    @abstractmethod
    def predictions(
        self, features: Sequence[W], decoded: Sequence[Any], temperature: float = 1.0
    ) -> list[Any]:
        """Put the windows together to one :class:`~textgraft.tasks.base.Prediction` a row, in their order.

        Args:
            features: The windows of the rows; what is needed of a row's text stands in its windows.
            decoded: What :meth:`decode` kept of each window.
            temperature: Divides the logits before they become probabilities.
        """

    @abstractmethod
    def weighted_metrics(
        self, gold: Sequence[Any], answers: Sequence[Any], weights: NDArray[np.float32]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Score one list of answers under many weightings of its rows.

        Args:
            gold: The target of each row.
            answers: ``prediction.answer`` of each row.
            weights: How often each row counts, [rows, resamples].

        Returns:
            For each metric its value under each weighting, [resamples]; larger is better.
        """

    def evidence(self, gold: Sequence[Any]) -> Mapping[str, float]:
        """Return for metrics that do not rest on all rows alike how many rows a perfect score rests on.

        0 says that there are too few for an interval.
        """
        del gold
        return {}

    def metrics(self, gold: Sequence[Any], answers: Sequence[Any]) -> dict[str, float]:
        """Score answers against gold targets."""
        weights = np.ones((len(gold), 1), dtype=np.float32)
        return {
            name: float(values[0]) for name, values in self.weighted_metrics(gold, answers, weights).items()
        }
