"""A small trained model directory for the tests of prediction."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny import TOPICS, topic_rows


@pytest.fixture(scope="session")
def topic_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TF-IDF model of the three topics, saved as a model directory with golden outputs."""
    from textgraft.data.dataset import Dataset
    from textgraft.inference.predictor import Predictor
    from textgraft.models.baselines.tfidf import fit_tfidf
    from textgraft.models.directory import save_model_directory
    from textgraft.models.fingerprint import Fingerprint
    from textgraft.models.manifest import Golden, Manifest
    from textgraft.tasks.text.classification import SingleLabelClassification

    labels = sorted(TOPICS)
    rows = topic_rows(200)
    texts = [text for text, _ in rows]
    model, tokenizer = fit_tfidf(texts, [labels.index(label) for _, label in rows], len(labels), c=10.0)
    task = SingleLabelClassification(labels)
    task.configure(model.config)
    predictions = Predictor(model, tokenizer, task, 512, 1.5).predict(texts[:2])
    manifest = Manifest(
        task="classification",
        task_settings=task.settings(),
        contender="tfidf",
        text_columns=["text"],
        label_column="label",
        max_length=512,
        temperature=1.5,
        data_source="topics.csv",
        data_hash="0" * 16,
        training={"rows": len(rows)},
        metrics={"macro_f1": 1.0},
        dev_score=1.0,
        golden=[
            Golden({"text": text}, given.numbers()) for text, given in zip(texts, predictions, strict=False)
        ],
    )
    path = tmp_path_factory.mktemp("model") / "best"
    known = Dataset(
        {"text": texts}, [label for _, label in rows], texts, list(range(1, len(rows) + 1)), "topics.csv"
    )
    fingerprint = Fingerprint.of(known, known.select([]))
    save_model_directory(path, model, tokenizer, manifest, "# card\n", fingerprint)
    return path
