import itertools

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

import textgraft.models.auto  # noqa: F401
from tests.tiny_encoders import FAMILIES, save_tiny_encoder
from textgraft.errors import ModelError, OptionError
from textgraft.models.encoders import load_encoder, resolve_encoder
from textgraft.models.graft.heads import GraftConfig, GraftForSequenceClassification
from textgraft.models.pooling import PooledEncoder, pool


def random_layers(sizes, seed=0):
    generator = np.random.default_rng(seed)
    return [
        (generator.normal(size=(outputs, inputs)).astype("f"), generator.normal(size=outputs).astype("f"))
        for inputs, outputs in itertools.pairwise(sizes)
    ]


def make_graft(folder, family="bert", hidden=(8,), **config):
    source = resolve_encoder(save_tiny_encoder(folder, family))
    sizes = [32, *hidden, 3]
    return GraftForSequenceClassification.from_layers(
        GraftConfig(
            encoder=source.name,
            encoder_sha256=source.sha256,
            hidden_sizes=list(hidden),
            num_labels=3,
            **config,
        ),
        random_layers(sizes),
    )


BATCH = {
    "input_ids": torch.tensor([[2, 6, 7, 8, 3], [2, 9, 3, 0, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]),
}


def test_logits_are_the_layers_over_the_encodings(tmp_path):
    model = make_graft(tmp_path)
    encoder, _ = load_encoder(resolve_encoder(tmp_path))
    with torch.no_grad():
        encodings = PooledEncoder(encoder)(**BATCH).numpy()
    (w1, b1), (w2, b2) = random_layers([32, 8, 3])
    expected = np.maximum(encodings @ w1.T + b1, 0) @ w2.T + b2
    np.testing.assert_allclose(model(**BATCH).logits.detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_padding_changes_no_pooling(pooling):
    states = torch.randn(1, 4, 8) - 5
    mask = torch.ones(1, 4, dtype=torch.long)
    padded = torch.cat([states, torch.full((1, 3, 8), 100.0)], dim=1)
    longer = torch.cat([mask, torch.zeros(1, 3, dtype=torch.long)], dim=1)
    torch.testing.assert_close(pool(padded, longer, pooling), pool(states, mask, pooling))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hidden", [(), (8,)])
def test_saved_without_its_encoder_and_loaded_through_the_auto_class(tmp_path, family, hidden):
    model = make_graft(tmp_path / "encoder", family, hidden)
    model.save_pretrained(tmp_path / "graft")
    names = set(load_file(tmp_path / "graft" / "model.safetensors"))
    assert all(name.startswith("layers.") for name in names)
    assert len(names) == 2 * (len(hidden) + 1)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "graft")
    assert isinstance(loaded, GraftForSequenceClassification)
    torch.testing.assert_close(loaded(**BATCH).logits, model(**BATCH).logits)


def test_another_encoder_is_refused_and_a_moved_one_can_be_named(tmp_path):
    model = make_graft(tmp_path / "encoder")
    model.save_pretrained(tmp_path / "graft")
    expected = model(**BATCH).logits
    (tmp_path / "encoder").rename(tmp_path / "moved")
    with pytest.raises(ModelError, match="there is no encoder"):
        AutoModelForSequenceClassification.from_pretrained(tmp_path / "graft")
    loaded = AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "graft", encoder=str(tmp_path / "moved")
    )
    torch.testing.assert_close(loaded(**BATCH).logits, expected)
    save_tiny_encoder(tmp_path / "encoder", "bert", seed=1)
    with pytest.raises(ModelError, match="head was trained on"):
        AutoModelForSequenceClassification.from_pretrained(tmp_path / "graft")


def test_the_encoder_stays_frozen_and_follows_the_head(tmp_path):
    model = make_graft(tmp_path)
    encoder = model.encoder
    model.train()
    assert not encoder.training
    assert not any("encoder" in name for name, _ in model.named_parameters())
    model(**BATCH, labels=torch.tensor([0, 1])).loss.backward()
    assert all(parameter.grad is None for parameter in encoder.parameters())
    assert model.layers[0].weight.grad is not None
    model.to(torch.float64)
    assert next(encoder.parameters()).dtype == torch.float64
    assert model(**BATCH).logits.dtype == torch.float64


def test_in_a_pipeline(tmp_path):
    model = make_graft(tmp_path / "encoder")
    model.config.id2label = {0: "sport", 1: "food", 2: "space"}
    model.save_pretrained(tmp_path / "graft")
    load_encoder(resolve_encoder(tmp_path / "encoder"))[1].save_pretrained(tmp_path / "graft")
    classify = pipeline(
        "text-classification",
        model=AutoModelForSequenceClassification.from_pretrained(tmp_path / "graft"),
        tokenizer=AutoTokenizer.from_pretrained(tmp_path / "graft"),
        top_k=None,
    )
    together = classify(["the goal of the team", "bread"], batch_size=2)
    (alone,) = classify(["bread"])
    assert {row["label"] for row in alone} == {"sport", "food", "space"}
    for first, second in zip(together[1], alone, strict=True):
        assert first["label"] == second["label"]
        assert first["score"] == pytest.approx(second["score"], abs=1e-5)


def test_a_misspelt_pooling_is_an_option_error():
    with pytest.raises(OptionError, match="Did you mean 'mean'"):
        GraftConfig(pooling="maen")
