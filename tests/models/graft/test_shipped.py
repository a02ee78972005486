"""The grafts that come with the package answer alike wherever they are run."""

from __future__ import annotations

import pytest
import transformers
from transformers import AutoTokenizer

from textgraft.inference import runner
from textgraft.inference.pipelines.shipped import FOLDER
from textgraft.inference.predictor import load
from textgraft.models.encoders import resolve_encoder
from textgraft.models.loading import load_tokenizer
from textgraft.models.manifest import read_manifest

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
    assert len(tokenizer("word " * 1000, truncation=True).input_ids) == limit


@pytest.mark.parametrize("name", ["banking-intents", "sentiment"])
def test_transformers_own_pipeline_gives_our_scores(name, monkeypatch):
    folder = FOLDER / name
    texts = [golden.columns["text"] for golden in read_manifest(folder).golden]
    foreign = transformers.pipeline("text-classification", model=str(folder), top_k=1)
    monkeypatch.setattr(runner, "resolve_precision", lambda *_: "fp32")  # as theirs
    own = load(folder)
    for (theirs,), ours in zip(foreign(texts), own.predict(texts), strict=True):
        assert theirs["label"] == ours.label
        assert theirs["score"] == pytest.approx(ours.score, abs=1e-4)
