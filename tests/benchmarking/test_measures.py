"""The official measures against libraries that published scripts call, or cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from seqeval.metrics import f1_score as seqeval_f1

from sklearn import metrics as sklearn_metrics
from textgraft.benchmarking.measures import (
    ACCURACY,
    ANSWER_F1,
    EXACT_MATCH,
    F1,
    MATTHEWS,
    PEARSON,
    SPAN_F1,
    SPEARMAN,
    Gold,
    official_scores,
)

ROWS = 300


def _value(measure, gold, answers):
    return official_scores([measure], gold, [answers])[measure.key].value


@pytest.fixture(scope="module")
def labels():
    generator = np.random.default_rng(0)
    gold = generator.choice(2, ROWS, p=[0.3, 0.7])
    return gold, np.where(generator.random(ROWS) < 0.75, gold, 1 - gold)


@pytest.mark.parametrize(
    ("measure", "oracle"),
    [
        (ACCURACY, sklearn_metrics.accuracy_score),
        (F1, sklearn_metrics.f1_score),
        (MATTHEWS, sklearn_metrics.matthews_corrcoef),
    ],
)
def test_glue_scores_labels_as_scikit_learn_does(measure, oracle, labels):
    gold, answers = labels
    assert _value(measure, Gold(("0", "1"), gold.tolist()), answers.tolist()) == pytest.approx(
        oracle(gold, answers)
    )


def test_the_f1_of_glue_is_that_of_the_paraphrases_wherever_they_stand_among_the_labels(labels):
    gold, answers = labels
    turned = Gold(("1", "0"), (1 - gold).tolist())
    wanted = sklearn_metrics.f1_score(gold, answers)
    assert _value(F1, turned, (1 - answers).tolist()) == pytest.approx(wanted)
    assert wanted != pytest.approx(sklearn_metrics.f1_score(1 - gold, 1 - answers), abs=0.05)


def test_sts_b_is_scored_as_scipy_does_with_ties():
    generator = np.random.default_rng(1)
    gold = generator.integers(0, 6, ROWS) / 1.0
    answers = gold + generator.normal(0, 1, ROWS)
    rows = Gold(("value",), gold.tolist())
    assert _value(PEARSON, rows, answers.tolist()) == pytest.approx(stats.pearsonr(gold, answers)[0])
    assert _value(SPEARMAN, rows, answers.tolist()) == pytest.approx(stats.spearmanr(gold, answers)[0])


def test_entities_are_scored_as_seqeval_and_conlleval_do_broken_tags_among_them():
    generator = np.random.default_rng(2)
    tags = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    gold = [list(generator.choice(tags, 9)) for _ in range(60)]
    answers = [
        [str(generator.choice(tags)) if generator.random() < 0.2 else tag for tag in row] for row in gold
    ]
    gold = [[str(tag) for tag in row] for row in gold]
    assert _value(SPAN_F1, Gold((), gold), answers) == pytest.approx(seqeval_f1(gold, answers))


SQUAD_1 = [
    # Right answers, the answer given, exact match, F1 of its words with the nearest right one.
    (["the Denver Broncos", "Denver Broncos"], "Denver Broncos!", 1.0, 1.0),
    (["Santa Clara, California"], "in Santa Clara", 0.0, 2 * (2 / 3) * (2 / 3) / (4 / 3)),
    (["gold", "golden anniversary"], "golden", 0.0, 2 * 1.0 * 0.5 / 1.5),
    (["one"], "two", 0.0, 0.0),
    (["May", "May 21"], "May 21", 1.0, 1.0),
]
SQUAD_2 = [
    ([], "", 1.0, 1.0),
    ([], "a guess", 0.0, 0.0),
    (["France"], "", 0.0, 0.0),
    (["France"], "France", 1.0, 1.0),
    # Of "the" comparison leaves nothing, so it is no answer, and neither is the right one.
    (["the"], "a", 1.0, 1.0),
]


@pytest.mark.parametrize("cases", [SQUAD_1, SQUAD_2])
def test_squad_is_scored_by_its_definitions(cases):
    gold = Gold((), [right for right, *_ in cases])
    answers = [given for _, given, *_ in cases]
    assert _value(EXACT_MATCH, gold, answers) == pytest.approx(np.mean([exact for *_, exact, _ in cases]))
    assert _value(ANSWER_F1, gold, answers) == pytest.approx(np.mean([f1 for *_, f1 in cases]))


def test_the_interval_covers_what_more_rows_would_say():
    """Matthews' correlation over 150 worlds, each of 200 rows of the same truth."""
    generator = np.random.default_rng(3)
    everyone = generator.choice(2, 30_000, p=[0.3, 0.7])
    right = np.where(generator.random(30_000) < 0.8, everyone, 1 - everyone)
    truth, covered = sklearn_metrics.matthews_corrcoef(everyone, right), 0
    for world in range(150):
        rows = slice(200 * world, 200 * (world + 1))
        gold = Gold(("0", "1"), everyone[rows].tolist())
        found = official_scores([MATTHEWS], gold, [right[rows].tolist()])["matthews"]
        covered += found.low <= truth <= found.high
    assert 0.9 <= covered / 150 <= 0.99
