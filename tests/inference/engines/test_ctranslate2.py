"""CTranslate2 gives what torch gives, is picked where it gains alone, and never reads beyond its arrays."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
import transformers

from tests.inference.test_runner import BATCH, CHOICES, SINGLE, scattered
from tests.tiny_encoders import save_tiny_encoder
from textgraft.errors import ModelError
from textgraft.files import cache_folder
from textgraft.inference.encode import Encoder
from textgraft.inference.engines import agreement
from textgraft.inference.engines import open as engines
from textgraft.inference.runner import Runner
from textgraft.models.encoders import resolve_encoder

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ctranslate2") is None, reason="the extra 'ctranslate2' is not installed"
)
TEXTS = ["a the of", "in", "and to a the in of for on that"]


@pytest.fixture
def avx2(monkeypatch):
    """A processor without bf16 and without int8 dot products, and no GPU."""
    monkeypatch.setattr("textgraft.training.precision._has_native_bf16", lambda device: False)
    monkeypatch.setattr(engines, "processor_has", lambda precision: precision == "fp32")
    monkeypatch.setattr(engines.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(engines, "_gpu_present", lambda: False)


def make_bert(seed=0, **change):
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        max_position_embeddings=32, num_labels=3, **change,
    )  # fmt: skip
    torch.manual_seed(seed)
    return scattered(transformers.BertForTokenClassification(config), seed)


def outputs(model, runner, batch):
    with torch.inference_mode():
        found, expected = runner.open().module(**batch)["logits"], model(**batch)["logits"]
    true = batch["attention_mask"].bool()
    return found[true], expected[true]


def in_fp32(model):
    runner = Runner(model, "ctranslate2", keep=False)
    runner._precision = "fp32"
    return runner


@pytest.mark.parametrize(
    "change", [{}, {"hidden_act": "gelu_new"}, {"hidden_act": "relu"}, {"layer_norm_eps": 0.1}]
)
def test_in_fp32_it_is_torch_to_the_last_digits_with_types_and_padding(change):
    model = make_bert(**change)
    torch.testing.assert_close(*outputs(model, in_fp32(model), BATCH), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("family", ["bert", "camembert", "roberta", "xlm-roberta"])
def test_the_kin_of_bert_run_on_it(tmp_path, family):
    save_tiny_encoder(tmp_path, family)
    model = transformers.AutoModelForTokenClassification.from_pretrained(tmp_path, num_labels=3)
    torch.testing.assert_close(*outputs(scattered(model), in_fp32(model), SINGLE), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(("pooling", "normalize"), [("mean", True), ("cls", False), ("max", True)])
def test_encodings_are_pooled_as_torch_does(tmp_path, pooling, normalize):
    source = resolve_encoder(save_tiny_encoder(tmp_path, "bert"))
    ours, theirs = (
        Encoder(
            source, engine=engine, precision="fp32", pooling=pooling, normalize=normalize, threads=threads
        )
        for engine, threads in (("ctranslate2", 3), ("torch", None))
    )
    np.testing.assert_allclose(ours.encode(TEXTS * 40), theirs.encode(TEXTS * 40), atol=2e-5)
    assert ours.encode(TEXTS).dtype == np.float32


def test_int8_is_near_without_calibration_and_the_same_in_any_batch(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTGRAFT_CACHE", str(tmp_path / "cache"))
    source = resolve_encoder(save_tiny_encoder(tmp_path / "encoder", "bert"))
    encoder = Encoder(source, engine="ctranslate2", threads=1)
    assert encoder.open().precision == "int8"
    found = encoder.encode(TEXTS)
    exact = Encoder(source, engine="torch", precision="fp32").encode(TEXTS)
    assert 0.99 < (found * exact).sum(axis=1).min() < 1 - 1e-6
    np.testing.assert_allclose(np.concatenate([encoder.encode([text]) for text in TEXTS]), found, atol=1e-6)
    (model,) = cache_folder().glob(f"engines/{'*'}-ctranslate2-*/int8*/model.bin")
    size = model.stat().st_size
    model.write_bytes(b"damaged")
    np.testing.assert_array_equal(Encoder(source, engine="ctranslate2", threads=1).encode(TEXTS), found)
    assert model.stat().st_size == size


def test_what_it_would_read_beyond_its_arrays_for_is_refused():
    engine = in_fp32(make_bert()).open().module.base_model.engine
    ids = BATCH["input_ids"].numpy()
    batch = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    engine.run(batch)
    for wrong, message in (
        (batch | {"input_ids": ids + 18}, "the encoder knows 20"),
        (batch | {"input_ids": ids - 5}, "the encoder knows 20"),
        (batch | {"token_type_ids": np.full_like(ids, 2)}, "the encoder knows 2"),
        (batch | {"attention_mask": np.ones((2, 3), np.int64)}, "differ in shape"),
        ({name: np.tile(array, 5) for name, array in batch.items()}, "places for 32"),
    ):
        with pytest.raises(ValueError, match=message):
            engine.run(wrong)


def test_a_row_of_padding_alone_disturbs_no_other():
    model = make_bert()
    batch = {name: tensor.clone() for name, tensor in SINGLE.items()}
    batch["attention_mask"][1] = 0
    torch.testing.assert_close(*outputs(model, in_fp32(model), batch), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("has", "wanted", "expected"),
    [
        ({"fp32"}, "auto", "ctranslate2"),
        ({"fp32"}, "int8", "ctranslate2"),
        ({"fp32"}, "fp32", "openvino"),
        ({"fp32"}, "bf16", "openvino"),
        ({"fp32", "int8"}, "auto", "ctranslate2"),
        ({"fp32", "int8"}, "int8", "openvino"),
        ({"fp32", "bf16", "int8"}, "auto", "openvino"),
    ],
)
def test_it_is_picked_where_others_would_compute_in_fp32(avx2, monkeypatch, has, wanted, expected):
    monkeypatch.setattr(engines, "processor_has", has.__contains__)
    monkeypatch.setattr(engines, "_installed", lambda package: True)
    assert engines.first_choice("auto", wanted) == expected
    monkeypatch.setattr(engines.platform, "machine", lambda: "aarch64")
    assert engines.first_choice("auto", wanted) == "openvino", "not measured there"


def test_only_who_allows_it_gets_int8_and_where_it_drifts_the_next_engine_runs(avx2, monkeypatch):
    model = make_bert()
    assert Runner(model, keep=False).precision == "fp32"
    runner = Runner(model, keep=False, int8=True)
    assert (runner.engine, runner.precision) == ("ctranslate2", "int8")
    assert runner.note == "ctranslate2, int8"
    monkeypatch.setitem(agreement.LEAST_AGREEMENT, "int8", 1.1)
    runner = Runner(model, keep=False, int8=True)
    assert runner.precision == "fp32"
    assert "int8 differs from the reference" in runner.note
    with pytest.raises(ModelError, match="not those of torch"):
        Runner(model, "ctranslate2", keep=False).open()


def test_an_architecture_that_it_does_not_know_runs_elsewhere(avx2, tmp_path):
    save_tiny_encoder(tmp_path, "distilbert")
    model = transformers.AutoModelForTokenClassification.from_pretrained(tmp_path, num_labels=3).eval()
    runner = Runner(model, keep=False, int8=True)
    assert runner.engine != "ctranslate2"
    assert "ctranslate2 cannot run this model: its architecture is not known" in runner.note


def test_choices_run_on_it():
    torch.manual_seed(0)
    model = transformers.BertForMultipleChoice(make_bert().config).eval()
    with torch.inference_mode():
        found, expected = in_fp32(model).open().module(**CHOICES)["logits"], model(**CHOICES)["logits"]
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)
