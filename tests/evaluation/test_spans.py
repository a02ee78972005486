"""Scores of entities against seqeval, and against counting by hand."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.once import once
from textgraft.data.tag_schemes import (
    allowed_transitions,
    bio_tags,
    broken_transitions,
    detect_scheme,
    entities,
    repaired,
    strict_entities,
)
from textgraft.evaluation.spans import weighted_span_metrics

BIO = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-MISC-X", "I-MISC-X")
ANY = (*BIO, "E-PER", "S-PER", "E-LOC", "S-LOC", "B", "I", "X-PER")
CASES = 300


def corpus(seed: int, tags: tuple[str, ...]) -> tuple[list[list[str]], list[list[str]]]:
    """Draw true and predicted tags of up to 6 rows, some of them empty, the predictions half right."""
    draw = random.Random(seed)
    gold = [
        [draw.choice(tags) for _ in range(draw.choice((0, 1, 2, 3, 8)))] for _ in range(draw.randint(1, 6))
    ]
    answers = [[tag if draw.random() < 0.6 else draw.choice(tags) for tag in row] for row in gold]
    return gold, answers


@pytest.mark.parametrize(("tags", "strict"), [(BIO, False), (ANY, False), (BIO, True)])
def test_scores_equal_seqeval(tags, strict):
    seqeval = pytest.importorskip("seqeval.metrics")
    from seqeval.scheme import IOB2

    options = {"mode": "strict", "scheme": IOB2} if strict else {}
    for seed in range(CASES):
        gold, answers = corpus(seed, tags)
        ours = once(weighted_span_metrics, gold, answers, strict=strict)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            theirs = {
                "f1": seqeval.f1_score(gold, answers, **options),
                "precision": seqeval.precision_score(gold, answers, **options),
                "recall": seqeval.recall_score(gold, answers, **options),
            }
            if any(gold):
                theirs["accuracy"] = seqeval.accuracy_score(gold, answers)
        for name, value in theirs.items():
            assert ours[name] == pytest.approx(value, abs=1e-12), (seed, name, gold, answers)


def begins(before: str, tag: str) -> bool:
    """Whether conlleval starts a chunk here: its table, written out."""
    if tag == "O":
        return False
    if tag[0] in "BS" or before == "O" or before[0] in "ES":
        return True
    return before[2:] != tag[2:]


def brute_force(gold, answers) -> dict[str, float]:
    """Count the chunks of BIO and IOBES tags word by word."""

    def chunks(rows):
        found = set()
        for number, row in enumerate(rows):
            padded = ["O", *row]
            for place, tag in enumerate(row):
                if not begins(padded[place], tag):
                    continue
                end = place + 1
                while end < len(row) and row[end] != "O" and not begins(row[end - 1], row[end]):
                    end += 1
                found.add((number, tag[2:], place, end))
        return found

    true, guessed = chunks(gold), chunks(answers)
    precision = len(true & guessed) / len(guessed) if guessed else 0.0
    recall = len(true & guessed) / len(true) if true else 0.0
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if precision + recall else 0.0,
    }


def test_scores_equal_a_count_by_hand():
    for seed in range(CASES):
        gold, answers = corpus(seed, ANY[:-3])
        ours = once(weighted_span_metrics, gold, answers)
        for name, value in brute_force(gold, answers).items():
            assert ours[name] == pytest.approx(value, abs=1e-12), (seed, gold, answers)


def test_known_case():
    gold = [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    answers = [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    assert once(weighted_span_metrics, gold, answers) == {
        "f1": 0.5,
        "precision": 0.5,
        "recall": 0.5,
        "accuracy": 0.8,
    }
    lenient = once(weighted_span_metrics, [["B-PER", "O"]], [["I-PER", "O"]])
    assert lenient["f1"] == 1
    assert once(weighted_span_metrics, [["B-PER", "O"]], [["I-PER", "O"]], strict=True)["f1"] == 0


def test_nothing_to_score_is_zero():
    zeros = {"f1": 0.0, "precision": 0.0, "recall": 0.0, "accuracy": 0.0}
    assert once(weighted_span_metrics, [], []) == zeros
    assert once(weighted_span_metrics, [[]], [[]]) == zeros
    assert once(weighted_span_metrics, [["O"]], [["O"]]) == {**zeros, "accuracy": 1.0}


@given(st.integers(0, 10_000), st.data())
def test_a_weight_is_a_number_of_copies(seed, data):
    gold, answers = corpus(seed, ANY)
    counts = data.draw(st.lists(st.integers(0, 3), min_size=len(gold), max_size=len(gold)))
    weights = np.stack([counts, np.ones(len(gold))], axis=1).astype(np.float32)
    weighted = weighted_span_metrics(gold, answers, weights)
    copies = [
        [row for row, count in zip(rows, counts, strict=True) for _ in range(count)]
        for rows in (gold, answers)
    ]
    repeated, single = once(weighted_span_metrics, *copies), once(weighted_span_metrics, gold, answers)
    for name, values in weighted.items():
        assert values == pytest.approx([repeated[name], single[name]], abs=1e-12)


@given(st.lists(st.sampled_from(ANY[:-3])))
def test_repaired_tags_are_whole_and_mean_the_same(tags):
    whole = repaired(tags)
    assert broken_transitions(whole, "BIO") == []
    assert entities(whole) == strict_entities(whole) == entities(tags)
    assert repaired(whole) == whole
    assert bio_tags(entities(whole), len(whole)) == whole


@pytest.mark.parametrize(
    ("tags", "scheme", "broken"),
    [
        (["I-PER", "I-PER", "O", "I-LOC", "B-LOC"], "IOB1", 0),
        (["I-PER", "O", "I-PER"], "IOB1", 0),
        (["B-PER", "I-PER", "O", "B-LOC", "B-LOC"], "BIO", 0),
        (["B-PER", "O", "I-LOC"], "BIO", 1),
        (["B-PER", "I-LOC", "I-PER"], "BIO", 2),
        (["O", "O"], "BIO", 0),
        (["B-PER", "E-PER", "S-LOC", "O"], "IOBES", 0),
        (["B-PER", "I-PER", "S-LOC", "E-LOC"], "IOBES", 2),
        (["S-LOC", "B-PER"], "IOBES", 1),
    ],
)
def test_schemes_and_what_breaks_them(tags, scheme, broken):
    assert detect_scheme([tags, []]) == scheme
    assert len(broken_transitions(tags, scheme)) == broken


def test_all_schemes_read_as_the_same_entities():
    expected = [("PER", 0, 2), ("PER", 2, 3), ("LOC", 4, 7)]
    for tags in (
        "I-PER I-PER B-PER O I-LOC I-LOC I-LOC",
        "B-PER I-PER B-PER O B-LOC I-LOC I-LOC",
        "B-PER E-PER S-PER O B-LOC I-LOC E-LOC",
    ):
        assert entities(tags.split()) == expected


def test_allowed_transitions_of_bio_and_iobes():
    tags = ["O", "B-A", "I-A", "B-B", "I-B"]
    allowed = allowed_transitions(tags)
    assert allowed[:, 0].all(), "in BIO a text may end anywhere"
    assert allowed[0, 1:].tolist() == [True, True, False, True, False]
    assert allowed[3].tolist() == [True, True, True, True, True, False], "after I-A"
    tags = ["O", "B-A", "I-A", "E-A", "S-A"]
    allowed = allowed_transitions(tags)
    assert allowed[:, 0].tolist() == [True, True, False, False, True, True], "an entity must have its end"
    assert allowed[2].tolist() == [False, False, False, True, True, False], "after B-A"
    assert allowed_transitions(["NOUN", "VERB"]).all()
