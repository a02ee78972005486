"""What answers raw rows of a task, whatever it is made of: weights, or a prompt for a model elsewhere."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import plain
from textgraft.data.inputs import given_inputs, given_texts, is_table, listed, table_columns
from textgraft.data.values import UnusableError, as_name
from textgraft.errors import OptionError, unknown
from textgraft.inference.promised import REJECT, SETS, Promised
from textgraft.models.fingerprint import Fingerprint
from textgraft.models.known import KnownTexts
from textgraft.models.manifest import Manifest
from textgraft.settings import real_number
from textgraft.tables import Table, flat, page, paragraph
from textgraft.tasks.base import Task
from textgraft.tasks.scoring import Scoring
from textgraft.tasks.targets import decided
from textgraft.terminal import visible
from textgraft.wording import counted

if TYPE_CHECKING:
    import pandas

    from textgraft.inference.streaming.streams import Stream, Streams


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
        self.known: KnownTexts | None = None
        """Where its training texts lie, if that was kept."""
        self.promised = Promised()
        """What answers come with; see :meth:`give_sets` and :meth:`tell_unknown`."""

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

    @contextlib.contextmanager
    def as_loaded(self, sample: Dataset) -> Iterator[None]:
        """Answer meanwhile as this model will once it is saved and loaded here, on another engine if need be.

        Args:
            sample: The rows whose outputs it will be held against then.
        """
        del sample
        yield

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

    def decide(self, predictions: Sequence[Any], promised: Promised | None = None) -> list[Any]:
        """Hold back what does not reach the threshold; tell unknown texts and add sets where asked for.

        Args:
            predictions: One a row.
            promised: What is asked for, in place of what was by :meth:`give_sets` and :meth:`tell_unknown`.

        Raises:
            OptionError: The model cannot promise it.
        """
        given = decided(self.task, predictions, self.threshold)
        return (self.promised if promised is None else promised).beside(
            given, predictions, self.manifest, self.known
        )

    def give_sets(self, level: float | None) -> None:
        """Have answers come with a prediction set, from now on: the labels that a text may have.

        Args:
            level: Share of the texts whose true label is in their set, as 0.95; None: no sets.

        Raises:
            OptionError: There are no sets of this model, or too few dev rows for such a level.
        """
        self._promise(replace(self.promised, sets=None if level is None else real_number(level, SETS)))

    def tell_unknown(self, level: float | None) -> None:
        """Have answers say whether a text is unknown, from now on: whether it fits none of the labels.

        What is stranger to the model than nearly all dev rows is told so, and has no label.

        Args:
            level: Share of the texts with one of the labels that is not, as 0.95; None: nothing is told.

        Raises:
            OptionError: The model has no probabilities of labels, or too few dev rows for such a level.
        """
        self._promise(replace(self.promised, reject=None if level is None else real_number(level, REJECT)))

    def _promise(self, promised: Promised) -> None:
        promised.check(self.manifest)
        self.promised = promised

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
        return self.decide(self.predict_rows(self._rows(inputs, text)))

    def predict_proba(self, inputs: Any, *, text: str | Sequence[str] | None = None) -> NDArray[np.float32]:
        """Return the probability of every label, [inputs, labels], in the order of :attr:`classes_`.

        Args:
            inputs: As for :meth:`predict`.
            text: Likewise.

        Raises:
            OptionError: An input is not of the form that the task takes, or its answers are no labels.
        """
        predictions = self.predict_rows(self._rows(inputs, text))
        if not self._has_classes or not all(hasattr(one, "probabilities") for one in predictions):
            raise OptionError(
                f"this model has no probabilities of labels: its task is {self.task.name}",
                where="predict_proba",
                fix="Ask predict(): its answers have a score each.",
            )
        return np.stack([one.probabilities for one in predictions])

    @property
    def classes_(self) -> NDArray[np.str_]:
        """The labels, in the order of the columns of :meth:`predict_proba`.

        Raises:
            AttributeError: The answers of the model's task are no labels.
        """
        if not self._has_classes:
            raise AttributeError(f"a model of the task {self.task.name} has no classes")
        return np.array(self.task.labels)

    def score(
        self,
        inputs: Any,
        labels: Iterable[Any],
        *,
        text: str | Sequence[str] | None = None,
        metric: str | None = None,
    ) -> float:
        """Return how well labelled inputs are answered.

        Args:
            inputs: As for :meth:`predict`.
            labels: The true answer for each: names of labels, lists of them, numbers or texts, as in a file.
            text: As for :meth:`predict`.
            metric: One of the task's metrics; the main one if left out, as "macro_f1" for classification.

        Raises:
            OptionError: There is no such metric, or not one label for each input.
            DataError: A label is unknown to the model.
        """
        if metric is not None and metric not in self.task.metric_names:
            raise unknown("metric", metric, self.task.metric_names, where="metric")
        rows = self._rows(inputs, text)
        targets = [self._target(place, label) for place, label in enumerate(listed(labels))]
        if len(targets) != len(rows):
            raise OptionError(
                f"{counted(len(rows), 'input')} came with {counted(len(targets), 'label')}",
                where="labels",
                fix="Give one for each input.",
            )
        gold = self.task.targets(replace(rows, labels=targets))
        answers = [prediction.answer for prediction in self.predict_rows(rows)]
        return float(self.task.metrics(gold, answers)[metric or self.task.main_metric])

    def to_pandas(self, inputs: Any, *, text: str | Sequence[str] | None = None) -> pandas.DataFrame:
        """Return predictions as a DataFrame: a row for each input, a column for each score.

        Args:
            inputs: As for :meth:`predict`. A DataFrame of pandas keeps its columns and its index, a series
                its index; an answer whose name is taken is called ``<name>_predicted``.
            text: As for :meth:`predict`.

        Raises:
            OptionError: An input is not of the form that the task takes, or a column is not there.
            MissingExtraError: pandas is not installed.
        """
        rows = self._rows(inputs, text)
        answers = [flat(one.to_dict()) for one in self.decide(self.predict_rows(rows))]
        found = Table.of(answers).to_pandas()
        import pandas

        given = inputs if isinstance(inputs, pandas.DataFrame) else pandas.DataFrame(dict(rows.columns))
        # Put together by position: where an index repeats, as after concat, a join would give every pair.
        beside = given.reset_index(drop=True).join(found, rsuffix="_predicted")
        if isinstance(inputs, pandas.DataFrame | pandas.Series):
            beside.index = inputs.index
        return beside

    def _rows(self, inputs: Any, text: str | Sequence[str] | None) -> Dataset:
        """List inputs as rows, by the columns that the model was trained on where it has some."""
        names = [text] if isinstance(text, str) else list(text or ())
        if not names and self.manifest and self.manifest.label_column and is_table(inputs):
            names = self.manifest.text_columns
        if len(names) > 1 and is_table(inputs):
            columns = table_columns(inputs, names)
            return Dataset.unlabelled({name: given_texts(values) for name, values in columns.items()})
        return self.task.rows(given_inputs(inputs, names))

    @property
    def _has_classes(self) -> bool:
        return self.task.answer_fields in (("label",), ("labels",))

    def _target(self, place: int, label: Any) -> Any:
        """Return a target as a file's reader gives it."""
        value = plain(label)
        if not self._has_classes:
            return value
        try:
            return tuple(map(as_name, value)) if isinstance(value, list) else as_name(value)
        except UnusableError as problem:
            raise OptionError(
                f"label {place}: {problem}", where="labels", fix="Leave such rows out, with their inputs."
            ) from problem

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "what predicts is not pickled, as no model is: give other processes the folder of the model, "
            "as textgraft.train and compare write it, and call textgraft.load() there"
        )

    def __repr__(self) -> str:
        where = f" from {self.folder}" if self.folder else ""
        contender = f" {self.manifest.contender}" if self.manifest else ""
        return visible(f"<{type(self).__name__}{contender} for {self.task.name}{where}>")

    def _repr_html_(self) -> str:
        labels, manifest = self.task.labels, self.manifest
        facts: list[tuple[str, Any]] = [("task", self.task.name)]
        if self._has_classes:
            facts.append((f"{len(labels):,} labels", labels))
        if manifest is not None:
            facts += [("contender", manifest.contender), ("trained on", manifest.data_source)]
            facts += [
                (f"{self.task.title(name)} on the test rows", value)
                for name, value in manifest.metrics.items()
            ]
        facts += [("reads at once", f"{self.max_length:,} tokens"), ("engine", self.engine)]
        return page(paragraph(repr(self)[1:-1], "lead"), Table(("", ""), facts).to_html())

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

    def streams(self, count: int, *, until: float | None = None, answer_early: bool = False) -> Streams[Any]:
        """Open several texts that go on, read side by side: see :meth:`stream`.

        Args:
            count: How many.
            until: As there.
            answer_early: As there.

        Raises:
            OptionError: The model cannot read a text as it comes, or an option is wrong.
        """
        del count, until, answer_early
        raise OptionError(
            "what is no network of this process cannot read a text as it comes",
            where="stream",
            fix="Load the model directory of a recurrent network that reads to the right alone.",
        )

    def stream(self, *, until: float | None = None, answer_early: bool = False) -> Stream[Any]:
        """Open a text that goes on, to be read token by token in constant memory.

        Example::

            >>> stream = textgraft.load("model").stream()
            >>> stream.feed("The food was ")
            LabelPrediction(…)
            >>> stream.save("mail.safetensors")

        Args:
            until: From which score on the answer is final, 0 to 1: it is looked at after every token, and
                no more is read then. None: it never is.
            answer_early: Whether it is final from the score on that :func:`textgraft.early_decisions` found
                and kept in the model directory.

        Raises:
            OptionError: The model cannot read a text as it comes, as it is not recurrent or reads from the
                end as well; ``until`` is no score or not for its task; or no score was kept.
        """
        from textgraft.inference.streaming.streams import Stream

        return Stream(self.streams(1, until=until, answer_early=answer_early))

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
