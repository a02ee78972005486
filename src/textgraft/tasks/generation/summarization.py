"""What a document says, in short: summaries, headlines, subject lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Source
from textgraft.data.read_options import ReadOptions, column_names
from textgraft.data.readers.sequences import SUMMARY_SIDES, find_sides, read_sequences
from textgraft.evaluation.exact_match import weighted_exact_match
from textgraft.evaluation.extraction import oracle
from textgraft.evaluation.rouge import METRICS, TITLES, rouge_signature, weighted_rouge
from textgraft.tasks.generation.base import GenerationTask, SourceFeatures
from textgraft.tasks.sketch import Evidence, Guess, Sketch


class Summarization(GenerationTask):
    """Documents are read and summaries written."""

    name = "summarization"
    pipeline = "summarization"
    main_metric: str = "rouge_l"
    metric_names = (*METRICS, "exact_match")
    metric_titles = TITLES

    @classmethod
    def read(cls, source: Source, **columns: Unpack[ReadOptions]) -> Dataset:
        """Read a table of documents and summaries, or two files of lines."""
        return read_sequences(source, **column_names(columns))

    @classmethod
    def recognise(cls, sketch: Sketch) -> Guess | None:
        """Take tables with a column of texts and one of what they say in short."""
        sides = find_sides(sketch.columns, SUMMARY_SIDES)
        if sides is None or not sketch.allows(sides[:1], sides[1:]):
            return None
        if not all(sketch.sample[name].is_texts for name in sides):
            return None
        return Guess(cls.name, f"{sides[1]!r} says in short what {sides[0]!r} says", Evidence.NAMES)

    def weighted_metrics(
        self, gold: Sequence[Sequence[str]], answers: Sequence[str], weights: NDArray[np.float32]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Return the F-scores of ROUGE, with stemmed words."""
        exact = weighted_exact_match(gold, answers, weights)
        return {**weighted_rouge(gold, answers, weights), "exact_match": exact}

    def oracle(self, features: Sequence[SourceFeatures], gold: Sequence[Sequence[str]]) -> list[str] | None:
        """Return the sentences that have most in common with the true summaries, where a model takes some."""
        if not features or "sentences" not in features[0]:
            return None
        return [
            " ".join(feature["sentences"][place] for place in oracle(feature["sentences"], texts))
            for feature, texts in zip(features, gold, strict=True)
        ]

    def signatures(self, gold: Sequence[Sequence[str]]) -> dict[str, str]:
        """Return how ROUGE is computed."""
        del gold
        return dict.fromkeys(METRICS, rouge_signature())
