"""The loss of a batch: the model's own, or cross entropy with weights against imbalance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from textgraft.errors import OptionError
from textgraft.tasks.base import Features


def balanced_class_weights(features: Sequence[Features]) -> Tensor:
    """Return the weight of each label, rows / (labels · rows of the label), float32 [labels].

    Weighted so, every label contributes equally and the mean weight of a row is one (King and Zeng 2001).

    Raises:
        OptionError: The targets are not one label index a row.
    """
    labels = [feature["labels"] for feature in features]
    if not all(isinstance(label, int) for label in labels):
        raise OptionError(
            "class_weights='balanced' needs one label a row",
            where="training setting 'class_weights'",
            fix="Use class_weights='none' for this task.",
        )
    counts = np.bincount(labels)
    weights = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return torch.tensor(weights, dtype=torch.float32)


def batch_loss(outputs: Any, batch: Mapping[str, Tensor], class_weights: Tensor | None) -> Tensor:
    """Return the mean loss over the rows of a batch, a scalar.

    Args:
        outputs: A Transformers model's outputs, computed with labels.
        batch: The model's inputs, with ``labels`` [batch].
        class_weights: Weight of each label that occurs in training, or None for the model's own loss.
    """
    if class_weights is None:
        return outputs.loss
    logits, labels = outputs.logits.float(), batch["labels"]
    # A label met only among the dev rows has no weight and does not count.
    weights = functional.pad(class_weights, (0, logits.shape[-1] - len(class_weights))).to(logits.device)
    rows = functional.cross_entropy(logits, labels, reduction="none")
    # Divided by the rows, not by their weights: otherwise a row's weight would depend on its batch.
    return (rows * weights[labels]).mean()
