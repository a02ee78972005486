"""What a comparison and a single training do alike before anything is trained: who competes, and on what."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING, Any, Self

from textgraft.comparison.contenders.base import Contender, Job
from textgraft.comparison.contenders.recurrent import vectors_note
from textgraft.comparison.contenders.registry import (
    needed_language_model,
    with_descriptions,
    with_encoder,
    with_endpoint,
    with_frozen_layers,
    with_vectors,
)
from textgraft.comparison.contenders.shared import Shared
from textgraft.comparison.settings import SetupSettings
from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Source
from textgraft.data.readers.descriptions import read_descriptions
from textgraft.data.splits import Splits, nested_shots, nested_subsets
from textgraft.embeddings.word_vectors import VectorSource
from textgraft.errors import unknown
from textgraft.files import content_hash
from textgraft.inference.prompting.endpoint import departure, find_key
from textgraft.models.encoder_languages import language_model_warning
from textgraft.models.encoders import EncoderSource
from textgraft.tasks.base import Task
from textgraft.tasks.reading import named_task, read_splits
from textgraft.tasks.targets import check_holds_back
from textgraft.tasks.text.label_names import are_words, codes_note, label_codes

if TYPE_CHECKING:
    from textgraft.training.progress import Progress

DEV_FRACTION = 4
"""For so many training rows there is one dev row."""
DEV_ROWS_AT_LEAST = 20
SAMPLE = 200
"""Rows by which costs are told."""
Note = Callable[[str], None]
"""Told what the user should know."""


@dataclass(frozen=True)
class Entrants:
    """Who competes, and what they begin with: all that is known before the rows are read."""

    task: type[Task]
    contenders: list[Contender]
    """Their configurations fitted to the encoder and the word vectors."""
    encoders: tuple[EncoderSource, ...]
    """None where none of them needs one; contenders that have none of their own begin with the first."""
    vectors: VectorSource | None
    """None where none of them needs any; likewise the language model."""
    language_model: EncoderSource | None
    descriptions: dict[str, str] | None = None
    """What labels mean; None where the user does not say."""
    are_usual: bool = False
    """Whether the contenders are merely the usual ones, of which some may be left out."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the contenders."""
        return tuple(contender.name for contender in self.contenders)

    def encoder_of(self, contender: Contender) -> EncoderSource | None:
        """Return the encoder that a contender begins with, if there is one."""
        return contender.encoder or (self.encoders[0] if self.encoders else None)


@dataclass(frozen=True)
class Material:
    """What every trial draws on."""

    entrants: Entrants
    task: Task
    splits: Splits
    whole: Dataset
    """The rows of the user's first file, before they were split."""
    max_length: int | None
    answered: Sequence[int] | None = None
    """Positions of the test rows that contenders answer, ascending; None: of all of them."""
    shared: Shared = field(default_factory=Shared)
    """What the trials compute once between them."""

    def answering(self, number: int | None) -> Self:
        """Return the same, with contenders answering so many of the test rows; None: all of them.

        They are drawn so that labels keep their shares, and more of them hold the fewer.
        """
        if number is None:
            return replace(self, answered=None)
        return replace(self, answered=sorted(nested_subsets(self.splits.test.strata, [number], 0)[number]))

    @functools.cached_property
    def test(self) -> Dataset:
        """The test rows that contenders answer."""
        return self.splits.test if self.answered is None else self.splits.test.select(self.answered)

    @property
    def data_hash(self) -> str:
        """Of all rows of the splits."""
        return content_hash([self.splits.train.hash, self.splits.dev.hash, self.splits.test.hash])

    def job(
        self,
        contender: Contender,
        train: Dataset,
        dev: Dataset,
        seed: int,
        *,
        max_seconds: float | None = None,
        on_step: Callable[[Progress], None] | None = None,
    ) -> Job:
        """Return what a contender is fitted on: these rows, and what it begins with.

        Args:
            contender: Who learns.
            train: Training rows.
            dev: Dev rows.
            seed: Of everything random.
            max_seconds: When the clock ends the training; None: never.
            on_step: Called after every training step.
        """
        return Job(
            train,
            dev,
            self.task,
            seed,
            self.entrants.encoder_of(contender),
            self.max_length,
            vectors=self.entrants.vectors,
            language_model=self.entrants.language_model,
            max_seconds=max_seconds,
            on_step=on_step,
            shared=self.shared,
        )

    def rows(self, size: int, seed: int, shots: int | None = None) -> tuple[Dataset, Dataset]:
        """Return the training rows of a size and seed, and the dev rows that such a user would have.

        Args:
            size: Training rows.
            seed: Another one gives other rows.
            shots: Rows of every label, where that is what they are drawn by.
        """
        train, dev = self.splits.train, self.splits.dev
        if shots is not None:
            rows = nested_shots(train.strata, [shots], seed)[shots]
        else:
            rows = nested_subsets(train.strata, [size], seed, train.groups)[size] if size else []
        dev_rows = self.read_of(size) - size
        return train.select(rows), dev.select(nested_subsets(dev.strata, [dev_rows], seed, None)[dev_rows])

    def read_of(self, size: int) -> int:
        """Return how many train and dev rows a trial of a size learns from."""
        return size + min(len(self.splits.dev), max(DEV_ROWS_AT_LEAST, size // DEV_FRACTION))

    def unknown_tests(self, contender: Contender) -> int:
        """Return how many test rows have a text that a contender's encoder has not encoded for all trials.

        The states of lower layers, which are kept as well, are another matter: of them none counts as known.
        """
        source, tests = self.entrants.encoder_of(contender), self.test
        texts = tests.strings()
        if source is None or not texts or contender.epochs:
            return len(tests)
        unknown = self.shared.unknown(texts, source, self.max_length, self.windows_of(contender))
        return round(len(tests) * unknown / len(texts))

    def windows_of(self, contender: Contender) -> int:
        """Return how many windows of a text a contender reads at most, unless its settings say otherwise."""
        columns = sum(isinstance(values[0], str) for values in self.splits.test.columns.values())
        return 1 if self.max_length or columns > 1 else contender.windows

    def sample(self, contender: Contender) -> Job:
        """Return a few training rows, of all labels, by which a contender's costs are told."""
        train = self.splits.train
        number = min(SAMPLE, len(train))
        rows = nested_subsets(train.strata, [number], 0)[number]
        return self.job(contender, train.select(rows), self.splits.dev, 0)


def choose(
    source: Source | Dataset,
    settings: SetupSettings,
    of_task: Callable[[str], list[Contender]],
    note: Note,
    *,
    are_usual: bool = False,
) -> Entrants:
    """Find the task, the contenders and what they begin with; no row is read yet.

    Args:
        source: The user's file or rows.
        settings: The user's choices.
        of_task: Returns the contenders that are wanted of a task.
        note: Told what was guessed, and who was left out.
        are_usual: Whether the contenders are merely the usual ones, of which some may be left out.

    Raises:
        MissingExtraError: A contender is named that needs the bundled encoder, which is not installed.
        OptionError: A name is unknown, a choice is none for these contenders, or the task cannot keep the
            target.
        ModelError: The encoder or the language model is missing or damaged.
        DataError: The word vectors or the descriptions of labels cannot be read.
    """
    target = settings.target
    task = named_task(source, settings, note)
    if target is not None:
        check_holds_back(task, target)
    vectors = VectorSource.of(settings.vectors) if settings.vectors else None
    descriptions = read_descriptions(settings.describe) if settings.describe else None
    contenders = with_vectors(with_descriptions(of_task(task.name), descriptions), vectors)
    contenders = with_endpoint(
        contenders, settings.llm, settings.llm_model, settings.llm_examples, settings.llm_concurrency
    )
    for contender in contenders:
        if contender.is_remote:
            asked = contender.grid[0].given()
            note(departure(asked["endpoint"], asked["model"], find_key()))
    language_model = needed_language_model(contenders, settings.language_model)
    contenders, encoders = with_encoder(
        contenders, settings.encoders, settings.revision, settings.prompt, spare=note if are_usual else None
    )
    contenders = with_frozen_layers(contenders, settings.freeze_layers, encoders)
    return Entrants(task, contenders, encoders, vectors, language_model, descriptions, are_usual)


FEW = 32
"""Training rows of a label in the middle, up to which contenders for few rows compete unasked."""


def read(
    source: Source | Dataset,
    entrants: Entrants,
    settings: SetupSettings,
    note: Note,
    *,
    are_few: bool = False,
) -> Material:
    """Read and split the user's rows, and fit the task to them.

    Args:
        source: The user's file or rows.
        entrants: Who will learn from them.
        settings: The user's choices.
        note: Told how the rows were read, how many words have a vector, and whether a language model is of
            another language.
        are_few: Whether few rows of every label are learned from, however many there are.

    Raises:
        DataError: The rows cannot be read or learned from.
    """
    splits, whole = read_splits(entrants.task, source, settings, note)
    if entrants.vectors is not None:
        note(vectors_note(splits.train, entrants.vectors))
    if entrants.language_model is not None:
        warning = language_model_warning(entrants.language_model, splits.train)
        if warning:
            note(warning)
    task = entrants.task.fitted_to(splits.train)
    entrants = _fitted_to_labels(entrants, task.labels, note)
    if entrants.are_usual and not are_few:
        of_few = [entry for entry in entrants.contenders if not entry.is_default]
        if of_few and _rows_a_label(task.targets(splits.train)) > FEW:
            kept = [entry for entry in entrants.contenders if entry not in of_few]
            entrants = replace(entrants, contenders=kept)
    return Material(entrants, task, splits, whole, settings.max_length)


def _rows_a_label(targets: Sequence[Any]) -> float:
    """Return how many rows the label in the middle has; a row has one, or a list of them."""
    counts = Counter(label for one in targets for label in (one if isinstance(one, list) else [one]))
    return median(counts.values())


def _fitted_to_labels(entrants: Entrants, labels: Sequence[str], note: Note) -> Entrants:
    """Hold descriptions against the labels; leave out usual contenders to which the labels say nothing.

    Raises:
        OptionError: A label is described that no training row has.
    """
    descriptions = entrants.descriptions or {}
    for label in descriptions:
        if label not in labels:
            raise unknown("label", label, labels, where="--describe")
    told = [descriptions.get(label, label) for label in labels]
    if not entrants.are_usual or are_words(told):
        going = [contender.name for contender in entrants.contenders if contender.goes_by_label_names]
        codes = label_codes([label for label in labels if label not in descriptions])
        if going and codes:
            note(codes_note(going[0], codes))
        return entrants
    kept = [contender for contender in entrants.contenders if not contender.goes_by_label_names]
    for contender in entrants.contenders:
        if contender.goes_by_label_names:
            note(
                f"left out, as the labels are not called by words: {contender.name}. "
                "Say what they mean with --describe"
            )
    return replace(entrants, contenders=kept or entrants.contenders)
