"""How a model is trained: every choice in one checked, immutable record."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from textgraft.errors import OptionError
from textgraft.settings import Checked

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class LoopSettings(Checked):
    """How a model is trained, but for the seed and the clock, which belong to a single run.

    The defaults suit the fine-tuning of a BERT; a recurrent model trained from nothing wants a
    ``learning_rate`` near 1e-3 and more ``epochs``.

    Raises:
        OptionError: A setting does not exist (the nearest name is suggested) or its value is out of bounds.
    """

    kind: ClassVar[str] = "training setting"

    learning_rate: Positive = 5e-5
    """Peak learning rate of AdamW."""
    head_learning_rate: Positive | None = None
    """Peak learning rate of the parameters outside ``model.base_model``; None: the same as the rest."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Factor on the learning rate from each layer to the one below it, the head being the highest and the
    embeddings the lowest (discriminative fine-tuning: Howard and Ruder 2018 take 1/2.6)."""
    gradual_unfreezing: bool = False
    """Whether the head is trained alone for an epoch, and with every further epoch one layer more."""
    epochs: Annotated[int, Field(ge=1)] | None = 4
    """Most passes over the training rows; None: as many as max_seconds or max_steps leave time for."""
    max_steps: Annotated[int, Field(ge=1)] | None = None
    """Most optimizer steps; the schedule ends with them. None: as many as the epochs have."""
    batch_size: Annotated[int, Field(ge=1)] = 32
    """Most sequences in a batch."""
    max_tokens: Annotated[int, Field(ge=1)] = 2048
    """Most padded tokens in a batch. On a CPU, larger batches of long texts leave the caches: at 256 tokens a
    text, 4096 were a quarter slower than 2048."""
    accumulation: Annotated[int, Field(ge=1)] = 1
    """Batches whose gradients make one optimizer step, of all processes together: a result does not depend on
    how many share its steps."""
    warmup_fraction: Fraction = 0.1
    """Share of the training over which the learning rate rises from zero."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the learning rate falls to zero after the warm-up."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Decoupled weight decay; biases and normalisation weights have none."""
    clip_norm: Positive = 1.0
    """Largest norm of the gradient of a step."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of the forward and backward pass; "auto" takes bf16 where the processor has it."""
    patience: Annotated[int, Field(ge=1)] | None = 3
    """Stop after this many evaluations in a row without a better dev score; None: never."""
    evaluations_per_epoch: Annotated[int, Field(ge=1)] = 1
    """Evaluations on the dev rows in an epoch, evenly spread; the last one ends it."""
    class_weights: Literal["none", "balanced"] = "none"
    """"balanced" weighs each row by the inverse frequency of its label."""
    shard_weights: bool = False
    """Whether several processes share weights, gradients and moments, too, for a model that is too large for
    one of their devices; no result depends on it."""
    checkpoint_seconds: Positive | None = 60.0
    """Seconds between checkpoints, where a folder is given, or 20 times what a slow one takes (a second or
    more), if that is more; None: after every evaluation."""
    keep: Annotated[int, Field(ge=1)] = 2
    """Checkpoints kept: the newest, and older ones to fall back on."""


class TrainingSettings(LoopSettings):
    """Settings of one training run.

    Raises:
        OptionError: A setting does not exist (the nearest name is suggested) or its value is out of bounds.
    """

    max_seconds: Positive | None = None
    """Wall-clock budget of the whole fit, evaluations included. The schedule ends when the budget does."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Determines the order of the batches and the dropout."""

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if self.epochs is None and self.max_seconds is None and self.max_steps is None:
            raise OptionError(
                "training without epochs has no end",
                where="training setting 'epochs'",
                fix="Give epochs, max_seconds or max_steps.",
            )
        return self
