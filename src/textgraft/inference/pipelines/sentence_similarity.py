"""How alike sentences are with one: the pipeline "sentence-similarity"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from textgraft.data.dataset import Dataset
from textgraft.data.read_options import TextColumns
from textgraft.errors import OptionError
from textgraft.inference.pipelines.base import Pipeline
from textgraft.inference.pipelines.encodings import text_encodings
from textgraft.inference.pipelines.options import Options, PipelineOptions
from textgraft.tasks.text.pairs import PairClassification

_COMPARED, _WITH = "source_sentence", "sentences"


class SentenceSimilarityOptions(Options):
    """There are none."""


class SentenceSimilarityPipeline(Pipeline[SentenceSimilarityOptions]):
    """Compare one sentence with others: the cosine of their encodings, from -1 to 1, for each of them.

    Example::

        >>> compare = pipeline("sentence-similarity")
        >>> compare(source_sentence="It rains.", sentences=["It is raining.", "I like tea."])
        [0.785, 0.238]

    Inputs and results are those of the Hub's inference API; Transformers never had this pipeline.
    """

    task = "sentence-similarity"
    auto_class = "AutoModel"
    options_class = SentenceSimilarityOptions
    takes = "a dict with a sentence and others"
    keys = (_COMPARED, _WITH)

    def __call__(
        self,
        inputs: Any = None,
        *,
        source_sentence: str | None = None,
        sentences: Sequence[str] | None = None,
        text: str | Sequence[str] | None = None,
        **options: Unpack[PipelineOptions],
    ) -> Any:
        """Return the cosine of one sentence with each of others.

        Args:
            inputs: ``{"source_sentence": …, "sentences": […]}``, a list of them, or a generator.
            source_sentence: In place of ``inputs``, with ``sentences``.
            sentences: One or more.
            text: Of a table, the two columns to compare.
            options: There are none; what is given is refused.

        Raises:
            OptionError: The sentence, or what it is compared with, is missing.
        """
        if (inputs is None) != (source_sentence is not None and sentences is not None):
            raise OptionError(
                "a sentence and those to compare it with are needed",
                fix=f'Call with {_COMPARED}="…" and {_WITH}=["…"], or with a dict of both.',
            )
        if inputs is None:
            inputs = {_COMPARED: source_sentence, _WITH: sentences}
        return super().__call__(inputs, text=text, **options)

    def rows(self, inputs: Sequence[Any]) -> Dataset:
        """Take ``{"source_sentence": str, "sentences": [str, …]}``, or pairs of texts."""
        given = [_sides(position, entry) for position, entry in enumerate(inputs)]
        return Dataset.unlabelled(
            {_COMPARED: [one for one, _ in given], _WITH: [others for _, others in given]}
        )

    def read(self, path: str | Path, **columns: Unpack[TextColumns]) -> Dataset:
        """Read pairs of texts from a table."""
        dataset = PairClassification.read(path, labelled=False, **columns)
        first, second = dataset.columns.values()
        return Dataset(
            {_COMPARED: first, _WITH: [[other] for other in second]},
            None,
            dataset.ids,
            dataset.lines,
            dataset.source,
            rejected=dataset.rejected,
            notes=dataset.notes,
        )

    def results(self, dataset: Dataset, options: SentenceSimilarityOptions) -> list[Any]:
        """Return for each row the cosines, in the order of its sentences."""
        del options
        compared, others = dataset.columns[_COMPARED], dataset.columns[_WITH]
        vectors, tokens = text_encodings(self.source, [*compared, *chain(*others)])
        self.warn_of_cuts(tokens)
        ends = np.cumsum([len(compared), *map(len, others)])
        return [
            (vectors[begin:end] @ vector).tolist()
            for vector, (begin, end) in zip(vectors, pairwise(ends.tolist()), strict=False)
        ]


def _sides(position: int, entry: Any) -> tuple[str, list[str]]:
    parts = (entry.get(_COMPARED), entry.get(_WITH)) if isinstance(entry, Mapping) else entry
    if isinstance(parts, list | tuple) and len(parts) == 2:
        one, others = parts
        others = [others] if isinstance(others, str) and not isinstance(entry, Mapping) else others
        is_list = isinstance(others, list | tuple) and all(isinstance(text, str) for text in others)
        if isinstance(one, str) and is_list and others:
            return one, list(others)
    raise OptionError(
        f"input {position} is no sentence with others to compare it with: {str(entry)[:60]!r}",
        fix=f'Give {{"{_COMPARED}": "…", "{_WITH}": ["…", "…"]}}.',
    )
