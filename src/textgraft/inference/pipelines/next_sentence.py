"""Whether one sentence goes on with another: the pipeline "next-sentence"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from textgraft.data.dataset import Dataset
from textgraft.errors import OptionError
from textgraft.inference.pipelines.options import CallOptions
from textgraft.inference.pipelines.sources import Source
from textgraft.inference.pipelines.text_classification import (
    TextClassificationOptions,
    TextClassificationPipeline,
)
from textgraft.tasks.text.pairs import PairClassification

LABELS = ("IsNext", "NotNext")
"""In the order of the head's outputs, named as in the paper."""


class NextSentencePipeline(TextClassificationPipeline):
    """Tell whether a text goes on with another, or was taken from elsewhere (Devlin et al. 2019).

    Example::

        >>> goes_on = pipeline("next-sentence", "my-bert")
        >>> goes_on("The man went to the store.", "He bought some milk.")
        {'label': 'IsNext', 'score': 0.97}
        >>> goes_on([("The man went to the store.", "Penguins cannot fly."), …], top_k=None)
        [[{'label': 'NotNext', 'score': 0.98}, {'label': 'IsNext', 'score': 0.02}], …]

    Transformers never had this pipeline; its results are formed as those of pairs in text classification.
    """

    task = "next-sentence"
    auto_class = "AutoModelForNextSentencePrediction"
    heads = ()
    takes = "a pair of texts"
    keys = ("text", "text_pair")

    def __init__(self, source: Source, options: TextClassificationOptions) -> None:
        super().__init__(source, options)
        self._labels = list(LABELS)
        self._single = self._pair = PairClassification(LABELS)

    def rows(self, inputs: Sequence[Any]) -> Dataset:
        """Take pairs: two strings, or ``{"text": …, "text_pair": …}``."""
        return self._pair.rows(
            [
                (given.get("text"), given.get("text_pair")) if isinstance(given, Mapping) else given
                for given in inputs
            ]
        )

    def __call__(self, inputs: Any, text_pair: str | None = None, **options: Unpack[CallOptions]) -> Any:
        """Judge one pair, given as two texts or as a dict, or a list or stream of pairs.

        Raises:
            OptionError: The second text is missing, or an option is wrong.
        """
        if isinstance(inputs, str):
            if text_pair is None:
                raise OptionError(
                    "the second text is missing", fix='Call with two: ("It rained.", "We left.").'
                )
            inputs = {"text": inputs, "text_pair": text_pair}
        return super().__call__(inputs, **options)
