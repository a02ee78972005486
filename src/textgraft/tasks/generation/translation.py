"""From one language to another, sentence by sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from textgraft.data.columns import as_tuple
from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Source
from textgraft.data.read_options import ReadOptions, column_names
from textgraft.data.readers.sequences import find_languages, language_of, read_sequences
from textgraft.evaluation import bleu, chrf
from textgraft.evaluation.bleu import bleu_signature, tokenizer_for, weighted_bleu
from textgraft.evaluation.chrf import chrf_signature, weighted_chrf
from textgraft.evaluation.exact_match import weighted_exact_match
from textgraft.tasks.generation.base import GenerationTask, known_targets, reference_count
from textgraft.tasks.sketch import Evidence, Guess, Sketch


class Translation(GenerationTask):
    """Sources in one language are written in another.

    Args:
        source: The language of the sources, as "de", where the column's name tells it.
        target: That of the targets, likewise; it decides how BLEU tells words.
    """

    name = "translation"
    pipeline = "translation"
    main_metric = "bleu"
    metric_names = ("bleu", "chrf", "exact_match")
    metric_titles = bleu.TITLES | chrf.TITLES

    def __init__(self, source: str | None = None, target: str | None = None) -> None:
        super().__init__()
        self.source, self.target = source, target

    @classmethod
    def read(cls, source: Source, **columns: Unpack[ReadOptions]) -> Dataset:
        """Read a table of sources and targets, or two files of lines as ``train.de,train.en``."""
        return read_sequences(source, **column_names(columns))

    @classmethod
    def recognise(cls, sketch: Sketch) -> Guess | None:
        """Take two files of lines, and tables with columns of texts named for two languages."""
        if sketch.pair and not sketch.is_array:
            return Guess(cls.name, "two files of lines are named", Evidence.FORM)
        sides = find_languages(sketch.columns)
        if sides is None or not sketch.allows(sides[:1], sides[1:]):
            return None
        columns = [sketch.sample[name] for name in sides]
        if not all(column.is_texts and 2 * column.different > len(column.filled) for column in columns):
            return None
        return Guess(cls.name, f"{sides[0]!r} and {sides[1]!r} are languages", Evidence.NAMES)

    @classmethod
    def fitted_to(cls, train: Dataset) -> Self:
        """See whether the columns are named for languages."""
        known_targets(train)
        return cls(
            language_of(next(iter(train.columns))), language_of(next(iter(as_tuple(train.label_column)), ""))
        )

    def settings(self) -> dict[str, Any]:
        """Return the languages."""
        return {"source": self.source, "target": self.target}

    def weighted_metrics(
        self, gold: Sequence[Sequence[str]], answers: Sequence[str], weights: NDArray[np.float32]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Score as sacreBLEU does, from 0 to 1."""
        return {
            "bleu": weighted_bleu(gold, answers, weights, tokenizer_for(self.target)),
            "chrf": weighted_chrf(gold, answers, weights),
            "exact_match": weighted_exact_match(gold, answers, weights),
        }

    def signatures(self, gold: Sequence[Sequence[str]]) -> dict[str, str]:
        """Return sacreBLEU's signatures."""
        references = reference_count(gold)
        return {
            "bleu": bleu_signature(references, tokenizer_for(self.target)),
            "chrf": chrf_signature(references),
        }
