"""Contenders that write, trained through the one door that users take."""

from __future__ import annotations

import json

import pytest
import torch

import textgraft
from tests.tiny import save_tiny_bert, topic_rows
from textgraft.models.encoders import load_encoder, resolve_encoder

SETTINGS = {"epochs": 1, "num_beams": 1, "batch_size": 16, "learning_rate": 1e-2, "precision": "fp32"}


@pytest.mark.parametrize("is_frozen", [True, False])
def test_a_frozen_encoder_stays_and_the_decoder_learns(tmp_path, is_frozen):
    encoder = save_tiny_bert(tmp_path / "bert")
    file = tmp_path / "rows.jsonl"
    rows = [{"source": text, "target": label} for text, label in topic_rows(60)]
    file.write_text("\n".join(map(json.dumps, rows)))
    trained = textgraft.train(
        file, tmp_path / "model", task="text2text", contender="bert-to-bert-copy", encoder=str(encoder),
        settings={**SETTINGS, "freeze_encoder": is_frozen}, progress=False,
    )  # fmt: skip
    before, _ = load_encoder(resolve_encoder(encoder))
    weights = dict(trained.predictor.model.encoder.named_parameters())
    same = [
        torch.equal(weights[name], weight)
        for name, weight in before.named_parameters()
        if "pooler" not in name
    ]
    assert all(same) == is_frozen
    assert trained.predictor.model.gate.weight.abs().sum() > 0
    assert len(trained.predictor.predict(["the goal of the team"])) == 1
