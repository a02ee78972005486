"""What a document says, in short: summaries, headlines, subject lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.data.dataset import Dataset
from textgraft.data.readers.sequences import read_sequences
from textgraft.evaluation.exact_match import weighted_exact_match
from textgraft.evaluation.rouge import METRICS, rouge_signature, weighted_rouge
from textgraft.tasks.generation.base import GenerationTask


class Summarization(GenerationTask):
    """Documents are read and summaries written."""

    name = "summarization"
    main_metric: str = "rouge_l"
    metric_names = (*METRICS, "exact_match")

    @classmethod
    def read(cls, source: str | Path, **columns: Any) -> Dataset:
        """Read a table of documents and summaries, or two files of lines."""
        return read_sequences(source, **columns)

    def weighted_metrics(
        self, gold: Sequence[Sequence[str]], answers: Sequence[str], weights: NDArray[np.float32]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Return the F-scores of ROUGE, with stemmed words."""
        exact = weighted_exact_match(gold, answers, weights)
        return {**weighted_rouge(gold, answers, weights), "exact_match": exact}

    def signatures(self, gold: Sequence[Sequence[str]]) -> dict[str, str]:
        """Return how ROUGE is computed."""
        del gold
        return dict.fromkeys(METRICS, rouge_signature())
