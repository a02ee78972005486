"""Text classifiers that others saved with Transformers answer here as they do there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import textgraft
from tests.tiny import save_tiny_bert
from textgraft.errors import ModelError

TEXTS = ["we saw the rocket and the moon", "soup with cheese", "goal"]


def save(folder: Path, labels: list[str], problem: str | None = None) -> Path:
    """Save a random classifier as ``save_pretrained`` does, and nothing of ours beside it."""
    save_tiny_bert(folder)
    torch.manual_seed(1)
    model = AutoModelForSequenceClassification.from_pretrained(
        folder,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: place for place, label in enumerate(labels)},
        problem_type=problem,
    )
    model.save_pretrained(folder)
    return folder


def logits(folder: Path) -> np.ndarray:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        return np.stack([model(**tokenizer(text, return_tensors="pt")).logits[0].numpy() for text in TEXTS])


def test_one_label_a_text(tmp_path):
    folder = save(tmp_path / "model", ["no", "yes", "maybe"])
    predictor = textgraft.load(folder, engine="torch")
    wanted = torch.softmax(torch.tensor(logits(folder)), dim=1).numpy()
    np.testing.assert_allclose(predictor.predict_proba(TEXTS), wanted, atol=1e-3)
    assert predictor.classes_.tolist() == ["no", "yes", "maybe"]
    assert [row["label"] for row in textgraft.predict(folder, TEXTS, engine="torch")] == [
        ["no", "yes", "maybe"][place] for place in wanted.argmax(axis=1)
    ]
    found = textgraft.evaluate(predictor, TEXTS, ["no", "yes", "no"])
    assert (found.rows, found.task) == (3, "classification")


def test_several_labels_and_numbers(tmp_path):
    several = save(tmp_path / "several", ["a", "b"], "multi_label_classification")
    wanted = torch.sigmoid(torch.tensor(logits(several))).numpy()
    found = textgraft.load(several, engine="torch").predict_proba(TEXTS)
    np.testing.assert_allclose(found, wanted, atol=1e-3)
    number = save(tmp_path / "number", ["LABEL_0"])
    answers = [one.answer for one in textgraft.load(number, engine="torch").predict(TEXTS)]
    np.testing.assert_allclose(answers, logits(number)[:, 0], atol=1e-3)


def test_what_is_no_text_classifier_is_said_to_be_none(tmp_path):
    encoder = save_tiny_bert(tmp_path / "encoder")
    with pytest.raises(ModelError, match=r"holds no textgraft\.json"):
        textgraft.load(encoder)
    with pytest.raises(ModelError, match="no such model directory"):
        textgraft.load(tmp_path / "elsewhere")
    # A head that the weights do not hold would be a random one.
    config = encoder / "config.json"
    config.write_text(
        json.dumps(json.loads(config.read_text()) | {"architectures": ["BertForSequenceClassification"]})
    )
    with pytest.raises(ModelError, match="has not the head"):
        textgraft.load(encoder)


def test_a_hub_id_is_one_only_where_no_folder_can_be_meant(tmp_path, monkeypatch):
    folder = save(tmp_path / "model", ["no", "yes"])
    asked = []

    def fetched(name: str, **options: object) -> str:
        asked.append((name, options["revision"]))
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetched)
    monkeypatch.chdir(tmp_path)
    assert textgraft.load("owner/name", engine="torch", revision="v1").classes_.tolist() == ["no", "yes"]
    assert asked == [("owner/name", "v1")]
    (tmp_path / "runs").mkdir()
    with pytest.raises(ModelError, match="no such model directory"):
        textgraft.load("runs/bset")
    assert len(asked) == 1
