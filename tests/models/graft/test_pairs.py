"""A frozen encoder that reads two texts apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import textgraft.models.auto  # noqa: F401
from tests.tiny_encoders import FAMILIES, save_tiny_encoder
from textgraft.inference.encode import Encoder
from textgraft.models.encoders import load_encoder, resolve_encoder
from textgraft.models.graft.pairs import PairGraftConfig, PairGraftForSequenceClassification
from textgraft.models.pairs import pair_features, siamese_tokenizer
from textgraft.tasks.text.pairs import PairClassification
from textgraft.training.shallow import fit_shallow

TASK = PairClassification(["no", "yes"])
FIRSTS = ["the goal was new", "bread and soup", "moon", "the old oven had pepper"] * 5
SECONDS = ["a match", "the rocket saw the moon", "planet", "goal"] * 5
GOLD = [1, 0, 1, 0] * 5


def fitted(folder, family, **settings):
    """Fit a head on the encodings of both texts, as a contender does."""
    source = resolve_encoder(str(save_tiny_encoder(folder / family, family)))
    encoder = Encoder(source, engine="torch", precision="fp32")
    first, second = (torch.from_numpy(encoder.encode(texts)) for texts in (FIRSTS, SECONDS))
    features = pair_features(first, second).numpy()
    layers = fit_shallow(features, GOLD, features, GOLD, 2, **settings)
    config = PairGraftConfig.on(
        source,
        pooling=encoder.pooling,
        normalize=encoder.normalize,
        hidden_sizes=[len(bias) for _, bias in layers[:-1]],
    )
    TASK.configure(config)
    model = PairGraftForSequenceClassification.from_layers(config, layers)
    _, tokenizer = load_encoder(source)
    return model, siamese_tokenizer(tokenizer), (features, layers)


def run(model, tokenizer):
    rows = TASK.rows(list(zip(FIRSTS, SECONDS, strict=True)))
    batch = TASK.collate(TASK.features(rows, tokenizer, 128), tokenizer.pad_token_id)
    with torch.no_grad():
        return model(**batch, labels=torch.tensor(GOLD))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hidden_size", [0, 8])
def test_it_computes_what_was_fitted_and_survives_saving(tmp_path, family, hidden_size):
    model, tokenizer, (features, layers) = fitted(tmp_path, family, hidden_size=hidden_size, c=10.0)
    expected = features
    for place, (weight, bias) in enumerate(layers):
        expected = (np.maximum(expected, 0) if place else expected) @ weight.T + bias
    outputs = run(model, tokenizer)
    np.testing.assert_allclose(outputs.logits.numpy(), expected, atol=2e-4)
    assert outputs.loss.item() < np.log(2)
    model.save_pretrained(tmp_path / "graft")
    tokenizer.save_pretrained(tmp_path / "graft")
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "graft").eval()
    torch.testing.assert_close(
        run(again, AutoTokenizer.from_pretrained(tmp_path / "graft")).logits,
        outputs.logits,
        atol=1e-5,
        rtol=0,
    )
    assert sum(file.stat().st_size for file in (tmp_path / "graft").glob("*.safetensors")) < 100_000
    assert all(name.startswith("layers.") for name, _ in again.named_parameters())
