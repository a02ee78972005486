"""Texts to labels: the pipeline "text-classification", also "sentiment-analysis"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Unpack

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from textgraft.data.dataset import Dataset
from textgraft.data.read_options import TextColumns
from textgraft.errors import OptionError
from textgraft.inference.pipelines.base import Pipeline
from textgraft.inference.pipelines.options import ANY_CASE, Count, Level, Options
from textgraft.inference.promised import Promised
from textgraft.tasks.base import Task
from textgraft.tasks.text.classification import SingleLabelClassification
from textgraft.tasks.text.multi_label import DecidedLabels
from textgraft.tasks.text.pairs import PairClassification
from textgraft.tasks.text.regression import Regression

if TYPE_CHECKING:
    from textgraft.inference.pipelines.sources import Source


class TextClassificationOptions(Options):
    """Options of :class:`TextClassificationPipeline`."""

    top_k: Count | None = 1
    """How many labels, the best first; None for all."""
    function_to_apply: Annotated[Literal["softmax", "sigmoid", "none"] | None, ANY_CASE] = None
    """What makes scores of logits. None: nothing for regression, the sigmoid for several labels a text or a
    model with a single output, else the softmax."""
    threshold: float | None = None
    """The least score of a label. Where no label has it, ``label`` is None; with ``top_k`` given, such labels
    are left out."""
    sets: Level | None = None
    """Add the labels that a text may have: the true one is among them in this share of texts, as 0.95."""
    reject: Level | None = None
    """Tell texts that fit no label; this share of the others is not told so, as 0.95."""

    @property
    def promised(self) -> Promised | None:
        """What is to come with labels; None leaves it to the model."""
        return Promised(sets=self.sets, reject=self.reject) or None


class TextClassificationPipeline(Pipeline[TextClassificationOptions]):
    """Give texts, or pairs of texts, their labels.

    Example::

        >>> classify = pipeline("text-classification", "my-model")
        >>> classify("What a lovely meal.")
        [{'label': 'POSITIVE', 'score': 0.98}]
        >>> classify(["What a lovely meal.", "The hotel was awful."])
        [{'label': 'POSITIVE', 'score': 0.98}, {'label': 'NEGATIVE', 'score': 0.95}]
        >>> classify("What a lovely meal.", top_k=None)
        [{'label': 'POSITIVE', 'score': 0.98}, {'label': 'NEGATIVE', 'score': 0.02}]
        >>> pairs({"text": "He sleeps.", "text_pair": "He is awake."})
        {'label': 'contradiction', 'score': 0.97}

    A model with a threshold says of each text whether it ``needs_review``: where it does, ``label`` is None.
    With ``top_k`` given, labels are listed all the same: they are what a person chooses from.

        >>> classify("Meal hotel.")
        [{'label': None, 'score': 0.61, 'needs_review': True}]

    A model that textgraft trained gives the labels that a text may have, and tells texts that fit none:

        >>> classify("Where is my card?", sets=0.95, reject=0.95)
        [{'label': 'card_arrival', 'score': 0.71, 'unknown': False, 'set': ['card_arrival', 'lost_card']}]

    With ``top_k`` given, every label listed says whether it is ``in_set``.

    As in Transformers 4, a single text gives a list of one; a ``top_k`` that is given when the pipeline is
    built, not with the call, nests that list once more.
    """

    task = "text-classification"
    auto_class = "AutoModelForSequenceClassification"
    heads: ClassVar[tuple[str, ...]] = ("text-classification",)
    options_class = TextClassificationOptions

    def __init__(self, source: Source, options: TextClassificationOptions) -> None:
        super().__init__(source, options)
        self._labels = source.labels
        if source.predictor:
            self._single: Task = source.predictor.task
            self._pair: Task = source.predictor.task
        else:
            # What a checkpoint of others was trained on, only its user knows.
            self._single = SingleLabelClassification(self._labels)
            self._pair = PairClassification(self._labels)
        if options.promised:
            options.promised.check(source.predictor.manifest if source.predictor else None)

    def rows(self, inputs: Sequence[Any]) -> Dataset:
        """Take texts, or pairs as ``{"text": …, "text_pair": …}``, as the model's task does."""
        pairs = [isinstance(given, Mapping) for given in inputs]
        if not any(pairs):
            return self._single.rows(inputs)
        for position, given in enumerate(inputs):
            if not pairs[position] or set(given) != {"text", "text_pair"}:
                raise OptionError(
                    f"input {position} is no pair, but others are: {str(given)[:60]!r}"
                    if not pairs[position]
                    else f"input {position} has the keys {', '.join(map(repr, given))}",
                    fix='Give texts only, or {"text": …, "text_pair": …} throughout.',
                )
        return self._pair.rows([(given["text"], given["text_pair"]) for given in inputs])

    def read(self, path: str | Path, **columns: Unpack[TextColumns]) -> Dataset:
        """Read texts, or pairs of texts for models of pairs; of a checkpoint, two text columns are a pair."""
        return self._single.read(path, labelled=False, **columns)

    def results(self, dataset: Dataset, options: TextClassificationOptions) -> list[Any]:
        """Return the best label of each row, or with ``top_k`` given the best ones, as dicts."""
        task = self._pair if len(dataset.columns) == 2 else self._single
        predictor = self.source.predictor_for(task)
        features, decoded = predictor.outputs(dataset)
        self.warn_of_cuts(features)
        if isinstance(task, Regression):
            numbers = task.predictions(features, decoded, predictor.temperature)
            scores = np.array([[number.answer] for number in numbers])
        else:
            scores = self._scores(np.stack(decoded), options.function_to_apply, predictor.temperature)
        least = -np.inf if options.threshold is None else options.threshold
        decided = self.source.decided(features, decoded, promised=options.promised)
        if "top_k" not in options.model_fields_set:
            best = scores.argmax(axis=1)
            found = [
                {"label": self._labels[index] if row[index] >= least else None, "score": float(row[index])}
                for row, index in zip(scores, best, strict=True)
            ]
            return (
                [_held(entry, one) for entry, one in zip(found, decided, strict=True)] if decided else found
            )
        order = np.argsort(-scores, axis=1, kind="stable")[:, : options.top_k]
        return [
            [
                {"label": self._labels[index], "score": float(row[index])}
                | (_said(decided[place], self._labels[index]) if decided else {})
                for index in best
                if row[index] >= least
            ]
            for place, (row, best) in enumerate(zip(scores, order, strict=True))
        ]

    def _scores(
        self, logits: NDArray[np.float32], function: str | None, temperature: float
    ) -> NDArray[np.float32]:
        """Make scores of logits [rows, labels]."""
        if function is None:
            problem = self.source.model.config.problem_type
            is_each = problem == "multi_label_classification" or len(self._labels) == 1
            function = "none" if problem == "regression" else "sigmoid" if is_each else "softmax"
        if function == "none":
            return logits
        logits = logits / np.float32(temperature)
        return expit(logits) if function == "sigmoid" else softmax(logits, axis=1)

    def alone(self, result: Any, single: Any, given: Mapping[str, Any]) -> Any:
        """Put the result of a single text into a list, unless the call asks for several labels."""
        return [result] if isinstance(single, str) and "top_k" not in given else result


def _held(entry: dict[str, Any], decided: Any) -> dict[str, Any]:
    """Take the label out of a result that is no answer: held back by the threshold, or of an unknown text."""
    given = decided.labels if isinstance(decided, DecidedLabels) else [decided.label]
    label = entry["label"] if entry["label"] in given else None
    return {"label": label, "score": entry["score"], **_said(decided)}


def _said(decided: Any, label: str | None = None) -> dict[str, Any]:
    """Return what else is said of a text; given a label of it, whether that one is in its set."""
    said: dict[str, Any] = {}
    if hasattr(decided, "needs_review"):
        said["needs_review"] = decided.needs_review
    if hasattr(decided, "is_unknown"):
        said["unknown"] = decided.is_unknown
    if hasattr(decided, "label_set") and label is None:
        said["set"] = list(decided.label_set)
    elif hasattr(decided, "label_set"):
        said["in_set"] = label in decided.label_set
    return said
