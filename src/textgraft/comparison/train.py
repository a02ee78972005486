"""Train one contender on a user's file: a comparison of one, whose settings are all the user's to choose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from textgraft.comparison.contenders.base import Contender, Job, RecipeSettings
from textgraft.comparison.contenders.recurrent import word_table_note
from textgraft.comparison.contenders.registry import (
    needed_language_model,
    trained_contender,
    with_encoder,
    with_vectors,
)
from textgraft.data.dataset import Dataset
from textgraft.embeddings.word_vectors import VectorSource
from textgraft.errors import OptionError, unknown
from textgraft.files import content_hash, remove_folder
from textgraft.models.encoder_languages import encoder_warning
from textgraft.models.encoders import EncoderSource
from textgraft.tasks.reading import named_task, read_splits

if TYPE_CHECKING:
    from textgraft.comparison.records.trials import Trial
    from textgraft.inference.predictor import Predictor
    from textgraft.training.progress import Progress


class TrainConfig(BaseModel):
    """All that a training run depends on; a config file holds the same keys.

    Raises:
        OptionError: A key does not exist (the nearest is suggested), or a value is of the wrong kind.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str | None = None
    """Guessed from the file if left out."""
    text: list[str] | None = None
    """Text columns, guessed from common names if left out; so are the following ones."""
    label: str | None = None
    id_column: str | None = None
    group: str | None = None
    merge_labels: bool = False
    """Whether labels that differ in spelling alone, as Food and food, are one label."""
    dev: str | None = None
    """Own file of dev rows; otherwise a tenth of the rows."""
    test: str | None = None
    """Own file of test rows; otherwise a fifth of the rows, fixed by hash."""
    contender: str | None = None
    """The usual one of the task if left out."""
    encoder: str = "bundled"
    revision: str | None = None
    max_length: int | None = None
    freeze_layers: int = 0
    vectors: str | None = None
    """File of word vectors that a recurrent contender begins with."""
    language_model: str | None = None
    """Folder of a recurrent language model, for a contender that begins with one."""
    budget: float | None = None
    """Seconds of training."""
    seed: int = 0
    settings: dict[str, Any] = {}
    """Of the contender's model and of the training loop, in place of the usual ones."""

    def __init__(self, **values: Any) -> None:
        for name in values:
            if name not in type(self).model_fields:
                raise unknown("key", name, type(self).model_fields, where="the training's config")
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors()[0]
            raise OptionError(
                f"{first['input']!r} cannot be the value of {first['loc'][0]}: {first['msg'].lower()}",
                where="the training's config",
                fix="textgraft train --print-config shows every key with its default.",
            ) from error


def read_config(path: Path) -> dict[str, Any]:
    """Read a config file.

    Raises:
        OptionError: It is missing, no YAML, or no mapping.
    """
    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise OptionError(
            f"the config cannot be read: {str(error).splitlines()[0]}",
            where=str(path),
            fix="Begin with the output of textgraft train --print-config.",
        ) from error
    if not isinstance(values or {}, dict):
        raise OptionError(
            "the config is no mapping of keys to values", where=str(path), fix="Write lines as seed: 1."
        )
    return dict(values or {})


def full_config(config: TrainConfig) -> str:
    """Return the config as YAML with every default written out; the file trains what the options would.

    How many epochs and how much patience follows from the rows, so both stand there only if they are given.
    """
    contender, _ = _named(config, config.task or "classification")
    _, settings = _for_encoder(config, contender)
    left_out = {"epochs", "patience"} if contender.epochs else set()
    left_out |= {"vectors"}  # None of them, where none are given; a config may be used with some later.
    values = {**config.model_dump(), "contender": contender.name}
    values["settings"] = settings.model_dump(exclude=left_out - settings.model_fields_set)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _named(config: TrainConfig, task: str) -> tuple[Contender, VectorSource | None]:
    """Return the contender and the word vectors that it begins with."""
    vectors = VectorSource.of(config.vectors) if config.vectors else None
    (contender,) = with_vectors([trained_contender(config.contender, task)], vectors)
    return contender, vectors


def _configured(config: TrainConfig, contender: Contender) -> RecipeSettings:
    """Put the user's settings over the contender's first ones.

    Raises:
        OptionError: The contender has no such setting, or a value is out of bounds.
    """
    return contender.configured({**contender.grid[0].given(), **config.settings})


def _for_encoder(config: TrainConfig, contender: Contender) -> tuple[EncoderSource | None, RecipeSettings]:
    """Find the encoder, and put the user's settings over the contender's first ones for it."""
    (scaled,), encoder = with_encoder([contender], config.encoder, config.revision)
    return encoder, _configured(config, scaled)


@dataclass(frozen=True)
class Trained:
    """A trained model and what it cost."""

    folder: Path
    """Its model directory."""
    trial: Trial

    @property
    def predictor(self) -> Predictor:
        """The model, loaded from its directory."""
        from textgraft.inference.predictor import load

        return load(self.folder)


def train(
    source: str | Path | Dataset,
    output: str | Path,
    *,
    resume: bool = False,
    on_step: Callable[[Progress], None] | None = None,
    note: Callable[[str], None] = lambda text: None,
    **config: Any,
) -> Trained:
    """Train a model on a user's rows and write its model directory.

    Stopped at any moment, it goes on from its last checkpoint with ``resume=True``, as if it had never
    stopped.

    Args:
        source: A file of the task, a Hub name, or a Dataset.
        output: Folder of the model directory; while training runs, ``<output>.training`` holds checkpoints.
        resume: Whether to go on with an unfinished run.
        on_step: Called after every training step.
        note: Told what the user should know.
        config: The keys of :class:`TrainConfig`.

    Returns:
        The folder, and a trial as of a comparison: settings, scores on dev and test rows, costs.

    Raises:
        DataError: The rows cannot be read or learned from.
        OptionError: An option is unknown or out of range, or an unfinished run is in the way.
        ModelError: The encoder is missing or damaged.
        OutputError: The folder cannot be written.
    """
    wanted = TrainConfig(**config)
    kind = named_task(wanted.task, source, note, text=wanted.text, label=wanted.label)
    contender, vectors = _named(wanted, kind.name)
    language_model = needed_language_model([contender], wanted.language_model)
    _configured(wanted, contender)
    output = Path(output)
    checkpoints = output.with_name(output.name + ".training")
    if checkpoints.is_dir() and any(checkpoints.iterdir()) and not resume:
        raise OptionError(
            "an unfinished training is in the way",
            where=str(checkpoints),
            fix="Go on with it by --resume, or delete the folder to begin anew.",
        )
    files = wanted.model_dump(include={"text", "label", "id_column", "group", "test", "dev", "merge_labels"})
    splits, whole = read_splits(kind, source, **files)
    task = kind.fitted_to(splits.train)
    if whole.rejected:
        first = whole.rejected[0]
        note(f"{len(whole.rejected):,} rows cannot be used; the first, line {first.line}: {first.reason}")
    note(f"{len(splits.train):,} training, {len(splits.dev):,} dev and {len(splits.test):,} test rows")
    # torch takes seconds to load: only once the rows are known to be usable.
    from textgraft.comparison.running.trials import TrialSpec, run_trial, save_model

    if vectors is not None:
        note(word_table_note(splits.train, vectors))
    encoder, settings = _for_encoder(wanted, contender)
    if encoder and (warning := encoder_warning(encoder, splits.train)):
        note(warning)
    job = Job(
        splits.train,
        splits.dev,
        task,
        wanted.seed,
        encoder,
        max_length=wanted.max_length,
        freeze_layers=wanted.freeze_layers,
        max_seconds=wanted.budget,
        folder=checkpoints if contender.epochs else None,
        on_step=on_step,
        vectors=vectors,
        language_model=language_model,
    )
    data_hash = content_hash([splits.train.hash, splits.dev.hash, splits.test.hash])
    spec = TrialSpec(contender, job, splits.test, len(splits.train), (settings,), data_hash)
    trial, attempt = run_trial(spec)
    save_model(output, spec, trial, attempt)
    remove_folder(checkpoints)
    return Trained(output, trial)
