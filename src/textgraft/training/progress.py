"""What a training run tells while it lasts and when it ends."""

from __future__ import annotations

from dataclasses import dataclass

from textgraft.errors import TextgraftError


class DivergenceError(TextgraftError):
    """The loss became infinite, not a number, or far larger than at the start."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training run stands after a step."""

    step: int
    planned_steps: int
    """Steps until the end if nothing stops it early; falls when the time budget binds."""
    epoch: float
    tokens: int
    """Trained on so far, by all processes."""
    loss: float
    """Mean over the rows of this step."""
    seconds: float
    remaining_seconds: float
    """Estimate from the pace so far."""


@dataclass(frozen=True)
class TrainingResult:
    """What a training run came to; the model itself holds the best weights."""

    dev_metrics: dict[str, float]
    """Metrics of the best weights on the dev rows."""
    history: list[dict[str, float]]
    """One entry an evaluation: epoch, step, tokens, train_loss, dev_loss, dev_score, learning_rate,
    seconds, and every metric."""
    seconds: float
    """Wall-clock seconds of training and evaluation, over all resumed parts."""
    steps: int
    epochs: float
    """Passes over the training rows, the last one perhaps in part."""
    tokens: int
    """Trained on, by all processes; a token counts as often as it was read."""
    stopped_by: str
    """"epochs", "steps", "patience" or "budget"."""
    cut: bool
    """Whether the clock shaped it, by ending it or by bringing the learning rate down sooner than the epochs
    would have: then the same run on a faster machine ends in other weights."""
    precision: str
    """"fp32" or "bf16": the arithmetic that was used."""
