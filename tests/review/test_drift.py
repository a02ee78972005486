"""Drift is said where rows have changed, and seldom where they have not."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import textgraft
from tests.tiny import FILLER, TOPICS, topic_rows
from textgraft.cli import app
from textgraft.errors import DataError
from textgraft.evaluation import two_sample
from textgraft.review.drift import LEAST_ROWS, Answers, Side, find_drift


def _side(texts, seed, confident=2.0):
    rng = np.random.default_rng(seed)
    scores = rng.beta(confident * 2, 2, len(texts)).tolist()
    right = (rng.random(len(texts)) < scores).tolist()
    labels = rng.choice(["a", "b", "c"], len(texts)).tolist()
    encodings = rng.normal(size=(len(texts), 8)).astype(np.float32)
    return Side(texts, encodings, Answers(labels, scores, right))


def _texts(count, seed, words=FILLER):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(words, int(size))) for size in rng.integers(3, 12, count)]


def test_all_tests_together_say_drift_of_unchanged_rows_at_most_once_in_twenty(monkeypatch):
    for test in (two_sample.kernel_test, two_sample.category_test):
        monkeypatch.setattr(test, "__kwdefaults__", {"permutations": 199, "seed": 0})
    draws = 200
    said = 0
    for draw in range(draws):
        old, new = (_side(_texts(20, seed), seed) for seed in (2 * draw, 2 * draw + 1))
        said += find_drift(old, new, (20, 20), seed=draw).drifted
    assert said / draws <= 0.05 + 3 * (0.05 * 0.95 / draws) ** 0.5


def test_what_has_changed_is_named():
    old = _side(_texts(150, 0), 0)
    words = [*FILLER, *TOPICS["space"]]
    changed = _side(_texts(150, 1, words), 1, confident=0.6)
    drifted = {shift.name for shift in find_drift(old, changed, (150, 150)).shifts if shift.is_drift}
    assert drifted == {"words", "confidence"}
    found = find_drift(old, changed, (150, 150))
    assert found.estimated_accuracy.value < found.reference_accuracy.value - 0.1


def test_a_few_rows_tell_nothing():
    few = _side(_texts(LEAST_ROWS - 1, 0), 0)
    with pytest.raises(DataError, match="too few"):
        find_drift(few, few, (1, 1))


def test_the_command_says_it_and_fails_if_asked_to(tmp_path, monkeypatch):
    monkeypatch.setattr("textgraft.review.out_of_fold.encoded", lambda *_: None)
    for name, texts in (
        ("old", [text for text, _ in topic_rows(80)]),
        ("new", _texts(80, 3, TOPICS["food"])),
    ):
        (tmp_path / f"{name}.csv").write_text("text\n" + "\n".join(texts) + "\n")
    old, new = str(tmp_path / "old.csv"), str(tmp_path / "new.csv")
    result = CliRunner().invoke(app, ["monitor", old, new])
    assert result.exit_code == 0
    assert "Drift in words" in result.output
    result = CliRunner().invoke(app, ["monitor", old, new, "--json", "--fail-on-drift"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["drifted"] is True
    assert CliRunner().invoke(app, ["monitor", old, old, "--fail-on-drift"]).exit_code == 0


def test_a_model_is_surer_of_what_it_learned_from_which_is_no_drift(tmp_path, monkeypatch):
    monkeypatch.setattr("textgraft.review.out_of_fold.encoded", lambda *_: None)
    paths = {}
    for seed, name in enumerate(("learned", "dev", "test", "other", "new")):
        rows = [{"text": text, "label": label} for text, label in topic_rows(60, seed)]
        paths[name] = tmp_path / f"{name}.json"
        paths[name].write_text(json.dumps(rows))
    model = tmp_path / "model"
    textgraft.train(paths["learned"], model, contender="tfidf", dev=paths["dev"], test=paths["test"])
    told = {}
    for name in ("learned", "other"):
        command = ["monitor", paths[name], paths["new"], "--model", model, "--json"]
        result = CliRunner().invoke(app, list(map(str, command)), catch_exceptions=False)
        told[name] = json.loads(result.stdout), " ".join(result.stderr.split())
    names = {name: {shift["name"] for shift in found["shifts"]} for name, (found, _) in told.items()}
    assert names["other"] - names["learned"] == {"confidence", "answers"}
    assert "learned from all but 0 rows" in told["learned"][1]
    assert told["learned"][0]["reference_accuracy"] is None
