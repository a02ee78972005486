"""The loss of a head, where the configuration names no problem."""

from __future__ import annotations

import torch
from torch.nn import functional

from textgraft.models.losses import sequence_loss

LOGITS = torch.tensor([[0.2, -1.0, 0.4], [1.5, 0.1, -0.3]])


def test_indices_given_labels_and_numbers_are_told_apart():
    indices, given = torch.tensor([2, 0]), torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
    assert torch.equal(sequence_loss(LOGITS, indices, None), functional.cross_entropy(LOGITS, indices))
    several = functional.binary_cross_entropy_with_logits(LOGITS, given)
    assert torch.equal(sequence_loss(LOGITS, given, None), several)
    numbers = torch.tensor([1.0, 2.0])
    squared = functional.mse_loss(LOGITS[:, 0], numbers)
    assert torch.equal(sequence_loss(LOGITS[:, :1], numbers, None), squared)
    assert torch.equal(sequence_loss(LOGITS[:, :1], numbers.long(), None), squared)
