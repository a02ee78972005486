"""What knows nothing of a text is not certain of it."""

from __future__ import annotations

import pytest

from tests.tiny import topic_rows
from textgraft.comparison.contenders.base import Job
from textgraft.comparison.contenders.registry import contenders_for
from textgraft.data.dataset import Dataset
from textgraft.inference.predictor import Predictor
from textgraft.models.encoders import resolve_encoder
from textgraft.tasks.text.classification import SingleLabelClassification

GIBBERISH = ["xqzv plmokn wvut", "asdf", "zzzz qqqq ### 12345", "ñandú öäü 你好"]


def topics(rows: int, seed: int) -> Dataset:
    texts, labels = zip(*topic_rows(rows, seed), strict=True)
    places = [str(row) for row in range(rows)]
    return Dataset({"text": list(texts)}, list(labels), places, list(range(rows)), "topics")


@pytest.mark.parametrize("name", ["tfidf", "lstm", "bert-frozen"])
def test_gibberish_is_not_answered_with_certainty(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Twenty dev rows without an error made every answer of such a model certain."""
    monkeypatch.setattr("textgraft.comparison.contenders.base.EpochSchedule.number", lambda self, size: 10)
    train, dev = topics(120, 0), topics(20, 1)
    task = SingleLabelClassification.fitted_to(train)
    contender = contenders_for(task.name)[name]
    encoder = resolve_encoder("bundled") if contender.needs_encoder else None
    fitted = contender.fit(Job(train, dev, task, 0, encoder), contender.grid[0])
    predictor = Predictor(fitted.model, fitted.tokenizer, task, fitted.max_length)
    features, decoded = predictor.outputs(dev)
    predictor.temperature = task.temperature(task.targets(dev), features, decoded)
    assert max(prediction.score for prediction in predictor.predict(GIBBERISH)) < 0.9
