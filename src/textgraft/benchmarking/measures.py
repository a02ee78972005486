"""How public sets are scored: the metric that each is known by, with its interval.

The values are those of the published evaluation scripts: GLUE's (Wang et al. 2019, "GLUE: a multi-task
benchmark and analysis platform for natural language understanding", table 1), SQuAD's evaluate scripts of 1.1
and 2.0, and conlleval.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.evaluation import question_answering
from textgraft.evaluation.correlations import weighted_regression_metrics
from textgraft.evaluation.intervals import Scale, Score, Weights, left_out_scores, score_interval
from textgraft.evaluation.metrics import macro_evidence, weighted_accuracy, weighted_pair_metrics
from textgraft.evaluation.spans import weighted_span_metrics
from textgraft.tasks.text.pairs import POSITIVE_NAMES

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Gold:
    """What answers are scored against."""

    labels: Sequence[str]
    """Names of the labels, by index; of tasks without labels, whatever they have."""
    targets: Sequence[Any]
    """The target of each row in the form of its task."""

    @property
    def positive(self) -> int:
        """Index of the label whose F1 is asked for: "1", or what says so; else the last one."""
        named = {label.lower(): index for index, label in enumerate(self.labels)}
        return next((named[name] for name in POSITIVE_NAMES if name in named), len(self.labels) - 1)


def _accuracy(gold: Gold, answers: Any, weights: Weights) -> Values:
    return weighted_accuracy(gold.targets, answers, weights)["accuracy"]


def _of_pairs(key: str) -> Callable[[Gold, Any, Weights], Values]:
    def score(gold: Gold, answers: Any, weights: Weights) -> Values:
        found = weighted_pair_metrics(gold.targets, answers, len(gold.labels), gold.positive, weights)
        return found[key]

    return score


def _of_numbers(key: str) -> Callable[[Gold, Any, Weights], Values]:
    return lambda gold, answers, weights: weighted_regression_metrics(gold.targets, answers, weights)[key]


def _of_answers(key: str) -> Callable[[Gold, Any, Weights], Values]:
    return lambda gold, answers, weights: question_answering.weighted_metrics(gold.targets, answers, weights)[
        key
    ]


def _span_f1(gold: Gold, answers: Any, weights: Weights) -> Values:
    return weighted_span_metrics(gold.targets, answers, weights)["f1"]


def _rows(gold: Gold) -> float:
    return len(gold.targets)


def _by_label(gold: Gold) -> NDArray[np.int64]:
    return np.bincount(np.asarray(gold.targets, dtype=np.int64), minlength=len(gold.labels))


def _positive_rows(gold: Gold) -> float:
    rows = int(_by_label(gold)[gold.positive])
    return rows if rows > 1 else 0.0


def _spans(gold: Gold) -> float:
    return float(sum(tag.startswith(("B", "S")) for tags in gold.targets for tag in tags))


@dataclass(frozen=True)
class Measure:
    """One official metric."""

    key: str
    title: str
    score: Callable[[Gold, Any, Weights], Values]
    """Takes the gold rows, a model's answers and weights [rows, weightings]; returns a value for each."""
    scale: Scale = Scale.SHARE
    evidence: Callable[[Gold], float] = _rows
    """Counts the rows that a perfect score would rest on."""


ACCURACY = Measure("accuracy", "accuracy", _accuracy)
F1 = Measure("f1", "F1", _of_pairs("f1"), evidence=_positive_rows)
MATTHEWS = Measure(
    "matthews",
    "Matthews' φ",
    _of_pairs("matthews"),
    Scale.SIGNED_SHARE,
    lambda gold: macro_evidence(_by_label(gold)),
)
PEARSON = Measure("pearson", "Pearson's r", _of_numbers("pearson"), Scale.CORRELATION)
SPEARMAN = Measure("spearman", "Spearman's ρ", _of_numbers("spearman"), Scale.CORRELATION)
EXACT_MATCH = Measure("exact_match", "exact match", _of_answers("exact_match"))
ANSWER_F1 = Measure("answer_f1", "F1", _of_answers("f1"))
SPAN_F1 = Measure("span_f1", "span F1", _span_f1, evidence=_spans)


def official_scores(
    measures: Sequence[Measure], gold: Gold, answers: Sequence[Sequence[Any]]
) -> dict[str, Score]:
    """Score the answers of a contender, one list a seed.

    Args:
        measures: The official ones of the set.
        gold: What is right.
        answers: For each seed the answer for each row, in the task's form.

    Returns:
        By the measure's key its mean over seeds, with a 95% interval over rows and seeds; in the units of the
        metric, so that 0.521 is what papers print as 52.1.
    """
    rows = len(gold.targets)
    once = np.ones((rows, 1), dtype=np.float32)

    def score(given: Any, weights: Weights) -> Mapping[str, Values]:
        return {measure.key: measure.score(gold, given, weights) for measure in measures}

    values = [score(given, once) for given in answers]
    left_out = left_out_scores(score, answers, rows)
    return {
        measure.key: score_interval(
            [float(value[measure.key][0]) for value in values],
            left_out[measure.key],
            measure.evidence(gold),
            measure.scale,
        )
        for measure in measures
    }
