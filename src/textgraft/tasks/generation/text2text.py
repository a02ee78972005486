"""From any text to any text: corrections, forms, questions about a text, sequences of symbols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Source
from textgraft.data.read_options import ReadOptions, column_names
from textgraft.data.readers.sequences import TEXT_SIDES, find_sides, read_sequences
from textgraft.evaluation import bleu, chrf
from textgraft.evaluation.bleu import bleu_signature, weighted_bleu
from textgraft.evaluation.chrf import chrf_signature, weighted_chrf
from textgraft.evaluation.exact_match import weighted_exact_match
from textgraft.tasks.generation.base import GenerationTask, reference_count
from textgraft.tasks.sketch import Evidence, Guess, Sketch


class TextToText(GenerationTask):
    """Sources are read and targets written, of whatever kind.

    chrF leads: it tells good targets from better ones where hardly any is exact, and exact ones from others.
    """

    name = "text2text"
    pipeline = "text2text-generation"
    main_metric: str = "chrf"
    metric_names = ("chrf", "exact_match", "bleu")
    metric_titles = bleu.TITLES | chrf.TITLES

    @classmethod
    def read(cls, source: Source, **columns: Unpack[ReadOptions]) -> Dataset:
        """Read a table of sources and targets, or two files of lines."""
        return read_sequences(source, **column_names(columns))

    @classmethod
    def recognise(cls, sketch: Sketch) -> Guess | None:
        """Take tables whose targets are texts, nearly all different."""
        sides = find_sides(sketch.columns, TEXT_SIDES)
        if sides is not None and sketch.allows(sides[:1], sides[1:]):
            column = sketch.sample[sides[1]]
            if column.is_texts and column.is_varied:
                return Guess(cls.name, f"{sides[1]!r} holds texts, nearly all different", Evidence.NAMES)
        if sketch.plain is not None and sketch.label_kind == "texts":
            label = sketch.plain[0].label
            return Guess(cls.name, f"{label!r} holds texts, nearly all different", Evidence.VALUES)
        prose = [name for name in sketch.columns if sketch.sample[name].is_prose]
        if len(sketch.columns) == 2 == len(prose) and not (sketch.wanted.text or sketch.wanted.label):
            reason = f"{prose[0]!r} and {prose[1]!r} hold texts, nearly all different"
            return Guess(cls.name, reason, Evidence.VALUES)
        return None

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
