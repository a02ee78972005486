"""A shallow network on encodings: one linear layer, or two with a hidden layer between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from textgraft.errors import DataError
from textgraft.models.baselines.linear import fit_linear
from textgraft.models.baselines.softmax_regression import Clock
from textgraft.models.losses import ProblemType, sequence_loss

Layer = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Weight [outputs, inputs] and bias [outputs]."""

LEARNING_RATE = 2e-3
BATCH_SIZE = 64
DROPOUT = 0.3
MAX_EPOCHS = 100
WEIGHT_DECAY = 0.01
PATIENCE = 5
"""Epochs without a lower dev loss after which the network stops training."""


def fit_shallow(
    encodings: NDArray[np.float32],
    labels: ArrayLike,
    dev_encodings: NDArray[np.float32],
    dev_labels: ArrayLike,
    num_labels: int,
    *,
    problem_type: ProblemType | None = None,
    hidden_size: int = 0,
    c: float = 1.0,
    seed: int = 0,
    clock: Clock | None = None,
) -> list[Layer]:
    """Fit a shallow network on encodings.

    Encodings are centred and divided by their root mean square length, so that ``c`` means the same for every
    encoder, normalised or not; both are folded into the first layer, which takes the encodings as they are.
    Scaling each dimension by itself was measured and gains nothing.

    Args:
        encodings: Training rows, [rows, size].
        labels: Label index of each, or what else the loss of the problem type takes.
        dev_encodings: Rows that decide when the hidden-layer network stops, [dev rows, size].
        dev_labels: Likewise.
        num_labels: Labels there are; some may have no training row.
        problem_type: As in a Transformers config, see :func:`~textgraft.models.baselines.linear.fit_linear`.
        hidden_size: Units of the hidden layer; 0 makes it logistic or ridge regression.
        c: Inverse strength of the L2 penalty of those, as in scikit-learn.
        seed: Of the hidden-layer network's initial weights, dropout and order.
        clock: Where it runs out, the layers are the best so far.

    Returns:
        The layers, lowest first, with a ReLU between them.

    Raises:
        DataError: There is no training row, or an encoding is not finite.
    """
    if not len(encodings):
        raise DataError("there is no row to train on")
    if not np.isfinite(encodings).all():
        raise DataError("an encoding holds a number that is not finite", fix="Check the encoder's weights.")
    center = encodings.mean(axis=0, dtype=np.float64).astype(np.float32)
    scale = np.float32(max(float(np.sqrt(encodings.var(axis=0, dtype=np.float64).sum())), 1e-6))
    scaled = (encodings - center) / scale
    if hidden_size == 0:
        linear = fit_linear(scaled, labels, num_labels, c, problem_type, clock)
        layers = [(linear[0].astype(np.float32), linear[1].astype(np.float32))]
    else:
        train = scaled, np.asarray(labels)
        dev = (dev_encodings - center) / scale, np.asarray(dev_labels)
        layers = _hidden_layer(train, dev, num_labels, problem_type, hidden_size, seed, clock or Clock())
    weight, bias = layers[0]
    weight = weight / scale
    return [(weight, bias - weight @ center), *layers[1:]]


def _hidden_layer(
    train: tuple[NDArray[np.float32], NDArray[Any]],
    dev: tuple[NDArray[np.float32], NDArray[Any]],
    num_labels: int,
    problem_type: ProblemType | None,
    hidden_size: int,
    seed: int,
    clock: Clock,
) -> list[Layer]:
    """Train one hidden layer with AdamW until the dev loss stops falling; the best epoch's weights count."""
    generator = torch.Generator().manual_seed(seed)
    inputs = train[0].shape[1]
    lower, upper = nn.Linear(inputs, hidden_size), nn.Linear(hidden_size, num_labels)
    for layer in (lower, upper):
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
        nn.init.zeros_(layer.bias)
    # Inputs of length one would start the network in the flat part of the loss: unit variance a dimension.
    width = float(np.sqrt(inputs))
    x, y = torch.from_numpy(train[0] * width), torch.from_numpy(train[1])
    dev_x, dev_y = torch.from_numpy(dev[0] * width), torch.from_numpy(dev[1])
    parameters = [*lower.parameters(), *upper.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    best_loss, best_epoch, best = float("inf"), 0, [parameter.detach().clone() for parameter in parameters]
    for epoch in range(MAX_EPOCHS):
        for rows in torch.randperm(len(x), generator=generator).split(BATCH_SIZE):
            kept = torch.rand(len(rows), hidden_size, generator=generator) >= DROPOUT
            hidden = torch.relu(lower(x[rows])) * kept / (1 - DROPOUT)
            loss = sequence_loss(upper(hidden), y[rows], problem_type)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            dev_loss = sequence_loss(upper(torch.relu(lower(dev_x))), dev_y, problem_type).item()
        if dev_loss < best_loss:
            best_loss, best_epoch = dev_loss, epoch
            best = [parameter.detach().clone() for parameter in parameters]
        elif epoch - best_epoch >= PATIENCE:
            break
        if clock.is_over():
            break
    lower_weight, lower_bias, upper_weight, upper_bias = (parameter.numpy() for parameter in best)
    return [(lower_weight * width, lower_bias), (upper_weight, upper_bias)]
