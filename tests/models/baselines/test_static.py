"""A shallow network on the mean of static vectors: its means, its pairs, and what is written of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

import textgraft.models.auto  # noqa: F401  registers the architecture
from textgraft.errors import OptionError
from textgraft.models.baselines.static import (
    StaticConfig,
    StaticForSequenceClassification,
    frequency_weights,
)
from textgraft.models.pairs import pair_features

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(6, 4)).astype(np.float32)


def model(**changes) -> StaticForSequenceClassification:
    torch.manual_seed(0)
    config = StaticConfig(vocab_size=6, embedding_size=4, pad_token_id=0, num_labels=3, **changes)
    made = StaticForSequenceClassification(config).eval()
    made.fill(VECTORS)
    return made.requires_grad_(False)


def test_a_text_has_the_mean_of_its_tokens_wherever_padding_stands():
    means = model(normalize=False)
    ids = torch.tensor([[1, 2, 2, 0], [5, 0, 0, 0]])
    expected = np.stack([VECTORS[[1, 2, 2]].mean(axis=0), VECTORS[5]])
    np.testing.assert_allclose(means.features(ids, None), expected, atol=1e-6)
    left = ids.flip(1)
    np.testing.assert_allclose(means.features(left, (left != 0).long()), expected, atol=1e-6)
    unit = model().features(ids, None).numpy()
    np.testing.assert_allclose(unit, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)


def test_a_text_without_a_known_token_gets_the_bias():
    network = model()
    network.set_layers([(np.ones((3, 4), np.float32), np.array([1, 2, 3], np.float32))])
    with torch.no_grad():
        network.embeddings.weight[4] = 0
        logits = network(input_ids=torch.tensor([[4, 4]])).logits
    assert logits.tolist() == [[1.0, 2.0, 3.0]]


def test_pairs_are_compared_by_what_inferSent_compares():
    both = model(pairs=True)
    ids, types = torch.tensor([[1, 2, 3]]), torch.tensor([[0, 1, 1]])
    first, second = (torch.from_numpy(v / np.linalg.norm(v)) for v in (VECTORS[1], VECTORS[2:4].sum(axis=0)))
    expected = pair_features(first[None], second[None])
    torch.testing.assert_close(both.features(ids, None, types), expected)
    with pytest.raises(OptionError, match="token_type_ids are missing"):
        both(input_ids=ids)


def test_layers_compute_what_they_were_fitted_to():
    network = model()
    lower = RNG.normal(size=(5, 4)).astype(np.float32), RNG.normal(size=5).astype(np.float32)
    upper = RNG.normal(size=(3, 5)).astype(np.float32), RNG.normal(size=3).astype(np.float32)
    network.set_layers([lower, upper])
    ids = torch.tensor([[1, 2]])
    hidden = np.maximum(network.features(ids, None).numpy() @ lower[0].T + lower[1], 0)
    with torch.no_grad():
        np.testing.assert_allclose(network(input_ids=ids).logits, hidden @ upper[0].T + upper[1], atol=1e-5)
    assert network.config.hidden_sizes == [5]


def test_vectors_take_half_the_bytes_and_come_back_as_they_were(tmp_path):
    half = model(stored_precision="float16")
    half.save_pretrained(tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    assert stored["embeddings.weight"].dtype is torch.float16
    assert stored["layers.0.weight"].dtype is torch.float32
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert loaded.dtype is torch.float32
    for name, tensor in half.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name
    with pytest.raises(OptionError, match="Did you mean 'float16'"):
        model(stored_precision="float61")


def test_frequent_tokens_weigh_less():
    weights = frequency_weights(30_000, 1e-3)
    assert (np.diff(weights) > 0).all()
    # Zipf: the first of 30,000 tokens makes 5% of a text, the last one 3 in a million.
    assert 0.01 < weights[0] < 0.03
    assert weights[-1] > 0.99
    assert (frequency_weights(30_000, 1e-4) < weights).all()
