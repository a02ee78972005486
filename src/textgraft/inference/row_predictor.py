"""What answers raw rows of a task, whatever it is made of: weights, or a prompt for a model elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textgraft.data.dataset import Dataset
from textgraft.data.inputs import given_inputs, given_texts, is_table, table_columns
from textgraft.errors import OptionError
from textgraft.evaluation.conformal import Nonconformity, label_set
from textgraft.models.fingerprint import Fingerprint
from textgraft.models.manifest import Manifest
from textgraft.tasks.base import Task
from textgraft.tasks.decided import Told, WithSet
from textgraft.tasks.scoring import Scoring
from textgraft.tasks.targets import decided


@dataclass(frozen=True)
class Asked:
    """What it cost to have rows answered elsewhere, as it was when they were asked, however long ago."""

    seconds: list[float]
    """From the question to the answer, one entry a row that was asked; waiting between tries is left out."""
    concurrency: int
    """Questions that were under way at a time."""
    input_tokens: float | None
    """Of a row on average, as the endpoint counts them; None where it does not."""
    output_tokens: float | None
    unanswered: int
    """Rows whose answer was no label."""


class RowPredictor(ABC):
    """Takes raw rows and predicts.

    Args:
        task: What the rows are, and how answers are scored.
        max_length: Tokens that are read of a row at once.
        temperature: Divides the logits before they become probabilities; 1 where there are none.
        manifest: Where it came from, when it was loaded from a model directory; its threshold decides which
            answers are given.
    """

    def __init__(self, task: Task, max_length: int, temperature: float, manifest: Manifest | None) -> None:
        self.task = task
        self.max_length = max_length
        self.temperature = temperature
        self.manifest = manifest
        self.folder: Path | None = None
        """The model directory that it was loaded from."""
        self.threshold = manifest.threshold if manifest else None
        self.sets: float | None = None
        """Coverage of the prediction sets that come with answers; see :meth:`give_sets`."""
        self.reject: float | None = None
        """Share of known texts that is not told to be unknown; see :meth:`tell_unknown`."""

    @property
    @abstractmethod
    def engine(self) -> str:
        """What computes, in which precision, and why nothing else; cached predictions are named by it."""

    def choose_engine(self, engine: str, *, keep: bool = True) -> None:
        """Let another engine run it, where there is a choice.

        Args:
            engine: "auto", "torch", "openvino" or "ctranslate2".
            keep: Whether a graph that is converted is kept in the cache folder.
        """
        del engine, keep

    @abstractmethod
    def outputs(
        self,
        dataset: Dataset,
        on_progress: Callable[[int], None] | None = None,
        choose: Callable[[list[Any]], list[Any]] | None = None,
    ) -> tuple[list[Any], list[Any]]:
        """Return the windows of rows, labelled or not, and what is kept of the outputs for each.

        Args:
            dataset: Any rows of the task.
            on_progress: Called with the number of windows just finished.
            choose: Returns the windows to run of all that there are, at least one a row, in order.
        """

    def predictions(self, features: Sequence[Any], decoded: Sequence[Any]) -> list[Any]:
        """Make one prediction a row of what :meth:`outputs` returned, whatever the threshold."""
        return self.task.predictions(features, decoded, self.temperature)

    def decide(self, predictions: Sequence[Any]) -> list[Any]:
        """Hold back what does not reach the threshold; tell unknown texts and add sets where asked for."""
        given = decided(self.task, predictions, self.threshold)
        if self.reject is not None:
            most = self._measured("--reject").quantile(self.reject)
            given = [
                Told(answer, bool(1 - one.probabilities.max() > most))
                for answer, one in zip(given, predictions, strict=True)
            ]
        if self.sets is not None:
            quantile = self._measured("--sets").quantile(self.sets)
            given = [
                WithSet(answer, tuple(self.task.labels[at] for at in label_set(one.probabilities, quantile)))
                for answer, one in zip(given, predictions, strict=True)
            ]
        return given

    def give_sets(self, level: float | None) -> None:
        """Have answers come with a prediction set, from now on: the labels that a text may have.

        Args:
            level: Share of the texts whose true label is in their set, as 0.95; None: no sets.

        Raises:
            OptionError: There are no sets of this model, or too few dev rows for such a level.
        """
        self._check_level(level, "--sets")
        self.sets = level

    def tell_unknown(self, level: float | None) -> None:
        """Have answers say whether a text is unknown, from now on: whether it fits none of the labels.

        What the model is less sure of than of nearly all dev rows is told so, and has no label.

        Args:
            level: Share of the texts with one of the labels that is not, as 0.95; None: nothing is told.

        Raises:
            OptionError: The model has no probabilities of labels, or too few dev rows for such a level.
        """
        self._check_level(level, "--reject")
        self.reject = level

    def _measured(self, option: str) -> Nonconformity:
        manifest = self.manifest
        found = (manifest.nonconformity if option == "--sets" else manifest.doubt) if manifest else None
        if found is None:
            raise OptionError(
                "this model has no probabilities of labels that were measured on dev rows",
                where=option,
                fix="It takes a classifier that was trained by this version: train again.",
            )
        return found

    def _check_level(self, level: float | None, option: str) -> None:
        if level is None:
            return
        if not 0 < level < 1:
            raise OptionError(
                f"{level:g} is no share of texts to promise",
                where=option,
                fix="Give a number between 0 and 1, as 0.95.",
            )
        found = self._measured(option)
        if level > found.highest_level:
            raise OptionError(
                f"{found.rows:,} dev rows cannot promise {level:g}",
                where=option,
                fix=f"Ask for at most {int(1000 * found.highest_level) / 1000}, or train with more dev rows.",
            )

    def predict_rows(self, dataset: Dataset, on_progress: Callable[[int], None] | None = None) -> list[Any]:
        """Return one prediction a row of a data set, whatever the threshold: what a model is judged by.

        The targets, if there are any, are not looked at.
        """
        features, decoded = self.outputs(dataset, on_progress)
        return self.predictions(features, decoded)

    def predict(self, inputs: Any, *, text: str | Sequence[str] | None = None) -> list[Any]:
        """Return one prediction for each input; with a threshold it says whether it ``needs_review``.

        Args:
            inputs: A list, a generator, an array or a series: of strings for classification; what other tasks
                take says their ``rows`` method. Or a table, as a DataFrame.
            text: The columns of a table to read; those that the model was trained on if left out.

        Raises:
            OptionError: An input is not of the form that the task takes, or a column is not there.
        """
        names = [text] if isinstance(text, str) else list(text or ())
        if not names and self.manifest and self.manifest.label_column and is_table(inputs):
            names = self.manifest.text_columns
        if len(names) > 1 and is_table(inputs):
            columns = table_columns(inputs, names)
            rows = Dataset.unlabelled({name: given_texts(values) for name, values in columns.items()})
        else:
            rows = self.task.rows(given_inputs(inputs, names))
        return self.decide(self.predict_rows(rows))

    def calibrate(self, temperature: float, sample: Dataset) -> float:
        """Take up a temperature that was fitted on held-out rows.

        Args:
            temperature: As the task fitted it.
            sample: A few rows.

        Returns:
            The temperature that is now in the weights; 1 if none is.
        """
        del sample
        self.temperature = temperature
        return 1.0

    def forced(self, dataset: Dataset) -> tuple[Scoring, list[Any]] | None:
        """Predict the targets of rows, each token from the true ones before it; None where none is written.

        Args:
            dataset: Rows with targets.
        """
        del dataset
        return None

    def asked(self, dataset: Dataset) -> Asked | None:
        """Return what it cost to have rows answered elsewhere; None where this process answers by itself."""
        del dataset
        return None

    @abstractmethod
    def size(self) -> int:
        """Return the bytes on disk that serving needs here."""

    @abstractmethod
    def truncated_fraction(self, dataset: Dataset) -> float:
        """Return the share of all rows' text that lies beyond what is read, 0 to 1."""

    @abstractmethod
    def save(self, path: Path, manifest: Manifest, card: str, fingerprint: Fingerprint | None = None) -> None:
        """Write a model directory, replacing one that stands there, as :func:`load` reads it.

        Args:
            path: The folder.
            manifest: What stands in textgraft.json.
            card: README.md.
            fingerprint: What is remembered of the rows that the model was made with.

        Raises:
            OutputError: The folder cannot be written. Nothing is left behind.
        """
