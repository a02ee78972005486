"""A model with attention learns to reverse sequences, which no data can have told it by heart."""

from __future__ import annotations

import csv

import pytest

from textgraft.comparison.train import train
from textgraft.data.demo.synthetic import synthetic_rows


@pytest.mark.slow
def test_reversal_is_learned_to_99_percent(tmp_path):
    files = {}
    for seed, (name, count) in enumerate({"train": 20_000, "dev": 300, "test": 1000}.items()):
        files[name] = tmp_path / f"{name}.tsv"
        with files[name].open("w", newline="") as handle:
            rows = synthetic_rows("reverse", count, seed=seed)
            csv.writer(handle, delimiter="\t").writerows([("source", "target"), *rows])
    trained = train(
        files["train"],
        tmp_path / "model",
        task="text2text",
        text=["source"],
        label="target",
        dev=str(files["dev"]),
        test=str(files["test"]),
        contender="lstm-attention",
        settings={
            "embedding_size": 64,
            "hidden_size": 128,
            "learning_rate": 3e-3,
            "dropout": 0.0,
            "embedding_dropout": 0.0,
            "label_smoothing": 0.0,
            "epochs": 10,
            "patience": None,
            "num_beams": 1,
            "precision": "fp32",
        },
    )
    assert trained.trial.metrics["exact_match"] >= 0.99
    (answer,) = trained.predictor.predict(["q w e r t y u i o p a s d f g h"])
    assert answer.answer == "h g f d s a p o i u y t r e w q"
