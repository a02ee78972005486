"""Two texts and how they relate: a label (paraphrase, entailment) or a number (similarity).

An encoder that is fine-tuned reads both texts at once; models whose config has a field ``pairs`` read them
apart and compare (:mod:`textgraft.models.pairs`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

import numpy as np
from numpy.typing import NDArray

from textgraft.data.columns import NUMBER_NAMES, PAIR_LABEL_NAMES
from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Source
from textgraft.data.inputs import given_inputs, given_texts
from textgraft.data.numbers import read_numbers
from textgraft.data.read_options import ReadOptions, table_options
from textgraft.data.readers.reading import Form, read_dataset
from textgraft.data.values import as_cell, as_only_name, every_text
from textgraft.errors import DataError, OptionError, unknown
from textgraft.evaluation.intervals import Scale
from textgraft.evaluation.metrics import PAIR_METRICS, macro_evidence, weighted_pair_metrics
from textgraft.tasks.sketch import Evidence, Guess, Sketch
from textgraft.tasks.text.classification import SingleLabelClassification
from textgraft.tasks.text.regression import Regression
from textgraft.tasks.text.texts import OneWindowTexts
from textgraft.tokenization.encode import PairIds, pair_token_ids

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerFast

POSITIVE_NAMES = (
    "1", "true", "yes", "paraphrase", "duplicate", "entailment", "entails", "equivalent", "positive", "same",
    "similar", "related", "match",
)  # fmt: skip
"""Labels that are taken for the positive one, whose F1 is told; where there is none of them, the last label
in alphabetical order is."""


class PairTexts(OneWindowTexts):
    """The inputs of tasks on pairs: the two text columns of a data set, in their order."""

    takes_windows = False

    def rows(self, inputs: Iterable[Any]) -> Dataset:
        """Take pairs of strings."""
        pairs = given_inputs(inputs)
        for position, pair in enumerate(pairs):
            is_pair = isinstance(pair, list | tuple) and len(pair) == 2
            if not is_pair or not all(isinstance(text, str) for text in pair):
                raise OptionError(
                    f"input {position} is no pair of strings: {str(pair)[:60]!r}",
                    fix="Give a list of pairs: predict([(first, second)]).",
                )
        columns = {"first": [first for first, _ in pairs], "second": [second for _, second in pairs]}
        return Dataset.unlabelled({name: given_texts(texts) for name, texts in columns.items()})

    def tokenized(self, rows: Dataset, tokenizer: PreTrainedTokenizerFast, max_length: int) -> PairIds:
        """Tokenize the pairs of some rows; of one that is too long the longer text is cut first."""
        if len(rows.columns) != 2:
            raise DataError(
                f"a pair needs two text columns, not {', '.join(map(repr, rows.columns))}",
                where=rows.source,
                fix="Name the column of the first text and that of the second.",
            )
        firsts, seconds = rows.columns.values()
        return pair_token_ids(tokenizer.backend_tokenizer, firsts, seconds, max_length)

    def configure(self, config: PreTrainedConfig) -> None:
        """Set what the head needs to know, and have the two texts read apart by models that can."""
        super().configure(config)
        if hasattr(config, "pairs"):
            config.pairs = True


class PairClassification(PairTexts, SingleLabelClassification):
    """Every pair of texts has exactly one of a fixed list of labels.

    Metrics are those of GLUE (Wang et al. 2019): accuracy for every set, F1 of the positive label for MRPC
    and QQP, Matthews' correlation; the macro-averaged F1 leads, as in classification.

    Args:
        labels: All labels, in the order of the model's outputs.
        positive: The label whose F1 is ``f1``; chosen by :data:`POSITIVE_NAMES` if None.

    Raises:
        OptionError: ``positive`` is none of the labels.
    """

    name = "pairs"
    metric_names = PAIR_METRICS
    scales: ClassVar[Mapping[str, Scale]] = {"matthews": Scale.SIGNED_SHARE}

    def __init__(self, labels: Sequence[str], positive: str | None = None) -> None:
        super().__init__(labels)
        if positive is None:
            named = {label.lower(): label for label in self.labels}
            known = (named[name] for name in POSITIVE_NAMES if name in named)
            positive = next(known, self.labels[-1] if self.labels else None)
        elif positive not in self.labels:
            raise unknown("label", positive, self.labels)
        self.positive = positive

    @classmethod
    def read(cls, source: Source, **columns: Unpack[ReadOptions]) -> Dataset:
        """Read a table with two text columns and a label column."""
        form = Form(every_text, as_listed_label=as_only_name, label_names=PAIR_LABEL_NAMES, pair=True)
        return read_dataset(source, form=form, **table_options(columns))

    @classmethod
    def recognise(cls, sketch: Sketch) -> Guess | None:
        """Take tables with two text columns that are named as a pair."""
        if sketch.text_pair is None:
            return None
        first, second = sketch.text_pair.text
        return Guess(cls.name, f"{first!r} and {second!r} are a pair", Evidence.PLAIN)

    def settings(self) -> dict[str, Any]:
        """Return the labels and the positive one."""
        return {"labels": list(self.labels), "positive": self.positive}

    def weighted_metrics(
        self, gold: Sequence[int], answers: Sequence[int], weights: NDArray[np.float32]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Score as GLUE does; ``f1`` is that of the positive label."""
        positive = self.labels.index(self.positive)
        return weighted_pair_metrics(gold, answers, len(self.labels), positive, weights)

    def evidence(self, gold: Sequence[int]) -> Mapping[str, float]:
        """Count what the averages rest on: every label alike, or the positive one."""
        rows = np.bincount(gold, minlength=len(self.labels))
        every, positive = macro_evidence(rows), int(rows[self.labels.index(self.positive)])
        return {"macro_f1": every, "matthews": every, "f1": positive if positive > 1 else 0.0}


class PairSimilarity(PairTexts, Regression):
    """Every pair of texts has a number, as its similarity; Spearman's correlation leads, as for STS-B."""

    name = "similarity"

    @classmethod
    def read(cls, source: Source, **columns: Unpack[ReadOptions]) -> Dataset:
        """Read a table with two text columns and a column of numbers."""
        form = Form(every_text, as_cell, settle=read_numbers, label_names=NUMBER_NAMES, pair=True)
        return read_dataset(source, form=form, **table_options(columns))

    @classmethod
    def recognise(cls, sketch: Sketch) -> Guess | None:
        """Take pairs with numbers of which some have fractions."""
        label = sketch.wanted.label[:1]
        choice = sketch.text_pair and (sketch.text_pair if label else sketch.choose(NUMBER_NAMES, pair=True))
        if not choice or choice.label is None or not sketch.sample[choice.label].fractions:
            return None
        first, second = choice.text
        reason = f"{first!r} and {second!r} are a pair, and {choice.label!r} holds numbers with fractions"
        return Guess(cls.name, reason, Evidence.FITS)
