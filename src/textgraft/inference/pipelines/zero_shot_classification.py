"""Texts to labels that are named with the call: the pipeline "zero-shot-classification"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Unpack

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator
from scipy.special import expit, softmax

from textgraft.data.dataset import Dataset
from textgraft.data.read_options import TextColumns
from textgraft.errors import ModelError, OptionError
from textgraft.inference.nearest_label import ANYTHING, SCALE, TEMPLATE, check_template, hypotheses
from textgraft.inference.pipelines.base import Pipeline
from textgraft.inference.pipelines.encodings import text_encodings
from textgraft.inference.pipelines.options import KeywordOptions, Options, PipelineOptions
from textgraft.inference.pipelines.sources import Source
from textgraft.models.encoders import encoder_config, resolve_encoder
from textgraft.tasks.text.classification import SingleLabelClassification
from textgraft.tasks.text.pairs import PairClassification

NLI_TEMPLATE = "This example is {}."
"""What Transformers makes of a label for models of natural language inference."""
_HEAD = "ForSequenceClassification"


def _labels(value: Any) -> Any:
    """Take "sport, food" as two labels, and any sequence of strings as a list."""
    if isinstance(value, str):
        value = [label.strip() for label in value.split(",") if label.strip()]
    if isinstance(value, Iterable):
        value = list(value)
        if not value:
            raise OptionError("no label is given", where="candidate_labels", fix="Give at least one.")
    return value


def _template(value: Any) -> Any:
    return check_template(value) if isinstance(value, str) else value


class ZeroShotClassificationOptions(Options):
    """Options of :class:`ZeroShotClassificationPipeline`."""

    candidate_labels: Annotated[list[str] | None, BeforeValidator(_labels)] = None
    """The labels to choose from: a list, or a string with commas between them."""
    hypothesis_template: Annotated[str | None, BeforeValidator(_template)] = None
    """The sentence that is made of a label, with {} in its place. None: the label alone where
    encodings are compared, "This example is {}." for models of natural language inference."""
    multi_label: bool = False
    """Whether each label has a score of its own, whatever the others have."""


class ZeroShotClassificationPipeline(Pipeline[ZeroShotClassificationOptions]):
    """Give texts the labels that are named with the call; nothing is trained.

    Example::

        >>> classify = pipeline("zero-shot-classification")
        >>> classify("The goalkeeper saved it.", candidate_labels=["sport", "food"])
        {'sequence': 'The goalkeeper saved it.', 'labels': ['sport', 'food'], 'scores': [0.93, 0.07]}

    On an encoder, as the default is one, a label's sentence is compared with the text: the cosine of their
    encodings times :data:`~textgraft.inference.nearest_label.SCALE` is its logit. With ``multi_label``, or a
    single label, a score says whether the text is nearer to it than to the same sentence about "something".
    A model of natural language inference, which has a label that begins with "entail", reads text and
    sentence as a pair, as Transformers has it: logits of entailment compete, or with ``multi_label`` each
    with that of contradiction.
    """

    task = "zero-shot-classification"
    auto_class = "AutoModel"
    options_class = ZeroShotClassificationOptions
    _texts = SingleLabelClassification(())
    """Reads and tokenizes texts."""

    def __init__(self, source: Source, options: ZeroShotClassificationOptions) -> None:
        super().__init__(source, options)
        self._is_inference = type(source.model).__name__.endswith(_HEAD)
        self._entailment = -1
        if self._is_inference:
            found = (n for n, label in enumerate(source.labels) if label.lower().startswith("entail"))
            self._entailment = next(found, -1)
            if self._entailment < 0 or len(source.labels) < 2:
                raise ModelError(
                    f"the classifier tells {', '.join(source.labels[:5])}, and no entailment",
                    fix="Give an encoder, or a model of natural language inference.",
                )
        self._encoded: tuple[list[str], NDArray[np.float32]] = ([], np.empty((0, 0), np.float32))

    @classmethod
    def auto_class_of(cls, model: Any, revision: str | None) -> str:
        """Return the head to load a model with: that of a classifier where the checkpoint has one."""
        if isinstance(model, tuple):
            is_classifier = type(model[0]).__name__.endswith(_HEAD)
        elif isinstance(model, str | Path):
            architectures = encoder_config(resolve_encoder(model, revision)).get("architectures")
            is_classifier = str((architectures or [""])[0]).endswith(_HEAD)
        else:
            is_classifier = False
        return f"{cls.auto_class}{_HEAD}" if is_classifier else cls.auto_class

    def __call__(
        self,
        inputs: Any = None,
        candidate_labels: str | Sequence[str] | None = None,
        *,
        sequences: Any = None,
        text: str | Sequence[str] | None = None,
        **options: Unpack[KeywordOptions],
    ) -> Any:
        """Return the labels of one text as a dict, of several as a list of dicts.

        Args:
            inputs: As for every pipeline.
            candidate_labels: The labels to choose from; those given when the pipeline was built if left out.
            sequences: In place of ``inputs``, as Transformers calls them.
            text: As for every pipeline.
            options: As the options class describes them.

        Raises:
            OptionError: There is no label, a text is missing or empty, the template has no place for a label,
                or an option is unknown.
        """
        given = sequences if inputs is None else inputs
        if given is None:
            raise OptionError("no text is given", fix='Call with a text, or a list: classify("It rained.").')
        chosen: PipelineOptions = {**options}
        if candidate_labels is not None:
            chosen["candidate_labels"] = candidate_labels
        return super().__call__(given, text=text, **chosen)

    def rows(self, inputs: Sequence[Any]) -> Dataset:
        """Take texts, none of them empty."""
        rows = self._texts.rows(inputs)
        for position, given in enumerate(rows.texts):
            if not given:
                raise OptionError(f"input {position} is empty", fix="Leave it out.")
        return rows

    def read(self, path: str | Path, **columns: Unpack[TextColumns]) -> Dataset:
        """Read texts from a table or a .txt file."""
        return self._texts.read(path, labelled=False, **columns)

    def results(self, dataset: Dataset, options: ZeroShotClassificationOptions) -> list[Any]:
        """Return for each text its labels, the likeliest first, and their scores."""
        labels = options.candidate_labels
        if labels is None:
            raise OptionError(
                "no label is given to choose from",
                where="candidate_labels",
                fix='Call with candidate_labels=["sport", "food"], or "sport, food".',
            )
        is_each = options.multi_label or len(labels) == 1
        if self._is_inference:
            scores = self._entailed(dataset, labels, options.hypothesis_template or NLI_TEMPLATE, is_each)
        else:
            scores = self._near(dataset, labels, options.hypothesis_template or TEMPLATE, is_each)
        return [
            {
                "sequence": sequence,
                "labels": [labels[place] for place in order],
                "scores": [float(row[place]) for place in order],
            }
            for sequence, row, order in zip(
                dataset.texts, scores, np.argsort(-scores, axis=1, kind="stable"), strict=True
            )
        ]

    def _near(self, dataset: Dataset, labels: Sequence[str], template: str, is_each: bool) -> NDArray[Any]:
        """Score labels by the cosine of encodings, [texts, labels]."""
        sentences = hypotheses([*labels, ANYTHING], template)
        if sentences != self._encoded[0]:
            self._encoded = sentences, self._encodings(Dataset.unlabelled({"text": sentences}))
        logits = SCALE * self._encodings(dataset) @ self._encoded[1].T
        if is_each:
            return expit(logits[:, :-1] - logits[:, -1:])
        return softmax(logits[:, :-1], axis=1)

    def _encodings(self, dataset: Dataset) -> NDArray[np.float32]:
        """Encode texts, [texts, size]."""
        vectors, tokens = text_encodings(self.source, dataset.texts)
        self.warn_of_cuts(tokens)
        return vectors

    def _entailed(
        self, dataset: Dataset, labels: Sequence[str], template: str, is_each: bool
    ) -> NDArray[Any]:
        """Score labels by whether a text entails their sentence, [texts, labels]."""
        sentences = hypotheses(labels, template)
        pairs = {
            "text": [given for given in dataset.texts for _ in sentences],
            "hypothesis": sentences * len(dataset),
        }
        predictor = self.source.predictor_for(PairClassification(self.source.labels))
        features, decoded = predictor.outputs(Dataset.unlabelled(pairs))
        self.warn_of_cuts(features)
        logits = np.stack(decoded).reshape(len(dataset), len(labels), -1) / np.float32(predictor.temperature)
        if not is_each:
            return softmax(logits[..., self._entailment], axis=1)
        contradiction = -1 if self._entailment == 0 else 0
        return expit(logits[..., self._entailment] - logits[..., contradiction])
