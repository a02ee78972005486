"""Scores of answers against the published rules of SQuAD, written here a second time and in another way."""

import random
import re
import string

import numpy as np
import pytest

from textgraft.evaluation.question_answering import (
    METRICS,
    answer_scores,
    fit_confidence,
    normalize_answer,
    weighted_metrics,
)

WORDS = ["the", "a", "an", "The", "AN", "Paris", "paris", "Łódź", "STRASSE", "straße", "İstanbul", "1,000"]
WORDS += [
    "U.S.",
    "don't",
    "co-op",
    "theatre",
    "a.",
    "(the)",
    "a-b",
    "«oui»",
    "…",
    "—",
    "!",
    "?!",
    "''",
    "東京",
]
WORDS += [
    "naïve",
    "cafe\u0301",
    "🙂",
    "👨‍👩‍👧",
    "\u00a0",
    "x\u200by",
    "a_the_b",
    "the\u2019s",
    "\ufeff",
    "\r\n",
    "\t",
    "€5",
]


def words_of(text: str) -> list[str]:
    """Follow the rules one character and one word at a time."""
    kept = "".join(character for character in text.lower() if character not in set(string.punctuation))
    runs = re.split(r"(\w+)", kept)
    return "".join(" " if run in {"a", "an", "the"} else run for run in runs).split()


def f1(gold: list[str], given: list[str], version: int) -> float:
    if version == 2 and (not gold or not given):
        return 1.0 if gold == given else 0.0
    left, common = list(gold), 0
    for word in given:
        if word in left:
            left.remove(word)
            common += 1
    if common == 0:
        return 0.0
    precision, recall = common / len(given), common / len(gold)
    return 2 * precision * recall / (precision + recall)


def reference(gold: list[list[str]], answers: list[str]) -> list[tuple[float, float]]:
    version = 2 if [] in gold else 1
    scores = []
    for texts, answer in zip(gold, answers, strict=True):
        golds = [words_of(text) for text in texts]
        if version == 2:
            golds = [words for words in golds if words] or [[]]
        given = words_of(answer)
        scores.append(
            (max(f1(words, given, version) for words in golds), max(float(words == given) for words in golds))
        )
    return scores


def draw_text(generator: random.Random, most: int = 7) -> str:
    separator = generator.choice([" ", " ", "  ", ""])
    return separator.join(generator.choice(WORDS) for _ in range(generator.randint(0, most)))


def draw_cases(version: int, count: int = 400) -> tuple[list[list[str]], list[str]]:
    generator = random.Random(version)
    gold, answers = [], []
    for _ in range(count):
        texts = [draw_text(generator) for _ in range(generator.randint(version == 1, 4))]
        near = (
            [text.upper() for text in texts]
            + [text + " the" for text in texts]
            + [text[1:] for text in texts]
        )
        gold.append(texts)
        answers.append(generator.choice([draw_text(generator), "", *near]))
    return gold, answers


@pytest.mark.parametrize("version", [1, 2])
def test_scores_equal_the_rules_on_generated_answers(version):
    gold, answers = draw_cases(version)
    assert ([] in gold) == (version == 2)
    expected = np.array(reference(gold, answers)).T
    assert len(np.unique(expected[0])) > 12
    assert {0.0, 1.0} == set(expected[1])
    np.testing.assert_allclose(answer_scores(gold, answers), expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The U.S. Army!", "us army"),
        ("a theatre, an end", "theatre end"),
        ("  Łódź \r\n — the 東京 ", "łódź — 東京"),
        ("an", ""),
        ("", ""),
        ("a-the", "athe"),
    ],
)
def test_normalisation(text, expected):
    assert normalize_answer(text) == expected


def test_rules_of_version_1():
    gold = [["Paris", "the city of Paris"], ["the"], ["in 1999"]]
    f1s, exact = answer_scores(gold, ["city of Paris", "a", ""])
    # By the rules of 1.1 two answers of which nothing is left match exactly and yet share no word.
    assert exact.tolist() == [1, 1, 0]
    assert f1s.tolist() == [1, 0, 0]


def test_rules_of_version_2():
    gold = [[], [], ["the"], ["Paris", "the"]]
    f1s, exact = answer_scores(gold, ["", "Paris", "", "a"])
    assert exact.tolist() == [1, 0, 1, 0]
    assert f1s.tolist() == [1, 0, 1, 0]


def test_weights_equal_repeated_questions():
    gold, answers = draw_cases(2)
    generator = np.random.default_rng(0)
    weights = generator.integers(0, 4, (len(gold), 5)).astype(np.float32)
    found = weighted_metrics(gold, answers, weights)
    assert tuple(found) == METRICS
    for column in range(5):
        times = weights[:, column].astype(int)
        repeated = np.repeat(np.array(reference(gold, answers)), times, axis=0).mean(axis=0)
        assert [found[name][column] for name in METRICS] == pytest.approx(repeated.tolist())


def test_nothing_that_counts_scores_zero():
    assert weighted_metrics([["x"]], ["x"], np.zeros((1, 2), np.float32))["f1"].tolist() == [0, 0]
    assert weighted_metrics([], [], np.zeros((0, 1), np.float32))["exact_match"].tolist() == [0]


def test_confidence_is_fitted_to_how_often_the_best_is_right():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(3000, 5)) * 2
    best = np.exp(logits).max(axis=1) / np.exp(logits).sum(axis=1)
    is_right = generator.random(3000) < best
    assert fit_confidence(logits, is_right) == pytest.approx(1, abs=0.1)
    assert fit_confidence(logits * 3, is_right) == pytest.approx(3, abs=0.3)
    assert fit_confidence(np.zeros((0, 5)), np.zeros(0, bool)) == 1.0


def test_a_lone_candidate_does_not_break_the_fit():
    logits = np.array([[0.0, -np.inf], [3.0, 1.0], [3.0, 1.0]])
    assert 0 < fit_confidence(logits, np.array([False, True, True])) < 20
