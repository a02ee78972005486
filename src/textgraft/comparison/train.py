"""Train one contender on a user's file: a comparison of one, whose settings are all the user's to choose."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from textgraft.bars import open_bar
from textgraft.comparison.contenders.base import Contender, RecipeSettings
from textgraft.comparison.contenders.registry import meant_contender, trained_contender
from textgraft.comparison.preparing import Entrants, Note, choose, read
from textgraft.comparison.running.watching import Told, as_reporter
from textgraft.comparison.settings import TrainConfig
from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Rows, Source, as_source
from textgraft.data.overlaps import overlaps
from textgraft.data.splits import nested_subsets
from textgraft.errors import OptionError
from textgraft.files import as_path, refuse_to_replace, remove_folder
from textgraft.models.encoder_languages import encoder_warning
from textgraft.models.manifest import MANIFEST
from textgraft.processes import is_main_process
from textgraft.settings import flag
from textgraft.tables import Table, page, paragraph
from textgraft.terminal import visible
from textgraft.wording import counted, duration

if TYPE_CHECKING:
    import pandas

    from textgraft.comparison.records.trials import Trial
    from textgraft.comparison.running.trials import TrialSpec
    from textgraft.inference.row_predictor import RowPredictor
    from textgraft.training.footprint import Footprint
    from textgraft.training.progress import Progress

TRIAL_SECONDS = 5.0
"""How long the speed is measured for a plan."""


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
    # Without rows to tell the task, that of most files.
    named = config.model_copy(update={"task": config.task or "classification"})
    (contender,) = _entrants("", named, lambda text: None).contenders
    settings = _configured(config, contender)
    left_out = {"epochs", "patience"} if contender.epochs else set()
    left_out |= {"vectors"}  # None of them, where none are given; a config may be used with some later.
    left_out -= settings.model_fields_set
    left_out |= {"freeze_layers"} - set(config.settings)  # It may be used with another number of them.
    values = {**config.model_dump(mode="json"), "contender": contender.name}
    values["settings"] = settings.model_dump(exclude=left_out)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _entrants(source: Source | Dataset, config: TrainConfig, note: Note) -> Entrants:
    """Find the one contender, and what it begins with."""
    return choose(source, config, lambda task: [trained_contender(config.contender, task)], note)


def _configured(config: TrainConfig, contender: Contender) -> RecipeSettings:
    """Put the user's settings over the contender's first ones.

    Raises:
        OptionError: The contender has no such setting, or a value is out of bounds.
    """
    return contender.configured({**contender.grid[0].given(), **config.settings})


@dataclass(frozen=True, repr=False)
class Trained:
    """A trained model and what it cost."""

    folder: Path
    """Its model directory."""
    trial: Trial

    @property
    def predictor(self) -> RowPredictor:
        """The model, loaded from its directory."""
        from textgraft.inference.predictor import load

        return load(self.folder)

    def table(self) -> Table:
        """Return a row for each metric, the main one first: its value on dev rows and on test rows."""
        trial = self.trial
        names = [trial.metric, *(name for name in trial.metrics if name != trial.metric)]
        return Table(
            ("metric", "dev", "test"),
            [(name, trial.dev_metrics.get(name), trial.metrics[name]) for name in names],
        )

    def to_pandas(self) -> pandas.DataFrame:
        """Return :meth:`table` as a DataFrame.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return self.table().to_pandas()

    def __repr__(self) -> str:
        return visible(f"<Trained {self.trial.contender} in {self.folder}: {self._score}>")

    def _repr_html_(self) -> str:
        trial = self.trial
        told = f"{trial.contender} on {trial.size:,} rows: {self._score} on the test rows"
        seconds = duration(trial.cost.training_seconds)
        folder = paragraph(f"trained in {seconds}, saved in {self.folder}", "quiet")
        return page(paragraph(told, "lead"), self.table().to_html(), folder)

    @property
    def _score(self) -> str:
        return f"{self.trial.metric} {self.trial.score:.3f}"


def train(
    source: Rows,
    output: str | Path,
    *,
    labels: Iterable[Any] | None = None,
    task: str | None = None,
    text: str | Sequence[str] | None = None,
    label: str | Sequence[str] | None = None,
    id_column: str | None = None,
    group: str | None = None,
    merge_labels: bool = False,
    offsets: str = "characters",
    dev: Rows | None = None,
    test: Rows | None = None,
    contender: str | None = None,
    encoder: str | Path = "bundled",
    revision: str | None = None,
    prompt: str | None = None,
    max_length: int | None = None,
    adapter: str | None = None,
    freeze_layers: int | str | None = None,
    vectors: str | Path | None = None,
    language_model: str | Path | None = None,
    describe: str | Path | None = None,
    llm: str | None = None,
    llm_model: str | None = None,
    llm_examples: int = 8,
    llm_concurrency: int = 4,
    budget: float | str | None = None,
    precision: float | None = None,
    error_cost: float | None = None,
    review_cost: float | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    reporter: Told | None = None,
    progress: bool | None = None,
) -> Trained:
    """Train a model on a user's rows and write its model directory.

    Stopped at any moment, it resumes from its last checkpoint with ``resume=True``, as if it had never
    stopped.

    Args:
        source: A file of the task, a Hub name, a DataFrame of pandas or Polars, an Arrow table, a
            ``datasets.Dataset``, a list of dicts, or a list of texts with ``labels``.
        output: Folder of the model directory; while training runs, ``<output>.training`` holds checkpoints.
        labels: The label of each row, where no column holds it.
        task: Name of the task; guessed from the file where it is left out.
        text: Name of the text column, or of several; guessed from common names if left out.
        label: Name of the label column, or of several, one for each label that a row may have; likewise.
        id_column: Column that names rows.
        group: Column whose equal values never straddle splits, as an author or a document.
        merge_labels: Whether labels that differ in spelling alone, as Food and food, are one label.
        offsets: What the offsets of spans and answers count: "characters", "utf-16" or "utf-8".
        dev: The user's own dev rows, as ``source`` or as ``(texts, labels)``; otherwise a tenth of the rows.
        test: The user's own test rows, likewise; otherwise a fifth of the rows, fixed by hash.
        contender: What to train; the usual one of the task if left out.
        encoder: "bundled", a local directory or a Hub id.
        revision: Of a Hub id.
        prompt: What the encoder reads before every text, as "query: ", or the name of one of its own prompts;
            "" for none, None for its default.
        max_length: Tokens a text is cut to; the contender's own limit if left out.
        adapter: "lora" trains a small adapter and leaves the encoder as it is.
        freeze_layers: Lower layers of the encoder that stay as they are, those of the contender's first
            configuration if left out; "all" trains a shallow network on the encoder.
        vectors: File of word vectors that a recurrent contender begins with.
        language_model: Folder of a recurrent language model, for contenders that begin with one.
        describe: Table with the columns ``label`` and ``description``: a sentence for labels, for contenders
            that know them by nothing else.
        llm: URL of an OpenAI-compatible server, as ``http://localhost:8000/v1``, for a contender that asks a
            language model: every text is sent there. The key is read from the environment.
        llm_model: As that server calls it.
        llm_examples: Training rows that it is shown; 0 for none.
        llm_concurrency: Questions under way at a time.
        budget: Time for training, in seconds or as "10m".
        precision: Answers are given only where this share of them is right, as 0.97, with 95% confidence; the
            dev rows tell from which score on. Other rows come back as ``needs_review``.
        error_cost: In place of a precision: what a wrong answer costs, and
        review_cost: what a person's answer costs.
        seed: Of weights, dropout and order.
        settings: Of the contender's model and of the training loop, in place of the usual ones.
        resume: Whether to resume an unfinished run of the same choices on the same rows.
        overwrite: Whether a model that stands at ``output`` may be replaced.
        reporter: A function that is told lines of what goes on, as ``print``, or a reporter.
        progress: Whether a bar is shown; if left out, in notebooks and terminals, unless there is a
            ``reporter``.

    Returns:
        The folder, and a trial as of a comparison: settings, scores on dev and test rows, costs.

    Raises:
        DataError: The rows cannot be read or learned from.
        OptionError: An option is unknown or out of range, or an unfinished run is in the way.
        ModelError: The encoder is missing or damaged.
        OutputError: The folder cannot be written, or holds something already.
    """
    config = TrainConfig.model_validate(
        {
            "task": task,
            "text": text,
            "label": label,
            "id_column": id_column,
            "group": group,
            "merge_labels": merge_labels,
            "offsets": offsets,
            "dev": dev,
            "test": test,
            "contender": meant_contender(contender, adapter, freeze_layers),
            "encoder": encoder,
            "revision": revision,
            "prompt": prompt,
            "max_length": max_length,
            "freeze_layers": None if freeze_layers == "all" else freeze_layers,
            "vectors": vectors,
            "language_model": language_model,
            "describe": describe,
            "llm": llm,
            "llm_model": llm_model,
            "llm_examples": llm_examples,
            "llm_concurrency": llm_concurrency,
            "budget": budget,
            "precision": precision,
            "error_cost": error_cost,
            "review_cost": review_cost,
            "seed": seed,
            "settings": settings or {},
        }
    )
    flag(resume, "resume")
    flag(overwrite, "overwrite")
    rows = as_source(source, labels, labelled=True)
    folder = as_path(output, "output")
    # Of several processes that train together, the first one tells.
    with open_bar(progress if reporter is None and is_main_process() else False) as bar:
        told = as_reporter(reporter, bar)
        return run_training(
            rows, folder, config, resume=resume, overwrite=overwrite, on_step=told.step, note=told.note
        )


def run_training(
    source: Source | Dataset,
    output: Path,
    config: TrainConfig,
    *,
    resume: bool = False,
    overwrite: bool = False,
    on_step: Callable[[Progress], None] | None = None,
    note: Note = lambda text: None,
) -> Trained:
    """Train as :func:`train` does, with all choices in one record."""
    refuse_to_replace(output, overwrite=overwrite, mark=MANIFEST)
    spec = _specified(source, _entrants(source, config, note), config, note)
    from accelerate.utils import broadcast_object_list

    from textgraft.comparison.running.trials import run_trial, save_model, share_trial
    from textgraft.inference.thresholds import decide_threshold
    from textgraft.training.processes import join_processes

    contender = spec.contender
    spec = replace(spec, job=replace(spec.job, on_step=on_step))
    unfinished = output.with_name(f"{output.name}.training")
    if contender.epochs:
        # Another run's checkpoints are never in the way: each run has a folder of its own.
        checkpoints = unfinished / spec.identity(config.budget).id
        _check_unfinished(unfinished, checkpoints, resume=resume)
        spec = replace(spec, job=replace(spec.job, folder=checkpoints))
    processes = join_processes()
    processes.wait_for_everyone()  # until all have seen what stands there before anything is written
    if not processes.is_main_process:
        # It has its part of the training; the first process measures and writes.
        share_trial(spec)
        return Trained(output, broadcast_object_list([None])[0])
    trial, attempt = run_trial(spec)
    threshold = None
    if (target := config.target) is not None:
        threshold = decide_threshold(attempt.predictor, spec.job.dev, target)
        note(threshold.sentence)
    save_model(output, spec, trial, attempt, threshold, remembers=True)
    if contender.epochs:
        remove_folder(checkpoints)
        with contextlib.suppress(OSError):  # where those of other runs are left
            unfinished.rmdir()
    broadcast_object_list([trial])
    return Trained(output, trial)


@dataclass(frozen=True)
class TrainingPlan:
    """What a training would take."""

    contender: str
    footprint: Footprint
    """Memory, and the time of an epoch."""
    epochs: int | None
    """At most; None where the time alone ends it."""
    budget: float | None
    """Seconds that the training is given."""

    @property
    def seconds(self) -> float:
        """Of training and evaluating, at most: patience may end it sooner."""
        shown = self.footprint
        ends = [] if self.budget is None else [self.budget]
        if self.epochs is not None:
            ends.append(self.epochs * (shown.epoch_seconds + shown.evaluation_seconds))
        return min(ends)

    def lines(self) -> list[tuple[str, str]]:
        """Return each figure with its name, for people to read."""
        shown = self.footprint
        passes = "" if self.epochs is None else f" for {counted(self.epochs, 'epoch')} at most"
        return [
            *shown.memory_lines(),
            ("tokens a second", f"{shown.tokens_per_second:,.0f}"),
            *shown.time_lines(),
            ("all of it", f"{duration(self.seconds)}{passes}"),
        ]


def plan_training(
    source: Source | Dataset, config: TrainConfig, *, note: Note = lambda text: None
) -> TrainingPlan:
    """Tell what :func:`run_training` with the same choices would take, and write nothing.

    The contender is trained for some seconds, and thrown away. Under ``torchrun`` the processes do so
    together.

    Raises:
        DataError: The rows cannot be read or learned from.
        OptionError: An option is unknown or out of range, or the contender is not trained in epochs.
    """
    entrants = _entrants(source, config, note)
    (contender,) = entrants.contenders
    if contender.epochs is None:
        raise OptionError(
            f"{contender.name} is not trained in epochs, so there is nothing to plan",
            where="textgraft train",
            fix="Leave --plan out.",
        )
    spec = _specified(source, entrants, config, note)
    from textgraft.comparison.running.trials import share_trial
    from textgraft.training.footprint import Rehearsed, footprint
    from textgraft.training.loop import Run

    found: list[TrainingPlan] = []

    def on_begin(run: Run) -> None:
        shown = footprint(run, TRIAL_SECONDS)
        found.append(TrainingPlan(contender.name, shown, run.settings.epochs, config.budget))
        raise Rehearsed

    with contextlib.suppress(Rehearsed):
        share_trial(replace(spec, job=replace(spec.job, on_begin=on_begin)))
    return found[0]


def _specified(source: Source | Dataset, entrants: Entrants, config: TrainConfig, note: Note) -> TrialSpec:
    """Read the rows, and return the trial of the one contender on them."""
    (contender,) = entrants.contenders
    settings = _configured(config, contender)
    material = read(source, entrants, config, note)
    splits = material.splits
    for part in (material.whole, splits.dev, splits.test):
        if part.rejected:
            first = part.rejected[0]
            note(
                f"{part.source}: {counted(len(part.rejected), 'row')} cannot be used; "
                f"the first, {part.numbering} {first.line}: {first.reason}"
            )
    note(f"{len(splits.train):,} training, {len(splits.dev):,} dev and {len(splits.test):,} test rows")
    for found in overlaps(splits):
        if found.rows:
            note(found.warning)
    if (sole := material.task.sole_target(material.task.targets(splits.test))) is not None:
        note(f"all test rows have the same target, {sole!r}: the test scores tell nothing")
    encoder = entrants.encoder_of(contender)
    if encoder and (warning := encoder_warning(encoder, splits.train)):
        note(warning)
    # torch takes seconds to load: only once the rows are known to be usable.
    from textgraft.comparison.running.trials import TrialSpec

    rows = training_rows(contender, splits.train, config.seed)
    if len(rows) < len(splits.train):
        note(f"{contender.name} learns from {len(rows)} of the training rows; all of them tell the labels")
    job = material.job(contender, rows, splits.dev, config.seed, max_seconds=config.budget)
    return TrialSpec(contender, job, splits.test, (settings,), material.data_hash)


def training_rows(contender: Contender, train: Dataset, seed: int) -> Dataset:
    """Return the rows that a contender learns from: as many as its entry fixes, else all."""
    if contender.fixed_sizes is None:
        return train
    size = min(max(contender.fixed_sizes), len(train))
    drawn = nested_subsets(train.strata, [size], seed, train.groups)[size] if size else []
    return train.select(drawn)


def _check_unfinished(unfinished: Path, own: Path, *, resume: bool) -> None:
    """Refuse to begin anew what could be resumed, and to resume what was never begun.

    Args:
        unfinished: Holds the checkpoints of every unfinished run for this output.
        own: Those of this run.
        resume: What the user says.

    Raises:
        OptionError: The one or the other.
    """
    if not resume and any(own.glob("**/manifest.json")):
        raise OptionError(
            "an unfinished training of this very model is in the way",
            where=str(own),
            fix="Resume it with --resume, or delete the folder to begin anew.",
        )
    if resume and not own.is_dir() and any(unfinished.glob("*/**/manifest.json")):
        raise OptionError(
            "the unfinished training is of other rows or choices than these",
            where=str(unfinished),
            fix="Give the same command as before, or leave --resume out to begin anew.",
        )
