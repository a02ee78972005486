"""Intervals are held to their claim: the share of them that hold the true score is 95%."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from textgraft.evaluation.intervals import (
    PARTS,
    Scale,
    Score,
    left_out_scores,
    score_interval,
    wilson,
)
from textgraft.evaluation.metrics import macro_evidence
from textgraft.tasks.generation.summarization import Summarization
from textgraft.tasks.generation.text2text import TextToText
from textgraft.tasks.scoring import Scoring
from textgraft.tasks.spans.question_answering import QuestionAnswering
from textgraft.tasks.spans.token_classification import TokenClassification
from textgraft.tasks.text.classification import SingleLabelClassification
from textgraft.tasks.text.multi_label import MultiLabelClassification
from textgraft.tasks.text.pairs import PairClassification
from textgraft.tasks.text.regression import Regression

POOL = 4000
"""Rows of a population: what a model scores on all of them is its true score."""


def scored(task: Scoring, gold: Sequence[Any], answers: Sequence[Any]) -> dict[str, Score]:
    """Score one model's answers with intervals, as ``evaluate`` does."""
    left_out = left_out_scores(
        lambda given, weights: task.weighted_metrics(gold, given, weights), [answers], len(gold)
    )
    evidence = task.evidence(gold)
    return {
        name: score_interval(
            [value], left_out[name], evidence.get(name, len(gold)), task.scales.get(name, Scale.SHARE)
        )
        for name, value in task.metrics(gold, answers).items()
    }


def coverage(
    task: Scoring, gold: Sequence[Any], answers: Sequence[Any], rows: int, draws: int
) -> dict[str, tuple[float, float]]:
    """Draw test sets from a population.

    Returns:
        For each metric the share of intervals given that hold the true score, and the share given.
    """
    rng = np.random.default_rng(rows)
    truth = task.metrics(gold, answers)
    held: dict[str, list[bool]] = {name: [] for name in truth}
    for _ in range(draws):
        chosen = rng.integers(0, len(gold), rows)
        found = scored(task, [gold[row] for row in chosen], [answers[row] for row in chosen])
        for name, score in found.items():
            if score.low is not None and score.high is not None:
                assert score.low <= score.value <= score.high
                held[name].append(score.low <= truth[name] <= score.high)
    return {name: (float(np.mean(found or [1.0])), len(found) / draws) for name, found in held.items()}


def population(labels: int, accuracy: float, seed: int = 0) -> tuple[list[int], list[int]]:
    """True and predicted labels; some labels are harder than others, half of the errors go to one label."""
    rng = np.random.default_rng([seed, labels])
    gold = rng.permutation(np.arange(POOL) % labels)
    ease = np.clip(rng.beta(8 * accuracy, 8 * (1 - accuracy), labels), 0.02, 0.995)
    wrong = np.where(rng.random(POOL) < 0.5, gold + 1, gold + rng.integers(1, labels, POOL)) % labels
    return gold.tolist(), np.where(rng.random(POOL) < ease[gold], gold, wrong).tolist()


@pytest.mark.parametrize("labels", [2, 6, 24, 77])
def test_intervals_of_labels_cover_the_true_score(labels: int) -> None:
    """At 300 rows and 77 labels percentiles of a bootstrap covered 49%."""
    task = SingleLabelClassification([f"label {number}" for number in range(labels)])
    shares: dict[str, list[float]] = {}
    for rows, draws in ((50, 120), (300, 120), (1500, 80)):
        for accuracy in (0.5, 0.8, 0.95):
            for name, (share, given) in coverage(task, *population(labels, accuracy), rows, draws).items():
                if name == "macro_f1" and rows / labels < 3:
                    assert given < 0.1, "too few rows a label for an interval"
                    continue
                assert given > 0.9
                assert share > 0.88, (name, rows, accuracy)
                shares.setdefault(name, []).append(share)
    for name, found in shares.items():
        assert 0.93 <= np.mean(found) <= 0.975, name


def entity_rows() -> tuple[TokenClassification, list[list[str]], list[list[str]]]:
    rng = np.random.default_rng(1)
    gold, answers = [], []
    for _ in range(POOL):
        words = ["O"] * int(rng.integers(4, 20))
        tags, guess = list(words), list(words)
        hardness = rng.beta(2, 4)
        for place in range(0, len(words) - 2, 3):
            if rng.random() < 0.3:
                kind = str(rng.choice(["PER", "LOC", "ORG"]))
                tags[place : place + 2] = [f"B-{kind}", f"I-{kind}"]
                if rng.random() > hardness:
                    guess[place : place + 2] = tags[place : place + 2]
            elif rng.random() < 0.1 * hardness:
                guess[place] = "B-LOC"
        gold.append(tags)
        answers.append(guess)
    labels = ["O", *(f"{side}-{kind}" for kind in ("LOC", "ORG", "PER") for side in "BI")]
    return TokenClassification(labels), gold, answers


def label_sets() -> tuple[MultiLabelClassification, list[list[int]], list[list[int]]]:
    rng = np.random.default_rng(2)
    given = rng.random((POOL, 6)) < np.linspace(0.15, 0.5, 6)
    flipped = rng.random((POOL, 6)) < rng.beta(1, 6, (POOL, 1))
    task = MultiLabelClassification([f"label {number}" for number in range(6)])
    return task, *([np.flatnonzero(row).tolist() for row in part] for part in (given, given ^ flipped))


def paired_texts() -> tuple[PairClassification, list[int], list[int]]:
    rng = np.random.default_rng(3)
    gold = (rng.random(POOL) < 0.3).astype(int)
    return PairClassification(["no", "yes"]), gold.tolist(), (gold ^ (rng.random(POOL) < 0.15)).tolist()


def numbers() -> tuple[Regression, list[float], list[float]]:
    rng = np.random.default_rng(4)
    gold = rng.normal(3, 1, POOL)
    return Regression(3.0, 1.0), gold.tolist(), (0.7 * gold + 0.9 + rng.normal(0, 0.5, POOL)).tolist()


def skewed_numbers() -> tuple[Regression, list[float], list[float]]:
    rng = np.random.default_rng(5)
    gold = rng.gamma(2, 1, POOL)
    return Regression(2.0, 1.4), gold.tolist(), (gold * rng.uniform(0.6, 1.2, POOL)).tolist()


WORDS = "the a red blue horse runs over fields while birds sing loudly near old stone walls"


def _sentences(rng: np.random.Generator, noise: float) -> tuple[list[list[str]], list[str]]:
    words = np.array(WORDS.split())
    references, answers = [], []
    for _ in range(1500):
        reference = words[rng.integers(0, len(words), int(rng.integers(4, 14)))]
        keep = rng.random(len(reference)) > rng.beta(1.5, 1.5 / noise)
        answer = np.where(keep, reference, words[rng.integers(0, len(words), len(reference))])
        references.append([" ".join(reference)])
        answers.append(" ".join(answer[: max(1, int(rng.integers(len(answer) - 2, len(answer) + 1)))]))
    return references, answers


def written() -> tuple[TextToText, list[list[str]], list[str]]:
    return TextToText(), *_sentences(np.random.default_rng(6), 0.3)


def summarized() -> tuple[Summarization, list[list[str]], list[str]]:
    return Summarization(), *_sentences(np.random.default_rng(8), 0.4)


def answered() -> tuple[QuestionAnswering, list[list[str]], list[str]]:
    return QuestionAnswering(), *_sentences(np.random.default_rng(7), 0.2)


@pytest.mark.parametrize(
    "make", [entity_rows, label_sets, paired_texts, numbers, skewed_numbers, written, summarized, answered]
)
def test_intervals_of_every_other_metric_cover_the_true_score(make: Callable[[], Any]) -> None:
    task, gold, answers = make()
    shares: dict[str, list[float]] = {}
    for rows, draws in ((50, 100), (300, 100), (1500, 100)):
        for name, (share, given) in coverage(task, gold, answers, rows, draws).items():
            assert given > 0.9
            assert share > 0.87, (name, rows)
            shares.setdefault(name, []).append(share)
    for name, found in shares.items():
        assert 0.92 <= np.mean(found) <= 0.985, (name, found)


def test_what_all_answered_rightly_may_still_be_wrong() -> None:
    task = SingleLabelClassification(["no", "yes"])
    gold = [0, 1] * 10
    for score in scored(task, gold, gold).values():
        assert score.value == score.high == 1.0
        assert 0.75 < score.low < 0.9
    exact = binomtest(20, 20).proportion_ci(method="wilson")
    assert wilson(1.0, 20, 1.959964)[0] == pytest.approx(exact.low)


def test_a_perfect_f1_rests_on_the_rows_of_its_label() -> None:
    task = PairClassification(["no", "yes"])
    gold = [1] * 10 + [0] * 1490
    found = scored(task, gold, gold)
    assert 0.65 < found["f1"].low < 0.8
    assert found["accuracy"].low > 0.99


def test_an_accuracy_has_wilsons_interval() -> None:
    task = SingleLabelClassification(["no", "yes"])
    gold, answers = [0, 1] * 50, [0, 1] * 40 + [1, 0] * 10
    found = scored(task, gold, answers)["accuracy"]
    expected = binomtest(80, 100).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.004)


def test_no_interval_for_what_the_rows_cannot_tell() -> None:
    assert macro_evidence([5, 5, 5, 5]) == 20
    assert macro_evidence([100, 2]) == pytest.approx(4 / (0.01 + 0.5))
    assert macro_evidence([5, 5, 5, 0]) == 0
    assert score_interval([0.5], np.full((1, 1), 0.5), 1).low is None
    assert score_interval([1.0], np.ones((1, 9)), 9, Scale.CORRELATION).low is None


def test_seeds_widen_an_interval_and_a_single_one_does_not() -> None:
    left_out = np.full((3, 100), 0.8) + np.random.default_rng(0).normal(0, 1e-4, 100)
    one, alike, apart = (
        score_interval(values, left_out[: len(values)], 100)
        for values in ([0.8], [0.8] * 3, [0.77, 0.8, 0.83])
    )
    assert (one.low, one.high) == pytest.approx((alike.low, alike.high))
    assert apart.high - apart.low > 0.06


def test_parts_are_shared_and_every_row_is_left_out_once() -> None:
    for rows in (1, 7, PARTS, 3 * PARTS + 5):
        seen = np.zeros(rows)

        def count(answers: Any, weights: Any, seen: Any = seen) -> dict[str, Any]:
            seen += (1 - weights).sum(axis=1)
            return {"kept": weights.sum(axis=0)}

        left_out = left_out_scores(count, [None], rows)["kept"]
        assert (seen == 1).all()
        assert left_out.shape == (1, min(rows, PARTS))
        assert left_out.min() >= rows - -(-rows // PARTS)
