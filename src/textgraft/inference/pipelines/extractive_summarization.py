"""Documents to the sentences that say most of them: "summarization" on an encoder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from textgraft.data.dataset import Dataset
from textgraft.data.read_options import TextColumns
from textgraft.inference.central_sentences import Centrality
from textgraft.inference.pipelines.base import Pipeline
from textgraft.inference.pipelines.encodings import text_encodings
from textgraft.inference.pipelines.options import Count, Options
from textgraft.tasks.text.classification import SingleLabelClassification
from textgraft.tokenization.marked_sentences import in_pieces
from textgraft.tokenization.sentences import split_sentences

MOST_SENTENCES = 2000
"""Of a document that are weighed; those behind are not read."""
MOST_WORDS = 150
"""Of a sentence: what goes on longer without an end, as a table does, is cut into parts."""


class ExtractiveSummarizationOptions(Options):
    """Options of :class:`ExtractiveSummarizationPipeline`."""

    num_sentences: Count = 3
    """Sentences of a summary at most."""
    max_length: Count | None = None
    """Tokens of a summary at most. A sentence is taken whole, and one there is in any case."""


class ExtractiveSummarizationPipeline(Pipeline[ExtractiveSummarizationOptions]):
    """Summarize documents by sentences of their own, chosen by their encodings; nothing is trained.

    Example::

        >>> summarize = pipeline("summarization")
        >>> summarize(document, num_sentences=1)
        [{'summary_text': 'The meeting is moved to Friday.'}]

    The sentences stand in the order of the document. As in Transformers 4, a single text gives a list of one.
    It is what "summarization" does with an encoder, see
    :class:`~textgraft.inference.central_sentences.Centrality`; models that write summaries are run by
    :class:`~textgraft.inference.pipelines.written_texts.SummarizationPipeline`.
    """

    task = "summarization"
    auto_class = "AutoModel"
    options_class = ExtractiveSummarizationOptions
    centrality = Centrality()
    _texts = SingleLabelClassification(())
    """Reads texts."""

    def rows(self, inputs: Sequence[Any]) -> Dataset:
        """Take texts."""
        return self._texts.rows(inputs)

    def read(self, path: str | Path, **columns: Unpack[TextColumns]) -> Dataset:
        """Read texts from a table or a .txt file."""
        return self._texts.read(path, labelled=False, **columns)

    def results(self, dataset: Dataset, options: ExtractiveSummarizationOptions) -> list[Any]:
        """Return the summary of each document as a dict."""
        documents = [_sentences(text) for text in dataset.texts]
        if not any(documents):
            return [{"summary_text": ""} for _ in documents]
        vectors, tokens = text_encodings(self.source, list(chain(*documents)))
        self.warn_of_cuts(tokens)
        ends = np.cumsum([0, *map(len, documents)]).tolist()
        return [
            {"summary_text": self._summary(sentences, vectors[begin:end], options)}
            for sentences, (begin, end) in zip(documents, pairwise(ends), strict=True)
        ]

    def _summary(self, sentences: list[str], vectors: Any, options: ExtractiveSummarizationOptions) -> str:
        if not sentences:
            return ""
        first, *others = islice(self.centrality.ranked(sentences, vectors), options.num_sentences)
        kept, room = [first], None if options.max_length is None else options.max_length
        if room is not None:
            backend = self.source.tokenizer.backend_tokenizer
            lengths = [len(one.ids) for one in backend.encode_batch(sentences, add_special_tokens=False)]
            room -= lengths[first]
            for place in others:
                if lengths[place] <= room:
                    kept.append(place)
                    room -= lengths[place]
        else:
            kept += others
        return " ".join(sentences[place] for place in sorted(kept))

    def alone(self, result: Any, single: Any, given: Mapping[str, Any]) -> Any:
        """Put the summary of a single text into a list."""
        del single, given
        return [result]


def _sentences(text: str) -> list[str]:
    """Return what a summary may be made of: no sentence twice, and no row of dashes if there are words."""
    found = [
        part
        for sentence in split_sentences(text)
        for part in in_pieces(sentence, math.ceil(len(sentence.split()) / MOST_WORDS))
    ]
    told = [part for part in found if any(character.isalnum() for character in part)]
    return list(dict.fromkeys(told or found))[:MOST_SENTENCES]
