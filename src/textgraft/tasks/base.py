"""What a task is: its columns become tensors, a model's outputs become predictions, predictions get scores.

Tasks know nothing of architectures; models know nothing of columns. A new task is one file beside this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast

    from textgraft.data.dataset import Dataset

Features = dict[str, Any]
"""One row ready for batching: ``input_ids`` (special tokens included, not padded) and the task's targets."""


class Task(Protocol):
    """The contract between data, models and the training loop."""

    name: str
    """As written after ``--task`` and in textgraft.json."""
    main_metric: str
    """The key of :meth:`metrics` that early stopping and comparison go by; larger is better."""

    def features(
        self, dataset: Dataset, tokenizer: PreTrainedTokenizerFast, max_length: int
    ) -> list[Features]:
        """Turn rows into features, in order; inputs longer than ``max_length`` tokens are cut."""
        ...

    def collate(self, features: Sequence[Features], pad_token_id: int) -> dict[str, torch.Tensor]:
        """Make one right-padded batch: input_ids and attention_mask [batch, time], and labels if known."""
        ...

    def decode(self, outputs: Any) -> list[Any]:
        """Turn a model's outputs for one batch into one prediction a row."""
        ...

    def metrics(self, gold: Sequence[Any], predictions: Sequence[Any]) -> dict[str, float]:
        """Score decoded predictions against gold targets; every value lies where larger is better."""
        ...
