"""What a contender is: how it is fitted, on what, and with what result."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgraft.data.dataset import Dataset
from textgraft.embeddings.word_vectors import VectorSource
from textgraft.models.encoders import EncoderSource

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from textgraft.tasks.base import Task
    from textgraft.training.loop import Progress

Settings = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """What a contender is fitted on."""

    train: Dataset
    dev: Dataset
    task: Task
    seed: int
    encoder: EncoderSource | None
    """For the BERT contenders; None where none of them competes."""
    max_length: int | None = None
    """Tokens a text is cut to; None leaves each contender its own limit."""
    freeze_layers: int = 0
    """Lower layers of the encoder that fine-tuning leaves as they are."""
    max_seconds: float | None = None
    folder: Path | None = None
    """Where checkpoints go, if there are to be any."""
    vectors: VectorSource | None = None
    """Word vectors that the recurrent contenders begin with; None: random ones."""
    language_model: EncoderSource | None = None
    """What lstm-pretrained begins with; None where it does not compete."""
    on_step: Callable[[Progress], None] | None = None

    def targets(self, dataset: Dataset) -> list[Any]:
        """Return the targets of a labelled data set."""
        return self.task.targets(dataset)


@dataclass(frozen=True)
class Fitted:
    """A trained contender."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    max_length: int
    epochs: float = 1.0
    stopped_by: str = "closed form"
    history: list[dict[str, float]] = field(default_factory=list)
    cached_seconds: float = 0.0
    """Seconds of work that was done for an earlier configuration and not again for this one."""
    cut: bool = False
    """Whether the clock shaped the result: with more time it would have been another."""


@dataclass(frozen=True)
class EpochSchedule:
    """How often the rows are shown: few rows more often, so that small sizes get enough steps to learn.

    Fine-tuning on few rows fails for want of steps, not of rows (Mosbach et al. 2021, "On the stability of
    fine-tuning BERT").
    """

    rows: int
    """Rows to show in all, within the bounds below."""
    least: int
    most: int
    """Bounds of the number of epochs."""

    def number(self, size: int) -> int:
        """Return the most epochs that ``size`` training rows are shown; early stopping may end sooner."""
        return min(self.most, max(self.least, round(self.rows / size)))

    def rows_shown(self, size: int) -> float:
        """Estimate how many rows a training run is shown; early stopping ends it after three quarters."""
        return 0.75 * size * self.number(size)

    def patience(self, size: int) -> int:
        """Return after how many epochs without a better dev score training stops."""
        return max(2, self.number(size) // 4)


@dataclass(frozen=True)
class Contender:
    """One entry of a comparison."""

    name: str
    title: str
    recipe: str
    """A function of recipes.py in this folder, or ``module.function`` of another module in it; named so
    that this table can be read without loading torch."""
    grid: tuple[Settings, ...]
    """The settings tried, most promising first; the tuning budget says how many of them."""
    options: Settings = field(default_factory=dict)
    """Fixed arguments of the recipe, as the recurrent cell."""
    model_settings: tuple[str, ...] = ()
    """What its model can be told besides the settings of the grid."""
    needs_encoder: bool = False
    rate_follows_width: bool = False
    """Whether its learning rates are stated for the bundled encoder, and fall with the width of another."""
    needs_language_model: bool = False
    tasks: tuple[str, ...] = ()
    """The tasks it is made for; none: all."""
    epochs: EpochSchedule | None = None
    """For those that train in epochs."""

    def fit(self, job: Job, settings: Settings) -> Fitted:
        """Train on ``job`` with one of the settings."""
        module, _, function = self.recipe.rpartition(".")
        recipes = importlib.import_module(f"textgraft.comparison.contenders.{module or 'recipes'}")
        recipe: Callable[..., Fitted] = getattr(recipes, function)
        if self.epochs is not None:
            size = len(job.train)
            length = {
                "epochs": self.epochs.number(size),
                "patience": self.epochs.patience(size),
            }
            settings = {**length, **settings}
        return recipe(job, settings, **self.options)
