"""Answers before the end: what is looked at, what is chosen, and that the promise is kept."""

from __future__ import annotations

import numpy as np
import pytest

from tests.export.tiny_models import recurrent
from tests.tiny import topic_rows
from textgraft.errors import OptionError
from textgraft.evaluation.cascades import lost_and_gained, not_worse
from textgraft.evaluation.selective import GRID
from textgraft.inference.predictor import load
from textgraft.inference.streaming.early import early_decisions, trace


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    return load(recurrent(tmp_path_factory.mktemp("early") / "m", bidirectional=False), engine="torch")


def test_every_beginning_is_answered_as_a_text_of_its_own(predictor):
    texts = ["", "the goal", "goal", *(text for text, _ in topic_rows(70, seed=4))]
    found = trace(predictor, predictor.task.rows(texts))
    assert found.scores.shape == (found.lengths.max(), len(texts))
    for row in (0, 1, 2, 5, 40, 72):
        ids = predictor.windows(predictor.task.rows([texts[row]]))[0]["input_ids"][1:]
        stream = predictor.stream()
        answers = [stream.feed([token]) for token in ids] or [stream.feed("")]
        assert np.allclose(found.scores[: len(answers), row], [one.score for one in answers], atol=1e-5)
        assert found.answers[: len(answers), row].tolist() == [one.answer for one in answers]
        assert (found.scores[len(answers) :, row] < 0).all()
        assert found.whole[row] == answers[-1].answer
        until = sorted(one.score for one in answers)[len(answers) // 2]
        taken, read = found.at(until)
        half = found.after(0.5)[row]
        assert half == answers[(len(answers) + 1) // 2 - 1].answer, "rounded up to whole tokens"
        first = next(at for at, one in enumerate(answers) if one.score >= until - 1e-7)
        assert (taken[row], read[row]) == (answers[first].answer, first + 1)


def test_the_score_is_chosen_on_one_half_and_measured_on_the_other(predictor):
    texts = [text for text, _ in topic_rows(900, seed=5)]
    said = predictor.task.show
    gold = [said(one.answer) for one in predictor.predict_rows(predictor.task.rows(texts))]
    told: list[str] = []
    found = early_decisions(predictor, texts, labels=gold, tolerance=0.1, note=told.append)
    assert found.chosen_on + found.measured_on == 900
    assert abs(found.chosen_on - found.measured_on) < 90
    whole = found.points[-1]
    assert (whole.right, whole.read, whole.early) == (1.0, 1.0, 0.0), "the labels are what it says at the end"
    assert found.least is not None
    chosen = found.points[0]
    assert chosen.least == found.least
    assert chosen.read < 1
    assert chosen.right > 0.85
    by_score = sorted(found.points[1:-1], key=lambda point: point.least)
    assert [point.read for point in by_score] == sorted(point.read for point in by_score)
    assert f"{found.least:.4f}" in found.sentence
    assert "after the whole text" in found.finding
    assert len(found.table()) == len(found.points)
    measured = found.beginnings
    assert [each.read for each in measured] == [0.1, 0.25, 0.5, 0.75, 1.0]
    assert measured[-1].right == 1.0
    assert (measured[-1].score, len(found.beginnings_table())) == (whole.score, 5)
    few = early_decisions(predictor, texts[:60], labels=gold[:60])
    assert few.least is None
    assert "rows at least" in few.sentence


def test_what_is_no_task_of_labels_or_no_tolerance_is_refused(predictor, tmp_path):
    for model, options, message in (
        (predictor, {"tolerance": 1.0}, "no share"),
        (recurrent(tmp_path / "n", "regression", bidirectional=False), {}, "one label"),
        (recurrent(tmp_path / "b"), {}, "from the end of a text"),
    ):
        with pytest.raises(OptionError, match=message):
            early_decisions(model, ["a b"] * 40, labels=["sport"] * 40, **options)


def test_the_promise_is_kept_over_texts_of_many_beginnings():
    """Texts become clearer word by word; of 600 draws at most 5 in 100 choose a score that loses too much."""
    generator = np.random.default_rng(0)
    draws, rows, words, tolerance = 600, 250, 6, 0.05

    def texts(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        evidence = generator.normal(0.35, 1.0, (words, *shape)).cumsum(axis=0)
        scores = 1 / (1 + np.exp(-np.abs(evidence) * 1.3))  # too sure by far, early on
        return scores, evidence > 0

    scores, right = texts((draws, rows))
    kept = not_worse(*lost_and_gained(scores[:-1], right), rows, tolerance)
    true_scores, true_right = texts((200_000,))
    lost, gained = lost_and_gained(true_scores[:-1], true_right)
    is_worse = (lost - gained) / 200_000 > tolerance
    assert is_worse.any()
    assert not is_worse.all()
    assert kept.any(axis=1).mean() > 0.5, "it chooses"
    failed = (kept & is_worse).any(axis=1).mean()
    assert failed <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / draws), failed
    assert len(GRID) == kept.shape[1]
