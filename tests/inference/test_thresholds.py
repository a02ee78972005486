"""A model that answers only what it promises: from labelled rows to what the user gets back."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

import textgraft
from tests.tiny import FILLER, topic_rows
from textgraft.cli import app
from textgraft.comparison.running.progress import SilentReporter
from textgraft.errors import DataError, OptionError
from textgraft.evaluation.promises import Target, Threshold
from textgraft.inference.thresholds import decide_threshold, keep_threshold, threshold
from textgraft.models.manifest import read_manifest
from textgraft.tasks.registry import task_class
from textgraft.tasks.spans.answer_spans import SpanPrediction
from textgraft.tasks.spans.question_answering import QuestionAnswering
from textgraft.tasks.targets import check_holds_back
from textgraft.tasks.text.multi_label import LabelSetPrediction, MultiLabelClassification


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def half_told(count: int, seed: int) -> list[dict[str, object]]:
    """Every second text tells its topic; of the others nobody can know it."""
    generator = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for place, (text, label) in enumerate(topic_rows(count, seed)):
        told = text if place % 2 else " ".join(generator.choice(FILLER, 8))
        rows.append({"text": told, "label": label})
    return rows


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("thresholds")
    dev = write(folder / "dev.jsonl", half_told(600, 2))
    textgraft.train(
        write(folder / "train.jsonl", half_told(400, 1)),
        folder / "model",
        contender="tfidf",
        settings={"c": 0.3},
        dev=dev,
        test=write(folder / "test.jsonl", half_told(400, 3)),
        precision=0.8,
    )
    return {"model": folder / "model", "dev": dev, "test": folder / "test.jsonl", "folder": folder}


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open()))


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_training_writes_down_what_is_promised(world):
    found = read_manifest(world["model"]).threshold
    assert found is not None
    assert found.least is not None
    assert (found.precision, found.confidence, found.rows) == (0.8, 0.95, 600)
    assert found.right / found.answered >= 0.8
    assert 0.4 < found.coverage < 0.85
    assert "## Answers without a person" in (world["model"] / "README.md").read_text()


def test_a_file_of_answers_leaves_to_a_person_what_is_not_sure(world, tmp_path):
    run("predict", world["model"], world["test"], "-o", tmp_path / "a.csv")
    rows = rows_of(tmp_path / "a.csv")
    gold = [json.loads(line)["label"] for line in world["test"].read_text().splitlines()]
    assert list(rows[0])[:6] == ["id", "text", "given_label", "label", "needs_review", "score"]
    least = read_manifest(world["model"]).threshold.least
    for row in rows:
        assert row["needs_review"] == ("true" if float(row["score"]) < least else "false")
        assert (row["label"] == "") == (row["needs_review"] == "true")
    given = [(row["label"], label) for row, label in zip(rows, gold, strict=True) if row["label"]]
    assert len(given) > 160
    assert np.mean([one == other for one, other in given]) > 0.8


def test_python_and_pipelines_heed_it_and_figures_do_not(world):
    model = textgraft.load(world["model"])
    every = model.predict(model.task.read(world["test"]).texts)
    text = next(
        text
        for text, one in zip(model.task.read(world["test"]).texts, every, strict=True)
        if one.needs_review
    )
    sure, unsure = model.predict(["a goal of the team in the match", text])
    assert (sure.label, sure.needs_review) == ("sport", False)
    assert (unsure.label, unsure.needs_review) == (None, True)
    assert unsure.prediction.label in model.task.labels
    assert unsure.to_dict()["scores"] == unsure.scores()
    classify = textgraft.pipeline("text-classification", model)
    held, given = classify([text, "a goal of the team in the match"])
    assert held == {"label": None, "score": pytest.approx(unsure.score), "needs_review": True}
    assert given == {"label": "sport", "score": pytest.approx(sure.score), "needs_review": False}
    ranked = classify(text, top_k=2)
    assert [entry["needs_review"] for entry in ranked] == [True, True]
    assert all(entry["label"] for entry in ranked), "what a person chooses from"
    whole = textgraft.evaluate(model, world["test"])
    assert whole.rows == 400, "a model is judged by all its answers"
    assert whole.metrics["accuracy"].value < 0.8


def test_it_can_be_set_and_taken_away_afterwards(world, tmp_path):
    before = (world["model"] / "README.md").read_text()
    output = run("threshold", world["model"], world["dev"], "--error-cost", 10, "--review-cost", 2, "--json")
    told = msgspec.json.decode(output, type=Threshold)
    assert told.cost < 2
    assert "a row, 2 without a model" in told.sentence
    assert (world["model"] / "README.md").read_text().count("## Answers without a person") == 1
    run("threshold", world["model"], "--remove")
    assert read_manifest(world["model"]).threshold is None
    assert "without a person" not in (world["model"] / "README.md").read_text()
    model = textgraft.load(world["model"])
    assert textgraft.pipeline("text-classification", model)("the old") == [
        {
            "label": model.predict(["the old"])[0].label,
            "score": pytest.approx(model.predict(["the old"])[0].score),
        }
    ]
    found = threshold(world["model"], world["dev"], precision=0.8)
    assert found == decide_threshold(model, model.task.read(world["dev"]), Target(precision=0.8))
    assert (world["model"] / "README.md").read_text() == before


def test_rows_that_the_model_learned_from_promise_nothing(world, tmp_path):
    learned, new = world["folder"] / "train.jsonl", half_told(300, 7)
    both = write(tmp_path / "both.jsonl", [*half_told(400, 1), *new])
    heard: list[str] = []
    found = threshold(world["model"], both, precision=0.8, note=heard.append)
    assert found == threshold(world["model"], write(tmp_path / "new.jsonl", new), precision=0.8)
    assert "400 of 700 rows were training rows" in heard[0]
    with pytest.raises(DataError, match="the model did not learn from"):
        threshold(world["model"], learned, precision=0.8)
    threshold(world["model"], world["dev"], precision=0.8)


def test_where_no_threshold_reaches_the_target_no_answer_is_given(world, tmp_path):
    few = write(tmp_path / "few.jsonl", half_told(20, 5))
    output = run("threshold", world["model"], few, "--precision", 0.99)
    assert "everything goes to a person" in output
    run("predict", world["model"], world["test"], "-o", tmp_path / "a.csv")
    assert {(row["label"], row["needs_review"]) for row in rows_of(tmp_path / "a.csv")} == {("", "true")}
    threshold(world["model"], world["dev"], precision=0.8)


def test_a_comparison_hands_over_a_model_with_it(world, tmp_path):
    notes: list[str] = []

    class Notes(SilentReporter):
        def note(self, text: str) -> None:
            notes.append(text)

    textgraft.compare(
        world["folder"] / "train.jsonl",
        contenders="tfidf,majority",
        dev=world["dev"],
        test=world["test"],
        sizes=[200],
        seeds=1,
        tuning=1,
        output=tmp_path / "run",
        precision=0.8,
        reporter=Notes(),
    )
    found = read_manifest(tmp_path / "run" / "best").threshold
    assert found is not None
    assert (found.precision, found.rows) == (0.8, 600), "all dev rows"
    assert found.sentence in notes
    assert all(read_manifest(path).threshold is None for path in (tmp_path / "run" / "models").iterdir())


def test_labels_of_a_text_are_held_back_one_by_one():
    task = MultiLabelClassification(["a", "b", "c"])
    made = [
        LabelSetPrediction(task.labels, np.array(row, np.float32), [0, 1])
        for row in ([0.9, 0.6, 0.1], [0.95, 0.9, 0.2])
    ]
    scores, right = task.graded([[0], [0, 1]], made)
    np.testing.assert_allclose(scores, [[0.9, 0.6, -1], [0.95, 0.9, -1]], atol=1e-6)
    assert right.tolist() == [[True, False, False], [True, True, False]]
    first, second = (task.decide(prediction, 0.8) for prediction in made)
    assert (first.labels, first.unsure, first.needs_review) == (["a"], ("b",), True)
    assert (second.labels, second.unsure, second.needs_review) == (["a", "b"], (), False)
    assert list(first.to_dict()) == ["labels", "needs_review", "unsure", "score", "scores"]
    assert task.decide(made[1], None).labels == []


def test_an_answer_to_a_question_is_held_back_with_its_place():
    task = QuestionAnswering()
    made = SpanPrediction("It was Ada.", np.array([[7, 10], [3, 10]]), np.array([0.7, 0.3]))
    scores, right = task.graded([["the Ada"]], [made])
    assert (scores[0, 0], right[0, 0]) == (0.7, True)
    assert not task.is_right(["Bob"], "Ada")
    assert task.is_right([], "")
    held, given = task.decide(made, 0.8), task.decide(made, 0.6)
    assert (held.text, held.answer, held.start, held.needs_review) == (None, None, None, True)
    assert (given.text, given.start, given.score) == ("Ada", 7, 0.7)
    assert held.to_dict() == {"answer": None, "needs_review": True, "score": 0.7, "start": None, "end": None}


@pytest.mark.parametrize(
    ("task", "given", "message"),
    [
        ("regression", {"precision": 0.9}, "answers of regression cannot be held back"),
        ("token-classification", {"precision": 0.9}, "cannot be held back"),
        ("multi-label", {"error_cost": 3.0, "review_cost": 1.0}, "Give --precision"),
        ("classification", {"precision": 1.5}, "cannot be promised"),
    ],
)
def test_what_cannot_be_promised_is_refused(task, given, message):
    with pytest.raises(OptionError, match=message):
        check_holds_back(task_class(task), Target(**given))


def test_a_target_is_looked_at_before_anything_is_trained(world, tmp_path):
    source = write(tmp_path / "a.jsonl", [{"text": f"a {n}", "score": n / 7} for n in range(30)])
    with pytest.raises(OptionError, match="answers of regression cannot be held back"):
        textgraft.train(source, tmp_path / "model", precision=0.9)
    with pytest.raises(OptionError, match="one cost alone"):
        textgraft.compare(source, output=tmp_path / "run", error_cost=2.0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl"]


def test_sets_hold_the_true_label_as_often_as_asked_for(world, tmp_path):
    run("predict", world["model"], world["test"], "-o", tmp_path / "a.csv", "--sets", 0.9)
    rows = rows_of(tmp_path / "a.csv")
    gold = [json.loads(line)["label"] for line in world["test"].read_text().splitlines()]
    assert list(rows[0])[:6] == ["id", "text", "given_label", "label", "set", "needs_review"]
    sets = [json.loads(row["set"]) for row in rows]
    assert 0.86 < np.mean([label in one for label, one in zip(gold, sets, strict=True)]) < 0.95
    assert 1.2 < np.mean(list(map(len, sets))) < 2.8
    assert all(row["label"] in ("", one[0]) for row, one in zip(rows, sets, strict=True))
    model = textgraft.load(world["model"])
    model.give_sets(0.9)
    given = model.predict(model.task.read(world["test"]).texts)
    assert [list(one.label_set) for one in given] == sets
    assert [one.needs_review for one in given] == [row["needs_review"] == "true" for row in rows]
    model.give_sets(None)
    assert not hasattr(model.predict(["a goal"])[0], "label_set")


@pytest.mark.parametrize(
    ("level", "message"),
    [(1.0, "is no share"), (0.9999, "600 dev rows cannot promise"), (float("nan"), "is not a number")],
)
def test_a_coverage_that_cannot_be_promised_is_refused(world, level, message):
    with pytest.raises(OptionError, match=message):
        textgraft.load(world["model"]).give_sets(level)
    with pytest.raises(OptionError, match=message):
        textgraft.load(world["model"]).tell_unknown(level)


def test_texts_that_fit_no_label_are_told(world, tmp_path):
    run("predict", world["model"], world["test"], "-o", tmp_path / "a.csv", "--reject", 0.8)
    rows = rows_of(tmp_path / "a.csv")
    assert list(rows[0])[:6] == ["id", "text", "given_label", "label", "unknown", "needs_review"]
    assert 0.14 < np.mean([row["unknown"] == "true" for row in rows]) < 0.26, "of the known 80% are kept"
    assert not any(row["label"] for row in rows if row["unknown"] == "true")
    model = textgraft.load(world["model"])
    model.tell_unknown(0.8)
    texts = [json.loads(line)["text"] for line in world["test"].read_text().splitlines()]
    strange = next(text for text, row in zip(texts, rows, strict=True) if row["unknown"] == "true")
    (none,) = model.predict([strange])
    (known,) = model.predict(["a goal of the team in the match"])
    assert (none.is_unknown, none.label) == (True, None)
    assert (known.is_unknown, known.label, known.needs_review) == (False, "sport", False)
    assert len(none.to_dict()["scores"]) == 3


def test_a_pipeline_gives_sets_and_tells_unknown_texts(world):
    model = textgraft.load(world["model"])
    texts = [json.loads(line)["text"] for line in world["test"].read_text().splitlines()][:60]
    classify = textgraft.pipeline("text-classification", model, sets=0.9)
    given = classify(texts, reject=0.8)
    assert list(given[0]) == ["label", "score", "needs_review", "unknown", "set"]
    ranked = classify(texts, top_k=None, reject=0.8)
    model.give_sets(0.9)
    model.tell_unknown(0.8)
    expected = model.predict(texts)
    assert {one.is_unknown for one in expected} == {True, False}
    for one, entry, labels in zip(expected, given, ranked, strict=True):
        assert (entry["label"], entry["set"]) == (one.label, list(one.label_set))
        assert (entry["unknown"], entry["needs_review"]) == (one.is_unknown, one.needs_review)
        assert {label["label"] for label in labels if label["in_set"]} == set(one.label_set)
        assert {label["unknown"] for label in labels} == {one.is_unknown}
    plain = textgraft.pipeline("text-classification", textgraft.load(world["model"]))(texts[0])
    assert "set" not in plain[0]


def test_a_pipeline_that_cannot_promise_says_so_when_it_is_built(world):
    with pytest.raises(OptionError, match="600 dev rows cannot promise"):
        textgraft.pipeline("text-classification", world["model"], sets=0.9999)
    foreign = textgraft.load(world["model"])
    foreign.manifest = None
    with pytest.raises(OptionError, match="no probabilities of labels that were measured"):
        textgraft.pipeline("text-classification", foreign, reject=0.9)


def test_keeping_none_leaves_other_text_of_a_card_alone(world):
    card = world["model"] / "README.md"
    with card.open("a") as handle:
        handle.write("\n## Mine\nnotes\n")
    found = read_manifest(world["model"]).threshold
    keep_threshold(world["model"], None)
    assert card.read_text().endswith("\n\n## Mine\nnotes\n")
    keep_threshold(world["model"], found)
    assert card.read_text().index("## Mine") < card.read_text().index("## Answers without a person")
