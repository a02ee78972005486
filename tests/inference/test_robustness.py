"""What careless writing does to a model's score."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from tests.tiny import topic_rows, write_topics
from textgraft.cli import app
from textgraft.data.dataset import Dataset
from textgraft.data.perturbations import LEVELS, PERTURBATIONS
from textgraft.data.words import joined
from textgraft.evaluation.intervals import Score
from textgraft.inference.evaluating import robustness
from textgraft.inference.evaluating.robustness import measure_robustness
from textgraft.inference.evaluating.sentences import robustness_sentence
from textgraft.inference.predictor import load
from textgraft.tasks.spans.question_answering import QuestionAnswering
from textgraft.tasks.spans.token_classification import TokenClassification


def dataset(columns, labels):
    numbers = list(range(1, len(labels) + 1))
    return Dataset(columns, labels, list(map(str, numbers)), numbers, "rows.csv")


@pytest.fixture(scope="module")
def topics():
    rows = topic_rows(150, 5)
    return dataset({"text": [text for text, _ in rows]}, [label for _, label in rows])


@pytest.fixture(scope="module")
def found(topic_model, topics):
    return measure_robustness(load(topic_model), topics)


def test_words_that_are_cut_up_or_lost_cost_score_and_case_does_not(found):
    assert len(found.changes) == len(LEVELS) * len(PERTURBATIONS)
    assert found.of("upper", "strong").rows == 150
    assert found.of("upper", "strong").change.value == 0  # it reads lower case
    assert found.of("accents", "strong").rows == 0
    assert found.of("accents", "strong").change == Score(0.0, 0.0, 0.0)
    truncated = [found.of("truncation", level) for level in LEVELS]
    assert truncated[2].change.value < truncated[0].change.value <= 0
    assert truncated[2].is_worse
    assert found.worst.change.value == min(one.change.value for one in found.changes if one.is_worse)
    assert "What lowers macro F1 of tfidf most is" in robustness_sentence(found, "tfidf")


def test_the_same_again_and_another_with_another_seed(topic_model, topics, found):
    predictor = load(topic_model)
    assert measure_robustness(predictor, topics) == found
    assert measure_robustness(predictor, topics, seed=1).changes != found.changes


def test_of_many_rows_some_are_looked_at_evenly(topic_model, topics, monkeypatch):
    monkeypatch.setattr(robustness, "MOST_ROWS", 40)
    assert measure_robustness(load(topic_model), topics).rows == 40


class Echo:
    """Answers by a rule, so that it is seen what is given to it."""

    def __init__(self, task, rule):
        self.task, self.rule, self.given = task, rule, []

    def predict_rows(self, rows):
        self.given.append(rows)
        return [type("Answer", (), {"answer": self.rule(rows, row)}) for row in range(len(rows))]


def test_of_questions_the_context_stays_and_of_words_the_tags():
    questions = dataset(
        {"question": ["Who was it?"] * 20, "context": ["It was Ann, in Rome."] * 20},
        [[{"text": "Ann", "start": 7}]] * 20,
    )
    echo = Echo(QuestionAnswering(), lambda rows, row: rows.columns["context"][row][7:10])
    found = measure_robustness(echo, questions)
    assert all(one.score == 1 for one in found.changes)
    assert found.columns == ["question"]
    text, words = joined(["Ann", "lives", "in", "Rome"])
    tagged = dataset({"text": [text] * 20, "words": [words] * 20}, [["B-P", "O", "O", "B-P"]] * 20)

    def capitals(rows, row):
        cut = [rows.columns["text"][row][start:end] for start, end in rows.columns["words"][row]]
        return ["B-P" if word[0].isupper() else "O" for word in cut]

    found = measure_robustness(Echo(TokenClassification(["O", "B-P", "I-P"]), capitals), tagged)
    assert set(found.not_applicable) == {"punctuation", "whitespace", "truncation", "noise"}
    assert found.of("lower", "strong").score == 0
    assert found.clean == 1


def test_the_command_shows_the_table(topic_model, tmp_path):
    rows = write_topics(tmp_path / "rows.csv", 60)
    ended = CliRunner().invoke(app, ["evaluate", str(topic_model), str(rows), "--robustness"])
    assert ended.exit_code == 0, ended.output
    for perturbation in PERTURBATIONS.values():
        assert perturbation.title in ended.output
    report = tmp_path / "report"
    ended = CliRunner().invoke(
        app, ["evaluate", str(topic_model), str(rows), "--robustness", "--report", str(report)]
    )
    assert ended.exit_code == 0, ended.output
    page = (report / "report.html").read_text()
    assert 'id="plot-robustness"' in page
    assert "What careless writing does to it" in page
