"""A shallow network on encodings: one linear layer, or two with a hidden layer between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from textgraft.errors import DataError
from textgraft.models.baselines.linear import fit_linear
from textgraft.models.baselines.softmax_regression import Clock
from textgraft.models.losses import ProblemType, sequence_loss
from textgraft.training.batching import bucketed_steps
from textgraft.training.loop import fit
from textgraft.training.objective import Objective, Steps
from textgraft.training.settings import TrainingSettings
from textgraft.training.strength import choose_strength

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Layer = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Weight [outputs, inputs] and bias [outputs]."""
Rows = tuple[NDArray[np.float32], NDArray[Any]]
"""Encodings [rows, size], and what the loss takes of each."""

DROPOUT = 0.3
SETTINGS = TrainingSettings(
    learning_rate=2e-3,
    schedule="constant",
    warmup_fraction=0.0,
    batch_size=64,
    epochs=100,
    patience=5,
    clip_norm=1e6,
    precision="fp32",
)
"""How a network with a hidden layer is trained; it ends when the dev loss no longer falls."""


def fit_shallow(
    encodings: NDArray[np.float32],
    labels: ArrayLike,
    dev_encodings: NDArray[np.float32],
    dev_labels: ArrayLike,
    num_labels: int,
    *,
    problem_type: ProblemType | None = None,
    hidden_size: int = 0,
    c: float | None = None,
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
        c: Inverse strength of the L2 penalty of those, as in scikit-learn; None: the one that is best in
            cross-validation, see :func:`~textgraft.training.strength.choose_strength`.
        seed: Of the folds, and of the hidden-layer network's initial weights, dropout and order.
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
        clock = clock or Clock()
        if c is None:
            c = choose_strength(scaled, np.asarray(labels), num_labels, problem_type, seed=seed, clock=clock)
        linear = fit_linear(scaled, labels, num_labels, c, problem_type, clock)
        layers = [(linear[0].astype(np.float32), linear[1].astype(np.float32))]
    else:
        # Inputs of length one would start the network in the flat part of the loss: each dimension has
        # unit variance.
        width = np.sqrt(np.float32(scaled.shape[1]))
        train = scaled * width, np.asarray(labels)
        dev = (dev_encodings - center) / scale * width, np.asarray(dev_labels)
        objective = _Encodings(train, dev, problem_type)
        (lower, bias), upper = _hidden_layer(objective, num_labels, hidden_size, seed, clock or Clock())
        layers = [(lower * width, bias), upper]
    weight, bias = layers[0]
    weight = weight / scale
    return [(weight, bias - weight @ center), *layers[1:]]


class _Encodings(Objective):
    """Encodings and their labels, to be told by a network [rows, inputs] -> [rows, outputs].

    Args:
        train: Encodings and what the loss takes of each.
        dev: Likewise, held out.
        problem_type: Which loss it is.
    """

    main_metric = "log_likelihood"

    def __init__(self, train: Rows, dev: Rows, problem_type: ProblemType | None) -> None:
        self.train, self.dev = ([torch.from_numpy(part) for part in rows] for rows in (train, dev))
        self.problem_type = problem_type

    def steps(self, epoch: int, settings: TrainingSettings) -> Steps:
        """Return the epoch's batches in random order."""
        return bucketed_steps([1] * len(self.train[0]), epoch, settings)

    def tokens(self, rows: Sequence[int]) -> int:
        """Return the number of rows: here a row costs what a row costs."""
        return len(rows)

    def batch(self, rows: Sequence[int], generator: np.random.Generator) -> dict[str, Tensor]:
        """Take some rows."""
        del generator
        inputs, labels = self.train
        return {"inputs": inputs[list(rows)], "labels": labels[list(rows)]}

    def losses(self, model: nn.Module, batch: Mapping[str, Tensor]) -> tuple[Tensor]:
        """Return the mean loss of some rows."""
        return (sequence_loss(model(batch["inputs"]), batch["labels"], self.problem_type),)

    def counts(self, batch: Mapping[str, Tensor]) -> tuple[float]:
        """Return the number of rows."""
        return (len(batch["labels"]),)

    @torch.inference_mode()
    def evaluate(
        self, model: nn.Module, settings: TrainingSettings, precision: str
    ) -> tuple[dict[str, float], float]:
        """Return the mean loss on the dev rows."""
        del settings, precision
        inputs, labels = (part.to(next(model.parameters()).device) for part in self.dev)
        loss = sequence_loss(model.eval()(inputs), labels, self.problem_type).item()
        return {"log_likelihood": -loss}, loss

    def identity(self) -> str:
        """Return the same for all rows: such a training is too short to be resumed."""
        return "encodings"


def _hidden_layer(
    objective: _Encodings, num_labels: int, hidden_size: int, seed: int, clock: Clock
) -> list[Layer]:
    """Train one hidden layer until the dev loss stops falling; the best epoch's weights count."""
    generator = torch.Generator().manual_seed(seed)
    inputs = objective.train[0].shape[1]
    lower, upper = nn.Linear(inputs, hidden_size), nn.Linear(hidden_size, num_labels)
    for layer in (lower, upper):
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
        nn.init.zeros_(layer.bias)
    network = nn.Sequential(lower, nn.ReLU(), nn.Dropout(DROPOUT), upper)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # steps so small gain nothing by more, and beside a busy neighbour lose much
    try:
        # The loop asks nothing more of a model than any module has.
        settings = SETTINGS.but(seed=seed, max_seconds=clock.left)
        result = fit(cast("PreTrainedModel", network), objective, settings)
    finally:
        torch.set_num_threads(threads)
    clock.was_over |= result.stopped_by == "budget"
    return [
        (layer.weight.detach().cpu().numpy(), layer.bias.detach().cpu().numpy()) for layer in (lower, upper)
    ]
