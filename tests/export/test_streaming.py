"""A network that is fed token by token gives what it gives of the whole text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax

from tests.export.tiny_models import TEXTS, _enlarged, recurrent
from textgraft import runtime
from textgraft.errors import OptionError
from textgraft.export.export import export
from textgraft.inference.predictor import load
from textgraft.models.recurrent.encoder import RecurrentConfig
from textgraft.models.recurrent.language_model import RecurrentForCausalLM
from textgraft.tokenization.word_tokenizer import train_word_tokenizer

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")


def language_model(folder: Path, **shape: Any) -> tuple[RecurrentForCausalLM, Any]:
    """Save a random language model."""
    tokenizer = train_word_tokenizer(TEXTS, min_frequency=1)
    config = RecurrentConfig(vocab_size=len(tokenizer), hidden_size=5, **{"bidirectional": False, **shape})
    model = _enlarged(RecurrentForCausalLM(config))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model, tokenizer


@pytest.mark.parametrize(
    "shape",
    [
        {"cell": "lstm", "num_layers": 2, "embedding_size": 6},
        {"cell": "gru", "embedding_size": 5},
        {"cell": "rnn", "bidirectional": True, "independent_directions": True, "num_layers": 2},
    ],
)
def test_a_language_model_reads_on_from_its_state(shape, tmp_path):
    model, tokenizer = language_model(tmp_path / "model", **shape)
    done = export(tmp_path / "model", tmp_path / "stream", format="stream")
    assert done.agreement.drift < 1e-3
    stream = runtime.Stream(tmp_path / "stream")
    for text in (TEXTS[0], TEXTS[1]):
        words = text.split()
        stream.feed(" ".join(words[:2]))
        found = stream.feed(" ".join(words[2:]))
        with torch.inference_mode():
            logits = model(**tokenizer(text, return_tensors="pt", return_token_type_ids=False)).logits
        assert np.abs(found - softmax(logits[0, -1].numpy())).max() < 1e-4
        stream.reset()


@pytest.mark.parametrize("pooling", ["attention", "last", "concat"])
def test_a_classifier_knows_at_every_word_what_it_would_say(pooling, tmp_path):
    folder = recurrent(tmp_path / "model", bidirectional=False, pooling=pooling)
    export(folder, tmp_path / "stream", format="stream")
    stream, model = runtime.Stream(tmp_path / "stream"), load(folder, engine="torch")
    model.temperature = 1.0
    assert stream.labels == list(model.task.labels)
    words = TEXTS[0].split()
    for count in range(1, len(words)):
        found = stream.feed(words[count - 1])
        expected = model.predict([" ".join(words[:count])])[0].probabilities
        assert np.abs(found - expected).max() < 5e-3  # torch may compute in bf16
    inputs = {
        value.name: value.type.tensor_type.shape
        for value in onnx.load(tmp_path / "stream/model.onnx").graph.input
    }
    assert [axis.dim_param or axis.dim_value for axis in inputs["input_ids"].dim] == ["texts", 1]


def test_what_reads_from_the_end_is_refused(tmp_path):
    folder = recurrent(tmp_path / "model")
    with pytest.raises(OptionError, match="it also reads from the end of a text"):
        export(folder, tmp_path / "stream", format="stream")
    assert not (tmp_path / "stream").exists()
