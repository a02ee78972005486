"""Calibration becomes a part of the model, and is never applied twice."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.tiny import TOPICS, topic_rows
from textgraft.inference.predictor import Predictor
from textgraft.models.baselines.tfidf import fit_tfidf
from textgraft.tasks.text.classification import SingleLabelClassification
from textgraft.tasks.text.regression import Regression

TEXTS = [text for text, _ in topic_rows(40)]


@pytest.fixture
def predictor():
    labels = sorted(TOPICS)
    rows = topic_rows(60, seed=1)
    model, tokenizer = fit_tfidf([text for text, _ in rows], [labels.index(label) for _, label in rows], 3)
    task = SingleLabelClassification(labels)
    task.configure(model.config)
    return Predictor(model, tokenizer, task, 512)


def own_scores(predictor):
    batch = predictor.tokenizer(TEXTS, return_tensors="pt", padding=True)
    with torch.no_grad():
        return predictor.model(**batch).logits.softmax(-1).numpy()


def scores(predictor):
    return np.array(predictor._numbers(predictor.task.rows(TEXTS)))


def test_the_models_own_scores_become_those_of_the_predictor(predictor):
    plain = scores(predictor)
    predictor.temperature = 0.3
    wanted = scores(predictor)
    assert np.abs(wanted - plain).max() > 0.1
    assert predictor.calibrate(0.3, predictor.task.rows(TEXTS[:4])) == 0.3
    assert predictor.temperature == 1.0
    np.testing.assert_allclose(scores(predictor), wanted, atol=1e-5)
    np.testing.assert_allclose(own_scores(predictor), wanted, atol=1e-5)


def test_a_head_that_its_last_layer_does_not_scale_keeps_the_temperature_outside(predictor, monkeypatch):
    predictor.temperature = 0.3
    wanted = scores(predictor)
    whole = type(predictor.model).forward

    def normed(self, *args, **kwargs):
        outputs = whole(self, *args, **kwargs)
        outputs.logits = torch.nn.functional.layer_norm(outputs.logits, outputs.logits.shape[-1:])
        return outputs

    bias = predictor.model.bias.clone()
    monkeypatch.setattr(type(predictor.model), "forward", normed)
    assert predictor.calibrate(0.3, predictor.task.rows(TEXTS[:4])) == 1.0
    assert predictor.temperature == 0.3
    assert torch.equal(predictor.model.bias, bias)
    monkeypatch.undo()
    np.testing.assert_allclose(scores(predictor), wanted, atol=1e-6)


def test_a_number_is_not_divided(predictor):
    task = Regression(5.0, 2.0)
    model, tokenizer = fit_tfidf(TEXTS, np.arange(len(TEXTS)) / 20 - 1, 1, problem_type="regression")
    task.configure(model.config)
    regression = Predictor(model, tokenizer, task, 512)
    before = [given.answer for given in regression.predict(TEXTS)]
    assert regression.calibrate(0.4, task.rows(TEXTS[:4])) == 1.0
    after = regression.predict(TEXTS)
    assert [given.answer for given in after] == before
    assert after[0].error == pytest.approx(0.8)
