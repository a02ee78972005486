"""The grafts that come with the package answer alike wherever they are run."""

from __future__ import annotations

import warnings

import pytest
import transformers
from transformers import AutoTokenizer

import textgraft
from textgraft.inference import runner
from textgraft.inference.predictor import load
from textgraft.models.encoders import resolve_encoder
from textgraft.models.loading import load_tokenizer
from textgraft.models.manifest import read_manifest
from textgraft.models.shipped import FOLDER

NAMES = ("banking-intents", "ner", "question-answering", "sentiment")


@pytest.mark.parametrize("name", NAMES)
def test_the_calibration_is_in_the_weights(name):
    manifest = read_manifest(FOLDER / name)
    assert manifest.temperature == 1
    assert manifest.calibration != 1


@pytest.mark.parametrize("name", NAMES)
def test_the_tokenizer_is_that_of_the_encoder_and_cuts_where_the_graft_does(name):
    tokenizer = AutoTokenizer.from_pretrained(FOLDER / name)
    assert tokenizer.get_vocab() == load_tokenizer(resolve_encoder("bundled").path).get_vocab()
    limit = read_manifest(FOLDER / name).max_length
    assert len(tokenizer("word " * 10_000, truncation=True).input_ids) == limit


@pytest.mark.parametrize("name", ["banking-intents", "sentiment"])
def test_transformers_own_pipeline_gives_our_scores(name, monkeypatch):
    folder = FOLDER / name
    texts = [golden.columns["text"] for golden in read_manifest(folder).golden]
    if name == "sentiment":
        texts.append("The first half is a joy to watch. " * 20 + "The rest is a bore. " * 40)
    foreign = transformers.pipeline("text-classification", model=str(folder), top_k=1)
    monkeypatch.setattr(runner, "resolve_precision", lambda *_: "fp32")  # as theirs
    own = load(folder, engine="torch")
    for (theirs,), ours in zip(foreign(texts), own.predict(texts), strict=True):
        assert theirs["label"] == ours.label
        assert theirs["score"] == pytest.approx(ours.score, abs=1e-4)


@pytest.fixture(scope="module")
def ner():
    return textgraft.pipeline("ner", aggregation_strategy="simple")


@pytest.mark.parametrize("end", ["", "."])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ann joined Siemens in Berlin", ["Ann PER", "Siemens ORG", "Berlin LOC"]),
        ("John works at Google in California", ["John PER", "Google ORG", "California LOC"]),
    ],
)
def test_names_are_found_with_and_without_a_full_stop(ner, text, expected, end):
    assert [f"{found['word']} {found['entity_group']}" for found in ner(text + end)] == expected


@pytest.fixture(scope="module")
def answer():
    return textgraft.pipeline("question-answering")


@pytest.mark.parametrize("end", ["", "."])
@pytest.mark.parametrize(
    ("question", "context", "expected"),
    [
        ("Where was she born?", "She was born in Warsaw and died in France", "Warsaw"),
        ("Where did she die?", "She was born in Warsaw and died in France", "France"),
        ("What is BERT?", "BERT is a language model from Google", "a language model from Google"),
    ],
)
def test_answers_stop_where_they_end(answer, question, context, expected, end):
    assert answer(question=question, context=context + end)["answer"] == expected


def test_sentiment_reads_a_text_to_its_end():
    classify = textgraft.pipeline("sentiment-analysis")
    begun = "The film begins in a small town by the sea, where two brothers run a shop. " * 20
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        praised, panned = classify(
            [begun + "A wonderful, moving film. " * 60, begun + "A dull, stupid mess. " * 60]
        )
    assert (praised["label"], panned["label"]) == ("POSITIVE", "NEGATIVE")
