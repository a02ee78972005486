"""A shallow network on encodings: logistic regression, or one hidden layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from textgraft.errors import DataError

Layer = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Weight [outputs, inputs] and bias [outputs]."""

UNSEEN_LOGIT = -10.0
"""How far below the other labels' intercepts a label lies that no training row has."""
LEARNING_RATE = 2e-3
BATCH_SIZE = 64
DROPOUT = 0.3
MAX_EPOCHS = 100
WEIGHT_DECAY = 0.01
PATIENCE = 5
"""Epochs without a lower dev loss after which the network stops training."""


def fit_shallow(
    encodings: NDArray[np.float32],
    labels: Sequence[int] | NDArray[np.int64],
    dev_encodings: NDArray[np.float32],
    dev_labels: Sequence[int] | NDArray[np.int64],
    num_labels: int,
    *,
    hidden_size: int = 0,
    c: float = 1.0,
    seed: int = 0,
) -> list[Layer]:
    """Fit a classifier on encodings.

    Encodings are centred and divided by their root mean square length, so that ``c`` means the same for every
    encoder, normalised or not; both are folded into the first layer, which takes the encodings as they are.
    Scaling each dimension by itself was measured and gains nothing.

    Args:
        encodings: Training rows, [rows, size].
        labels: Label index of each.
        dev_encodings: Rows that decide when the hidden-layer network stops, [dev rows, size].
        dev_labels: Label index of each.
        num_labels: Labels there are; some may have no training row.
        hidden_size: Units of the hidden layer; 0 makes it logistic regression.
        c: Inverse strength of the L2 penalty of logistic regression, as in scikit-learn.
        seed: Of the hidden-layer network's initial weights, dropout and order.

    Returns:
        The layers, lowest first, with a ReLU between them.

    Raises:
        DataError: There is no training row, or an encoding is not finite.
    """
    targets, dev_targets = np.asarray(labels, dtype=np.int64), np.asarray(dev_labels, dtype=np.int64)
    if not len(encodings):
        raise DataError("there is no row to train on")
    if not np.isfinite(encodings).all():
        raise DataError("an encoding holds a number that is not finite", fix="Check the encoder's weights.")
    center = encodings.mean(axis=0, dtype=np.float64).astype(np.float32)
    scale = np.float32(max(float(np.sqrt(encodings.var(axis=0, dtype=np.float64).sum())), 1e-6))
    scaled = (encodings - center) / scale
    if hidden_size == 0:
        layers = [_logistic_regression(scaled, targets, num_labels, c)]
    else:
        dev_scaled = (dev_encodings - center) / scale
        layers = _hidden_layer(scaled, targets, dev_scaled, dev_targets, num_labels, hidden_size, seed)
    weight, bias = layers[0]
    weight = weight / scale
    return [(weight, bias - weight @ center), *layers[1:]]


def _logistic_regression(
    encodings: NDArray[np.float32], targets: NDArray[np.int64], num_labels: int, c: float
) -> Layer:
    """Fit multinomial logistic regression; labels without rows get a low constant logit."""
    from sklearn.linear_model import LogisticRegression

    weight = np.zeros((num_labels, encodings.shape[1]), dtype=np.float32)
    present = np.unique(targets)
    intercept: NDArray[np.floating] = np.zeros(len(present))
    if len(present) > 1:
        regression = LogisticRegression(C=c, max_iter=1000).fit(encodings, targets)
        rows, intercept = regression.coef_, regression.intercept_
        if len(present) == 2:
            # scikit-learn keeps one row for two labels: the logit of the second over the first.
            rows, intercept = np.concatenate([-rows, rows]) / 2, np.concatenate([-intercept, intercept]) / 2
        weight[present] = rows
    bias = np.full(num_labels, intercept.min() + UNSEEN_LOGIT, dtype=np.float32)
    bias[present] = intercept
    return weight, bias


def _hidden_layer(
    encodings: NDArray[np.float32],
    targets: NDArray[np.int64],
    dev_encodings: NDArray[np.float32],
    dev_targets: NDArray[np.int64],
    num_labels: int,
    hidden_size: int,
    seed: int,
) -> list[Layer]:
    """Train one hidden layer with AdamW until the dev loss stops falling; the best epoch's weights count."""
    generator = torch.Generator().manual_seed(seed)
    lower, upper = nn.Linear(encodings.shape[1], hidden_size), nn.Linear(hidden_size, num_labels)
    for layer in (lower, upper):
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
        nn.init.zeros_(layer.bias)
    # Inputs of length one would start the network in the flat part of the loss: unit variance a dimension.
    width = float(np.sqrt(encodings.shape[1]))
    x, y = torch.from_numpy(encodings * width), torch.from_numpy(targets)
    dev_x, dev_y = torch.from_numpy(dev_encodings * width), torch.from_numpy(dev_targets)
    parameters = [*lower.parameters(), *upper.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    best_loss, best_epoch, best = float("inf"), 0, [parameter.detach().clone() for parameter in parameters]
    for epoch in range(MAX_EPOCHS):
        for rows in torch.randperm(len(x), generator=generator).split(BATCH_SIZE):
            kept = torch.rand(len(rows), hidden_size, generator=generator) >= DROPOUT
            hidden = torch.relu(lower(x[rows])) * kept / (1 - DROPOUT)
            loss = nn.functional.cross_entropy(upper(hidden), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            dev_loss = nn.functional.cross_entropy(upper(torch.relu(lower(dev_x))), dev_y).item()
        if dev_loss < best_loss:
            best_loss, best_epoch = dev_loss, epoch
            best = [parameter.detach().clone() for parameter in parameters]
        elif epoch - best_epoch >= PATIENCE:
            break
    lower_weight, lower_bias, upper_weight, upper_bias = (parameter.numpy() for parameter in best)
    return [(lower_weight * width, lower_bias), (upper_weight, upper_bias)]
