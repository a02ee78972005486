"""How good answers are row by row, and what is taken for what, for every form of answer."""

import numpy as np
import pytest

from textgraft.evaluation.confusions import NOTHING
from textgraft.evaluation.label_scores import score_labels
from textgraft.tasks.generation.translation import Translation
from textgraft.tasks.spans.question_answering import QuestionAnswering
from textgraft.tasks.spans.token_classification import TokenClassification
from textgraft.tasks.text.classification import NO_ANSWER, SingleLabelClassification
from textgraft.tasks.text.multi_label import MultiLabelClassification
from textgraft.tasks.text.multiple_choice import MultipleChoice
from textgraft.tasks.text.regression import Regression


def test_one_label():
    task = SingleLabelClassification("abc")
    gold, answers = [0, 1, 2, 2], [0, 2, 2, NO_ANSWER]
    assert task.qualities(gold, answers).tolist() == [1, 0, 1, 0]
    names, matrix = task.confusion(gold, answers)
    assert names == ("a", "b", "c")
    assert (matrix[1, 2], matrix.sum()) == (1, 3)
    assert [one.given for one in score_labels(task.label_counts(gold, answers))] == [1, 0, 2]


def test_sets_of_labels():
    task = MultiLabelClassification("abc")
    gold, answers = [[0, 1], [], [2]], [[0], [], []]
    assert task.qualities(gold, answers) == pytest.approx([2 / 3, 1, 0])
    names, matrix = task.confusion(gold, answers)
    assert names[-1] == NOTHING
    assert matrix[1, 3] == 1
    assert [one.recall.value for one in score_labels(task.label_counts(gold, answers))] == [1, 0, 0]


def test_entities_that_a_row_has_twice_count_twice():
    task = TokenClassification(["O", "B-A", "I-A", "B-B", "I-B"])
    gold = [["B-A", "O", "B-A", "I-A"], ["O"]]
    answers = [["B-A", "O", "B-B", "I-B"], ["O"]]
    assert task.types == ("A", "B")
    assert task.qualities(gold, answers).tolist() == [0.5, 1]
    assert task.confusion(gold, answers)[1].tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]
    first, second = score_labels(task.label_counts(gold, answers))
    assert (first.rows, first.given, first.recall.value) == (2, 1, 0.5)
    assert (second.rows, second.given, second.precision.value) == (0, 1, 0)


def test_answers_to_questions_are_right_by_the_rules_of_the_metric():
    task = QuestionAnswering(has_unanswerable=True)
    gold = [["The Moon", "moon"], ["in May 1969"], [], []]
    answers = ["moon.", "May", "", "Mars"]
    assert [task.is_right(*pair) for pair in zip(gold, answers, strict=True)] == [True, False, True, False]
    assert task.qualities(gold, answers) == pytest.approx([1, 0.5, 1, 0])
    assert task.qualities(gold, answers).mean() == pytest.approx(task.metrics(gold, answers)["f1"])
    assert (task.show(gold[0]), task.show(gold[2]), task.show("")) == (
        "The Moon | moon",
        "no answer",
        "no answer",
    )
    assert task.confusion(gold, answers) is None


def test_numbers_choices_and_texts():
    assert Regression(0, 2).qualities([1.0, 1.0], [1.9, 2.1]).tolist() == [1, 0]
    assert MultipleChoice(2).qualities([1, 0], [1, 1]).tolist() == [1, 0]
    written = Translation().qualities([["a small house"], ["a tree"]], ["a small house", "xy"])
    assert written == pytest.approx([1, 0])
    assert isinstance(written, np.ndarray)
