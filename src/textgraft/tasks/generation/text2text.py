"""From any text to any text: corrections, forms, questions about a text, sequences of symbols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.data.dataset import Dataset
from textgraft.data.readers.sequences import read_sequences
from textgraft.evaluation.bleu import bleu_signature, weighted_bleu
from textgraft.evaluation.chrf import chrf_signature, weighted_chrf
from textgraft.evaluation.exact_match import weighted_exact_match
from textgraft.tasks.generation.base import GenerationTask, reference_count


class TextToText(GenerationTask):
    """Sources are read and targets written, of whatever kind.

    chrF leads: it tells good targets from better ones where hardly any is exact, and exact ones from others.
    """

    name = "text2text"
    main_metric: str = "chrf"
    metric_names = ("chrf", "exact_match", "bleu")

    @classmethod
    def read(cls, source: str | Path, **columns: Any) -> Dataset:
        """Read a table of sources and targets, or two files of lines."""
        return read_sequences(source, **columns)

    def weighted_metrics(
        self, gold: Sequence[Sequence[str]], answers: Sequence[str], weights: NDArray[np.float32]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Score as sacreBLEU does, from 0 to 1."""
        return {
            "chrf": weighted_chrf(gold, answers, weights),
            "exact_match": weighted_exact_match(gold, answers, weights),
            "bleu": weighted_bleu(gold, answers, weights),
        }

    def signatures(self, gold: Sequence[Sequence[str]]) -> dict[str, str]:
        """Return sacreBLEU's signatures."""
        references = reference_count(gold)
        return {"chrf": chrf_signature(references), "bleu": bleu_signature(references)}
