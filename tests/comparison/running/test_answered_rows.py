"""Of more test rows than a short budget has time for, contenders answer a part, which is drawn and said."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

import textgraft
from tests.tiny import save_tiny_bert, topic_rows, write_topics
from textgraft.comparison.preparing import Material
from textgraft.comparison.records.plan import load_plan
from textgraft.comparison.records.trials import load_test_set
from textgraft.comparison.running import answered_rows
from textgraft.comparison.running.answered_rows import ALL, LEAST_OF_LABEL, LEAST_ROWS, rows_to_answer
from textgraft.comparison.running.progress import SilentReporter
from textgraft.data.dataset import Dataset
from textgraft.data.splits import Splits

LENGTH = 100
COUNTS = {"common": 6_000, "usual": 3_000, "rare": 40}
LARGEST = 1_000
READ = 1_250
"""Rows of the largest size, with a quarter as many dev rows."""
MINUTE = 60.0


def rows(counts: dict[str, int], length: int = LENGTH) -> Dataset:
    labels = [name for name, count in counts.items() for _ in range(count)]
    numbers = list(range(1, 1 + len(labels)))
    texts = [f"{at:{length}}" for at in numbers]
    mixed = np.random.default_rng(0).permutation(labels).tolist()
    return Dataset({"text": texts}, mixed, list(map(str, numbers)), numbers, "made")


FROZEN = SimpleNamespace(needs_encoder=True, first_use=None, epochs=None)
TFIDF = SimpleNamespace(needs_encoder=False, first_use=None, epochs=None)


def material(counts=COUNTS, length: int = LENGTH, asking=(TFIDF, FROZEN)) -> Material:
    test, dev = rows(counts, length), rows({"common": 5_000})
    return Material(SimpleNamespace(contenders=asking), None, Splits(dev, dev, test), dev, None)


@pytest.fixture
def pace(monkeypatch):
    """Let a row take the encoder so many seconds."""

    def takes(seconds: float) -> None:
        monkeypatch.setattr(answered_rows, "_seconds_a_row", lambda *_: seconds)

    return takes


def silent(text: str) -> None:
    del text


@pytest.mark.parametrize(
    ("seconds", "number"),
    [
        (0.001, None),
        (0.010, 3_600 - READ),
        (0.015, 2_400 - READ),
        (0.025, LEAST_ROWS),
        (1.0, LEAST_ROWS),
    ],
)
def test_as_many_rows_are_answered_as_leave_time_to_read_those_that_are_learned_from(pace, seconds, number):
    pace(seconds)
    found = rows_to_answer(material(), MINUTE, MINUTE, LARGEST, silent)
    assert found == (number if number is None else pytest.approx(number, abs=1))


def test_where_there_is_no_time_to_read_all_rows_a_twentieth_of_it_goes_to_test_rows(pace):
    pace(0.003)
    found = rows_to_answer(material(), MINUTE, 50.0, 1_000_000, silent)
    assert found == pytest.approx(0.05 * 50.0 / 0.003, abs=1)


def test_no_encoder_is_opened_for_it_where_there_is_little_time_or_nobody_asks_one(monkeypatch):
    monkeypatch.setattr(answered_rows, "_seconds_a_row", lambda *_: pytest.fail("it was opened"))
    assert rows_to_answer(material(), MINUTE, 30.0, LARGEST, silent) == LEAST_ROWS
    assert rows_to_answer(material(asking=[TFIDF]), MINUTE, 30.0, LARGEST, silent) is None


def test_where_few_characters_are_tested_all_rows_are_answered_and_no_pace_is_measured(monkeypatch):
    monkeypatch.setattr(answered_rows, "_seconds_a_row", lambda *_: pytest.fail("it was measured"))
    seconds = sum(COUNTS.values()) * LENGTH / ALL
    assert rows_to_answer(material(), seconds, seconds, LARGEST, silent) is None
    with pytest.raises(pytest.fail.Exception):
        rows_to_answer(material(), 0.9 * seconds, seconds, LARGEST, silent)
    few = material({"a": LEAST_ROWS // 2, "b": LEAST_ROWS // 2}, 10_000)
    assert rows_to_answer(few, 1.0, 1.0, LARGEST, silent) is None


def test_many_labels_have_some_rows_each(pace):
    pace(1.0)
    number = 2 * LEAST_ROWS // LEAST_OF_LABEL
    many = material({f"label {at}": 50 for at in range(number)})
    assert rows_to_answer(many, 1.0, 1.0, LARGEST, silent) == LEAST_OF_LABEL * number


def test_labels_keep_their_shares_and_more_rows_hold_the_fewer():
    whole = material()
    some, more = (whole.answering(number) for number in (500, 1_500))
    assert some.answered == sorted(some.answered)
    assert set(some.answered) < set(more.answered)
    assert some.data_hash == more.data_hash == whole.data_hash
    assert whole.answering(None).test is whole.splits.test
    for one in (some, more):
        found = Counter(one.test.strata)
        for label, count in COUNTS.items():
            assert found[label] == pytest.approx(count * len(one.test) / len(whole.test), abs=1.01)


def test_a_score_on_the_part_is_that_on_all_rows_but_for_the_luck_of_the_draw():
    whole = material()
    random, answered = np.random.default_rng(1), whole.answering(LEAST_ROWS).answered
    is_common = np.array([label == "common" for label in whole.test.labels])
    gaps = []
    for _ in range(200):
        right = random.random(len(is_common)) < np.where(is_common, 0.9, 0.6)
        gaps.append(right[answered].mean() - right.mean())
    deviation = np.sqrt(np.mean(np.where(is_common, 0.09, 0.24)) / LEAST_ROWS)
    assert abs(np.mean(gaps)) < 3 * deviation / np.sqrt(len(gaps))
    assert np.std(gaps) == pytest.approx(deviation, rel=0.2)


class Notes(SilentReporter):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


ASKED = {"contenders": "tfidf,bert-frozen", "sizes": "100", "seeds": 1, "tuning": 1}
ROWS = 1_801


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Files of which one row is in both, and what a comparison of them is asked for.

    Test rows are many for a budget that has time for everything else, whoever is at work beside it.
    """
    monkeypatch.setattr(answered_rows, "ALL", ALL / 10)
    train, test = write_topics(tmp_path / "train.csv", 200), tmp_path / "test.csv"
    leaked = train.read_text().splitlines()[1]
    lines = [f"{text} {at},{label}" for at, (text, label) in enumerate(topic_rows(ROWS - 1, seed=1))]
    test.write_text("\n".join(["text,label", *lines, leaked]) + "\n")
    return train, {
        "test": test,
        "encoder": str(save_tiny_bert(tmp_path / "tiny")),
        "output": tmp_path / "run",
    } | ASKED


def test_a_comparison_says_which_part_of_the_test_rows_was_answered(world, pace):
    pace(10.0)
    train, asked = world
    reporter = Notes()
    found = textgraft.compare(train, budget="1000s", reporter=reporter, **asked)
    test_set = load_test_set(found.folder)
    assert (found.verdict.test_rows, found.verdict.set_aside) == (LEAST_ROWS, ROWS)
    assert len(test_set.gold) == len(test_set.test_ids) == len(test_set.test_texts) == LEAST_ROWS
    assert {trial.contender for trial in found.trials} == {"tfidf", "bert-frozen"}
    assert {len(trial.predicted) for trial in found.trials} == {LEAST_ROWS}
    assert any(note.startswith("contenders answer 500 of the 1,801 test rows") for note in reporter.notes)
    assert any("500 of 1,801 test rows" in sentence for sentence in found.verdict.sentences)
    assert "500 of 1,801 test rows" in found.report.read_text()


def test_a_run_that_is_resumed_answers_the_same_rows(world, pace):
    pace(10.0)
    train, asked = world
    first = textgraft.compare(train, budget="1000s", **asked)
    pace(1e-6)
    reporter = Notes()
    second = textgraft.compare(train, budget="1000s", reporter=reporter, **asked)
    assert [trial.id for trial in second.trials] == [trial.id for trial in first.trials]
    assert (second.verdict.test_rows, second.verdict.set_aside) == (LEAST_ROWS, ROWS)
    assert not any("contenders answer" in note for note in reporter.notes)


def test_without_a_budget_all_test_rows_are_answered_in_a_folder_of_the_same_rows(world, pace):
    pace(10.0)
    train, asked = world
    first = textgraft.compare(train, budget="1000s", **asked)
    held, part = load_plan(first.folder).data_hash, load_test_set(first.folder)
    second = textgraft.compare(train, add=True, **asked)
    assert load_plan(second.folder).data_hash == held
    assert (second.verdict.test_rows, second.verdict.set_aside) == (ROWS, ROWS)
    assert {len(trial.predicted) for trial in second.trials} == {ROWS}
    whole = load_test_set(second.folder)
    leaked = {whole.test_ids[at] for at in whole.leaked}
    assert leaked
    assert {part.test_ids[at] for at in part.leaked} == leaked & set(part.test_ids)
    assert not any("contenders answered" in sentence for sentence in second.verdict.sentences)


def test_whoever_asks_for_a_thorough_comparison_has_all_test_rows_answered(world, pace):
    pace(10.0)
    train, asked = world
    found = textgraft.compare(train, budget="1000s", thorough=True, **asked)
    assert found.verdict.test_rows == ROWS


def test_processes_side_by_side_answer_the_same_rows(world, pace):
    pace(10.0)
    train, asked = world
    found = textgraft.compare(train, budget="1000s", jobs=2, **asked)
    assert {len(trial.predicted) for trial in found.trials} == {LEAST_ROWS}


def test_the_pace_is_measured_on_rows_that_are_answered(world, monkeypatch):
    found = []
    measure = answered_rows._seconds_a_row

    def measured(material, asking):
        seconds = measure(material, asking)
        (encoder,) = material.shared._encoders.values()
        found.append((seconds, len(encoder.store)))
        return seconds

    monkeypatch.setattr(answered_rows, "_seconds_a_row", measured)
    train, asked = world
    result = textgraft.compare(train, budget="1000s", **asked)
    ((seconds, encoded),) = found
    assert 0 < seconds < 1
    assert encoded == 2 * answered_rows.SAMPLE
    assert result.verdict.test_rows == ROWS  # the tiny encoder has time for all
