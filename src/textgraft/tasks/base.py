"""What a task is: rows become tensors, a model's outputs become predictions, predictions get scores.

Tasks know nothing of architectures; models know nothing of columns. A new task is one file beside this one
and one entry in :data:`textgraft.tasks.registry.TASKS`.

The way of a row: :meth:`Task.read` takes it from a file, :meth:`Task.features` makes of it one or several
windows that fit the model, :meth:`Task.collate` makes batches of windows, :meth:`Task.decode` keeps of the
outputs what each window needs, and :meth:`Task.predictions` puts the windows of a row together again.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Unpack

import numpy as np
from numpy.typing import NDArray

from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Source
from textgraft.data.read_options import ReadOptions
from textgraft.evaluation.label_scores import LabelCounts
from textgraft.tasks.decided import Decided, decide
from textgraft.tasks.scoring import Features, Scoring, W

if TYPE_CHECKING:
    from typing import Self

    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

    from textgraft.tasks.sketch import Guess, Sketch


class Prediction(Protocol):
    """The answer for one row; every task has its own, all share this."""

    @property
    def score(self) -> float:
        """How sure the model is of its answer, 0 to 1."""
        ...

    @property
    def answer(self) -> Any:
        """The answer in the form that gold targets have: made of numbers, strings, lists and dicts."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return what is written to a file: plain values, the answer first."""
        ...

    def numbers(self) -> list[float]:
        """Return the probabilities behind the answer: what golden outputs are compared by."""
        ...


class Task(Scoring[W]):
    """The contract between data, models and the training loop.

    ``Task[W]`` names the record that its windows are, as ``Task[Features]`` does.
    """

    name: ClassVar[str]
    """As written after ``--task`` and in textgraft.json."""
    metric_names: ClassVar[tuple[str, ...]]
    """All keys of :meth:`metrics`."""
    overall_metric: ClassVar[str | None] = None
    """Where the main metric is a mean over labels, and few rows of a rare one may decide it: the one that
    counts every row alike."""
    auto_class: ClassVar[str]
    """Name of the Transformers Auto class whose models have this task's head."""
    pipeline: ClassVar[str]
    """The pipeline that runs its models, by the name that the Hub has for it: "text-classification"."""
    metric_titles: ClassVar[Mapping[str, str]] = {}
    """How people call its metrics; one that is not in here is called by its key, with spaces."""
    contenders_of: ClassVar[str | None] = None
    """Another task whose contenders can do this one too, beside those that name it; None: only these."""
    has_probabilities: ClassVar[bool] = True
    """Whether a score is the probability of being right."""
    divides_logits: ClassVar[bool] = True
    """Whether the temperature is what logits are divided by."""
    answer_fields: ClassVar[tuple[str, ...]] = ()
    """Keys of a prediction's ``to_dict`` that hold its answer; none where answers cannot be held back for a
    person, as no score says how likely one is right."""
    writes: ClassVar[bool] = False
    """Whether its answers are texts that a model writes: scores say nothing of being right, speed counts."""
    takes_windows: ClassVar[bool] = False
    """Whether a row is a text that may be read in windows, whose outputs are averaged."""
    typed_columns: ClassVar[tuple[str, ...] | None] = None
    """Columns that may be written otherwise while targets stay true; None: all text columns."""
    quality_title: ClassVar[str] = "accuracy"
    """How people call the mean of :meth:`qualities`."""
    packs_texts: ClassVar[bool] = False
    """Whether :meth:`read` takes ``packed``."""
    has_offsets: ClassVar[bool] = False
    """Whether its files say by offsets where something stands; then :meth:`read` takes ``offsets``."""
    labels: tuple[str, ...]
    """Names of the head's outputs, in order; it has as many."""

    # From files and Python values to rows.

    @classmethod
    @abstractmethod
    def read(cls, source: Source, **columns: Unpack[ReadOptions]) -> Dataset:
        """Read a file of this task.

        Args:
            source: A path, or a Hub name where the task takes tables.
            columns: The keywords of :class:`~textgraft.data.read_options.ReadOptions`; those that a task's
                files have no use for are refused.

        Raises:
            DataError: The file cannot be read, or no row is usable.
            OptionError: A column or a keyword does not exist (the nearest is suggested), or the task has no
                use for it.
        """

    @classmethod
    def title(cls, metric: str) -> str:
        """Return how people call a metric."""
        return cls.metric_titles.get(metric, metric.replace("_", " "))

    @classmethod
    def recognise(cls, sketch: Sketch) -> Guess | None:
        """Say how a file speaks for this task; None where it does not, or the user's word speaks against it.

        Args:
            sketch: The file, as far as it is looked at.
        """
        del sketch
        return None

    @classmethod
    @abstractmethod
    def fitted_to(cls, train: Dataset) -> Self:
        """Make the task from its training rows, which tell the labels.

        Raises:
            DataError: There is nothing to learn, as with a single label.
        """

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return the keyword arguments that make this task again: what textgraft.json keeps of it."""

    @abstractmethod
    def rows(self, inputs: Iterable[Any]) -> Dataset:
        """Turn Python values to predict, as ``predict(inputs)`` takes them, into unlabelled rows.

        They are listed by :func:`~textgraft.data.inputs.given_inputs`.

        Raises:
            OptionError: An entry is not of the form that the task takes; names its position.
        """

    @abstractmethod
    def targets(self, dataset: Dataset) -> list[Any]:
        """Return the gold target of each row, made of numbers, strings, lists and dicts.

        Raises:
            DataError: The rows have no targets, or one that this task does not know; names the line.
        """

    def shown(self, dataset: Dataset) -> Sequence[str]:
        """Write for each row what the model reads of it, for people to read."""
        return dataset.texts

    # From rows to batches and back.

    def configure(self, config: PreTrainedConfig) -> None:
        """Set what the head of a model needs to know of the task."""
        # A checkpoint that was trained for something else may say otherwise.
        config.problem_type = None
        config.id2label = dict(enumerate(self.labels))
        config.label2id = {label: index for index, label in enumerate(self.labels)}

    def prepare(self, model: PreTrainedModel) -> None:
        """Called with a new model before it is trained."""

    @abstractmethod
    def features(self, dataset: Dataset, tokenizer: PreTrainedTokenizerFast, max_length: int) -> list[W]:
        """Turn rows into windows of at most ``max_length`` tokens, in order; rows may have several."""

    def truncated_fraction(
        self, dataset: Dataset, tokenizer: PreTrainedTokenizerFast, max_length: int
    ) -> float:
        """Return the share of all tokens that no window holds, 0 to 1."""
        kept, lost = token_counts(self.features(dataset, tokenizer, max_length))
        return lost / (kept + lost) if lost else 0.0

    # Scores.

    def while_training(self) -> Scoring[W]:
        """Return what dev rows are scored by between steps: the task, unless its answers cost too much."""
        return self

    def signatures(self, gold: Sequence[Any]) -> dict[str, str]:
        """Return for each metric that needs it how exactly it is computed on rows with these targets."""
        del gold
        return {}

    def graded(
        self, gold: Sequence[Any], predictions: Sequence[Prediction]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return for each answer how sure the model is of it, and whether it is right.

        Returns:
            Both [rows, answers]; the first is below 0 where there is no answer.
        """
        scores = np.array([prediction.score for prediction in predictions], dtype=np.float64)
        right = [
            self.is_right(target, prediction.answer)
            for target, prediction in zip(gold, predictions, strict=True)
        ]
        return scores[:, None], np.array(right, dtype=np.bool_)[:, None]

    def decide(self, prediction: Prediction, least: float | None) -> Decided:
        """Say whether a prediction is given as an answer.

        Args:
            prediction: One of this task.
            least: The score that an answer must reach; None where every answer is held back.
        """
        return decide(prediction, self.answer_fields, least)

    def is_right(self, gold: Any, answer: Any) -> bool:
        """Return whether an answer is wholly right."""
        return bool(gold == answer)

    def qualities(self, gold: Sequence[Any], answers: Sequence[Any]) -> NDArray[np.float64]:
        """Return how good each answer is by itself, 0 to 1, [rows]; by default whether it is right."""
        return np.array(list(map(self.is_right, gold, answers)), dtype=np.float64)

    def confusion(
        self, gold: Sequence[Any], answers: Sequence[Any]
    ) -> tuple[tuple[str, ...], NDArray[np.int64]] | None:
        """Return what is taken for what: names, and counts by true and given one, [names, names].

        None where answers are no names, or those of one row are no other row's.
        """
        del gold, answers
        return None

    def oracle(self, features: Sequence[W], gold: Sequence[Any]) -> list[Any] | None:
        """Return what who knows the targets would answer, of what a model can answer to these windows.

        Args:
            features: The windows of the rows.
            gold: The target of each row.

        Returns:
            One answer a row; None where a model could give any target.
        """
        del features, gold
        return None

    def label_counts(self, gold: Sequence[Any], answers: Sequence[Any]) -> LabelCounts | None:
        """Return which names each row has, was given and has right; None where answers are no names."""
        del gold, answers
        return None

    def sole_target(self, gold: Sequence[Any]) -> str | None:
        """Return, for people to read, the target that all rows have; None where they differ.

        Rows of one target tell no model from another: whoever always gives it scores best.
        """
        return self.show(gold[0]) if len(gold) and all(target == gold[0] for target in gold) else None

    def show(self, answer: Any) -> str:
        """Write a gold target or an answer for people to read."""
        return self.labels[answer] if isinstance(answer, int) else str(answer)

    def loss(self, gold: Sequence[Any], features: Sequence[W], decoded: Sequence[Any]) -> float:
        """Return a loss that tells apart what scores alike on few held-out rows; 0 where there is none."""
        del gold, features, decoded
        return 0.0

    def temperature(self, gold: Sequence[Any], features: Sequence[W], decoded: Sequence[Any]) -> float:
        """Return the temperature that calibrates probabilities on held-out rows; 1 where none is fitted."""
        del gold, features, decoded
        return 1.0


def token_counts(features: Sequence[Features]) -> tuple[int, int]:
    """Return how many tokens windows hold, and how many of their rows are lost to the length limit."""
    kept = sum(_length(feature.get("input_ids", ())) for feature in features)
    return kept, sum(feature.get("lost", 0) for feature in features)


def _length(ids: Sequence[Any]) -> int:
    """Count the tokens of a window, or of the choices in it."""
    return sum(map(len, ids)) if ids and isinstance(ids[0], list) else len(ids)


def padded(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    """Pad rows of whole numbers on the right with ``value``: int64 [rows, longest]."""
    import torch  # loads for seconds: not for those who only read rows

    lengths = np.array([len(row) for row in rows])
    array = np.full((len(rows), int(lengths.max(initial=0))), value, dtype=np.int64)
    for place, row in zip(array, rows, strict=True):
        place[: len(row)] = row
    return torch.from_numpy(array)


def padded_inputs(features: Sequence[Features], pad_token_id: int) -> dict[str, torch.Tensor]:
    """Make input_ids, attention_mask and, where the features have them, token_type_ids, [batch, time]."""
    ids = [feature["input_ids"] for feature in features]
    batch = {
        "input_ids": padded(ids, pad_token_id),
        "attention_mask": padded([[1] * len(row) for row in ids], 0),
    }
    if "token_type_ids" in features[0]:
        batch["token_type_ids"] = padded([feature["token_type_ids"] for feature in features], 0)
    return batch


def gold_of(features: Sequence[Features]) -> list[Any]:
    """Return the gold target of each row from the windows of all rows, in order."""
    return list({feature["row"]: feature["gold"] for feature in features}.values())
