"""What a contender is: one entry with its recipe, its settings, and all that is to be known of it elsewhere.

A new contender is one entry in its family's file beside this one. Its recipe is a function that imports what
it needs when it is called, so that the entries can be read without loading torch.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from textgraft.comparison.contenders.shared import Shared
from textgraft.data.dataset import Dataset
from textgraft.embeddings.word_vectors import VectorSource
from textgraft.errors import unknown
from textgraft.models.encoders import EncoderSource
from textgraft.settings import Checked
from textgraft.training.settings import LoopSettings, TrainingSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from textgraft.inference.predictor import Predictor
    from textgraft.inference.row_predictor import RowPredictor
    from textgraft.tasks.base import Task
    from textgraft.training.loop import Run
    from textgraft.training.progress import Progress

LABELS = ("classification",)
"""Tasks of one label a text."""
TEXTS = (*LABELS, "multi-label", "regression")
"""Tasks on whole texts."""
PAIRS = ("pairs", "similarity")
"""Tasks on two texts."""
READING = (*TEXTS, *PAIRS, "token-classification", "question-answering", "multiple-choice")
"""Tasks whose answer is chosen or found."""

MAX_LENGTH = 512
"""Tokens read of a text where neither the user nor a pre-trained encoder sets a limit."""
Count = Annotated[int, Field(ge=1)]


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
    max_seconds: float | None = None
    folder: Path | None = None
    """Where checkpoints go, if there are to be any."""
    vectors: VectorSource | None = None
    """Word vectors that contenders who take them begin with; None: random ones."""
    language_model: EncoderSource | None = None
    """What contenders begin with that need a language model; None where none of them competes."""
    on_step: Callable[[Progress], None] | None = None
    on_begin: Callable[[Run], None] | None = None
    """Called with the training run of the contender before its first step."""
    shared: Shared = field(default_factory=Shared)
    """What trials compute once between them."""

    def targets(self, dataset: Dataset) -> list[Any]:
        """Return the targets of a labelled data set."""
        return self.task.targets(dataset)

    def needed_encoder(self) -> EncoderSource:
        """Return the encoder of a contender that needs one."""
        assert self.encoder is not None, "an encoder is found for every contender that needs one"
        return self.encoder


@dataclass(frozen=True, kw_only=True)
class Fit(ABC):
    """What a recipe makes: a contender that answers, and how it came to be."""

    epochs: float = 1.0
    stopped_by: str = "closed form"
    history: list[dict[str, float]] = field(default_factory=list)
    cached_seconds: float = 0.0
    """Seconds of work that was done for an earlier fit and not again for this one; below 0 where some was
    done that only later ones have use for."""
    cut: bool = False
    """Whether the clock shaped the result: with more time it would have been another."""
    calibrates: bool = True
    """Whether a temperature is fitted on the dev rows: where there are logits and labels may be used."""
    begun_from: EncoderSource | None = None
    """Whose weights it has, changed or as they were; None where all began at random, or it has none."""
    outputs: Callable[[Dataset], tuple[list[Any], list[Any]]] | None = None
    """Does what its predictor's ``outputs`` does, on what was computed of the rows' texts before; None:
    nothing was."""
    is_head_alone: bool = False
    """Whether these are encodings, so that a head is all that is left to run."""

    @abstractmethod
    def predictor(self, task: Task) -> RowPredictor:
        """Return what answers rows of a task."""


@dataclass(frozen=True)
class Fitted(Fit):
    """A trained model."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    max_length: int

    def predictor(self, task: Task) -> Predictor:
        """Run the model in this process."""
        from textgraft.inference.predictor import Predictor

        return Predictor(self.model, self.tokenizer, task, self.max_length)


@dataclass(frozen=True)
class EpochSchedule:
    """How often the rows are seen: few rows more often, so that small sizes get enough steps to learn.

    Fine-tuning on few rows fails for want of steps, not of rows (Mosbach et al. 2021, "On the stability of
    fine-tuning BERT").
    """

    rows: int
    """Rows to see in all, within the bounds below."""
    least: int
    most: int
    """Bounds of the number of epochs."""
    shortest: float = 0.32
    """Part of its most epochs to which a time budget may shorten the training, though not below one: in as
    many steps, more rows teach more than the same rows again."""
    stops_early: bool = True
    """Whether the dev rows may end it."""

    def number(self, size: int) -> int:
        """Return the most epochs over ``size`` training rows; early stopping may end sooner."""
        return min(self.most, max(self.least, round(self.rows / size)))

    def rows_seen(self, size: int) -> float:
        """Estimate how many rows a training run sees.

        Early stopping ends many epochs after little more than half of them, and a few not at all: its
        patience is most of them.
        """
        number = self.number(size)
        return size * (min(number, 0.5 * number + 2) if self.stops_early else number)

    def shortest_share(self, size: int) -> float:
        """Return what part of the rows that are usually seen is seen at least, 0 to 1."""
        return min(1.0, size * max(self.shortest * self.number(size), 1.0) / self.rows_seen(size))

    def patience(self, size: int) -> int:
        """Return after how many epochs without a better dev score training stops."""
        return max(2, self.number(size) // 4)


class RecipeSettings(Checked):
    """A hyperparameter configuration: what a user can set of a contender's model and of its training."""

    kind: ClassVar[str] = "setting"


class TrainedSettings(RecipeSettings, LoopSettings):
    """Settings of a contender that the training loop trains, beside those of its model."""

    kind: ClassVar[str] = "setting"

    def training(self, job: Job) -> TrainingSettings:
        """Return what the training loop is told."""
        own = {name: getattr(self, name) for name in LoopSettings.model_fields}
        return TrainingSettings(seed=job.seed, max_seconds=job.max_seconds, **own)

    def model(self, *others: str) -> dict[str, Any]:
        """Return the settings of the model alone: neither those of its training nor these others."""
        return {
            name: getattr(self, name)
            for name in type(self).model_fields
            if name not in LoopSettings.model_fields and name not in others
        }


@dataclass(frozen=True)
class Contender:
    """One entry of a comparison."""

    name: str
    title: str
    """What it is, in a few words, as "BERT fine-tuned"."""
    recipe: Callable[[Job, Any], Fit]
    """Trains it on a job with one of the configurations."""
    grid: tuple[RecipeSettings, ...]
    """The configurations tried, most promising first; the tuning budget says how many of them."""
    tasks: tuple[str, ...]
    """The tasks it can do."""
    colour: str
    """Of its curve, as "#e69f00": of those that Okabe and Ito (2008, "Color universal design") chose to be
    told apart with any kind of colour vision; grey for baselines."""
    marker: str
    """Of its curve, a symbol of plotly's."""
    is_default: bool = False
    """Whether it competes where the user names no contenders."""
    is_default_of_few: bool = False
    """Whether it competes unnamed where there are few rows of every label, or sizes of few are asked for."""
    is_default_of_train: bool = False
    """Whether it is what ``train`` trains where the user names none."""
    asked_about: Literal["BERT", "TF-IDF"] | None = None
    """Which question of a report's first screen it is the answer to."""
    is_floor: bool = False
    """Whether it ignores the text, so that whatever does not beat it has learned nothing."""
    draws_nothing: bool = False
    """Whether it makes the same of the same rows, whatever the seed."""
    saving: Literal["baseline", "claimed", "measured"] | None = None
    """Its part in what pre-training saves: what is counted against, what the claim of a hundredth of the
    labels is about, or another one for which the saving is measured."""
    train_option: str | None = None
    """The option of ``textgraft train`` that means it, as "--freeze-layers all"."""
    epochs: EpochSchedule | None = None
    """For those that train in epochs."""
    evaluating: float = 0.1
    """Of what the steps of an epoch take, its evaluation, of a quarter as many dev rows."""
    needs_encoder: bool = False
    first_use: Callable[[Job], float] | None = None
    """Estimates the seconds on the wall of what it does once for each encoder and machine, 0 where that is
    done; None: it does nothing of the kind that takes long."""
    encoder: EncoderSource | None = None
    """Its own, where several encoders compete; None: the one of the job."""
    windows: int = 1
    """How many windows of the encoder's length it reads of a long text, unless its settings say otherwise."""
    rate_follows_width: bool = False
    """Whether its learning rates are stated for the bundled encoder, and fall with the width of another."""
    needs_language_model: bool = False
    takes_vectors: bool = False
    """Whether it can begin with word vectors: its settings then have ``vectors`` and ``embedding_size``."""
    takes_descriptions: bool = False
    """Whether it can be told what labels mean: its settings then have ``descriptions``."""
    goes_by_label_names: bool = False
    """Whether it knows labels by their names alone: where those are no words, it competes only if named."""
    is_remote: bool = False
    """Whether texts leave the machine: it never competes unnamed, and never wins a tie by its cost."""
    fixed_sizes: tuple[int, ...] | None = None
    """Sizes it is tried at whatever the user names: (0,) for one that learns from no row; None: the
    comparison's."""

    def sizes(self, wanted: Sequence[int], rows: int) -> tuple[int, ...]:
        """Return the sizes that it is tried at: its own, as far as there are rows, or the wanted ones."""
        if self.fixed_sizes is None:
            return tuple(wanted)
        return tuple(sorted({min(size, rows) for size in self.fixed_sizes}))

    def configured(self, values: Mapping[str, Any]) -> RecipeSettings:
        """Make a configuration of values that a user gave or a file holds.

        Raises:
            OptionError: There is no such setting (the nearest is suggested), or a value is out of bounds.
        """
        settings = type(self.grid[0])
        for name in values:
            if name not in settings.model_fields:
                raise unknown(f"setting of {self.name}", name, settings.model_fields)
        return settings(**values)

    def with_grid(self, change: Callable[[Any], RecipeSettings], title: str | None = None) -> Self:
        """Return the same contender, or one of another title, with every configuration changed."""
        return replace(self, grid=tuple(map(change, self.grid)), title=title or self.title)

    def reading(self, windows: int) -> Self:
        """Return the same contender, reading at most so many windows of a long text."""
        return replace(self.with_grid(lambda settings: settings.but(windows=windows)), windows=windows)

    def fit(self, job: Job, settings: RecipeSettings) -> Fit:
        """Train on ``job`` with one configuration; how many epochs follows from the rows unless it says."""
        if self.epochs is not None:
            size = len(job.train)
            usual = {"epochs": self.epochs.number(size), "patience": self.epochs.patience(size)}
            settings = settings.but(**{**usual, **settings.given()})
        return self.recipe(job, settings)


@dataclass(frozen=True)
class KeepingStates:
    """How a model that is frozen in part is trained, and answers: what that part makes of texts is kept."""

    fit: Callable[..., Any]
    """Takes what the training loop takes, and the stores of the comparison as ``stores``."""
    run: Callable[..., list[Any] | None] | None = None
    """Takes the trained model, its task, windows, ``precision``, ``pad_token_id`` and ``stores``; returns
    what the task keeps of the outputs for each window, or None where nothing could be kept. None: the whole
    model is run."""


def train_on_rows(
    job: Job,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    length: int,
    settings: TrainedSettings,
    keeping: KeepingStates | None = None,
) -> Fitted:
    """Run the one training loop and wrap up its result.

    Args:
        job: The rows, and the task they are of.
        model: Changed in place.
        tokenizer: Its tokenizer.
        length: Tokens a text is cut to.
        settings: Of which the loop reads its own.
        keeping: Trains it in place of the loop itself where a part of it is frozen; None: none is.
    """
    from textgraft.training.task_rows import TaskRows

    train, dev = (job.task.features(rows, tokenizer, length) for rows in (job.train, job.dev))
    training = settings.training(job)
    run = functools.partial(
        training_loop(job, keeping),
        model,
        TaskRows(job.task, train, dev, pad_token_id=tokenizer.pad_token_id),
        training,
        folder=job.folder,
        on_step=job.on_step,
        on_begin=job.on_begin,
    )
    states = job.shared.states
    before = states.owed
    result = run()
    fitted = Fitted(
        model,
        tokenizer,
        length,
        epochs=result.epochs,
        stopped_by=result.stopped_by,
        history=result.history,
        cached_seconds=states.owed - before,
        cut=result.cut,
    )
    return on_states(fitted, job, keeping, training.precision)


def training_loop(job: Job, keeping: KeepingStates | None) -> Callable[..., Any]:
    """Return the one training loop, or what stands for it where a part of the model is frozen."""
    from textgraft.training.loop import fit

    return fit if keeping is None else functools.partial(keeping.fit, stores=job.shared.states)


def on_states(fitted: Fitted, job: Job, keeping: KeepingStates | None, precision: str) -> Fitted:
    """Have the rows of a job's task answered on what the frozen part of a model makes of them.

    Args:
        fitted: The model.
        job: What it was trained for.
        keeping: How; None: no part of it is.
        precision: Of its training.
    """
    if keeping is None or keeping.run is None:
        return fitted
    task, stores, run = job.task, job.shared.states, keeping.run
    whole = functools.cache(lambda: fitted.predictor(task))  # its engine is opened once, if at all

    def outputs(rows: Dataset) -> tuple[list[Any], list[Any]]:
        windows = task.features(replace(rows, labels=None), fitted.tokenizer, fitted.max_length)
        kept = run(
            fitted.model,
            task,
            windows,
            precision=precision,
            pad_token_id=fitted.tokenizer.pad_token_id,
            stores=stores,
        )
        return (windows, kept) if kept is not None else whole().outputs(rows)

    return replace(fitted, outputs=outputs)
