"""Weights stored in int8: what is read back is near to what was stored, and what is damaged is refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from transformers import AutoModelForCausalLM

import textgraft.models.auto  # noqa: F401  registers the architecture
from textgraft.errors import ModelError
from textgraft.models.int8 import as_int8, store_int8
from textgraft.models.loading import load_model, load_with_report
from textgraft.models.recurrent.encoder import RecurrentConfig
from textgraft.models.recurrent.language_model import RecurrentForCausalLM
from textgraft.models.vetting import INT8_WEIGHTS, WEIGHTS, vet

KIND = "AutoModelForCausalLM"


@pytest.fixture
def model() -> RecurrentForCausalLM:
    torch.manual_seed(0)
    config = RecurrentConfig(
        vocab_size=40, embedding_size=16, hidden_size=24, num_layers=2, bidirectional=False, pad_token_id=0
    )
    return RecurrentForCausalLM(config).eval()


@pytest.fixture
def folder(model, tmp_path: Path) -> Path:
    model.generation_config.max_new_tokens = 7
    model.save_pretrained(tmp_path)
    store_int8(tmp_path)
    return tmp_path


def test_a_number_is_off_by_half_a_step_at_most():
    matrix = np.random.default_rng(0).normal(size=(5, 300)).astype(np.float32)
    matrix[3] = 0
    whole, scale = as_int8(matrix)
    assert (whole.dtype, scale.dtype, scale.shape) == (np.int8, np.float32, (5,))
    step = np.abs(matrix).max(axis=1) / 127
    assert (np.abs(whole * scale[:, None] - matrix).max(axis=1) <= 0.5001 * step).all()


def test_the_model_says_nearly_the_same_and_computes_in_32_bits(model, folder):
    read = load_model(KIND, folder)
    assert not (folder / WEIGHTS).exists()
    assert {parameter.dtype for parameter in read.parameters()} == {torch.float32}
    assert read.lm_head.weight is read.recurrent.embedding.weight
    assert read.generation_config.max_new_tokens == 7
    assert not read.training
    ids = torch.arange(1, 40).view(3, 13)
    with torch.no_grad():
        wanted, found = (each(input_ids=ids).logits for each in (model, read))
    assert torch.allclose(found, wanted, atol=0.05)
    assert not torch.equal(found, wanted)
    stored = (folder / INT8_WEIGHTS).stat().st_size
    assert stored < 0.5 * 4 * sum(parameter.numel() for parameter in model.parameters())


def test_loading_leaves_the_state_of_chance_as_it_was(folder):
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    load_model(KIND, folder)
    assert torch.equal(torch.rand(1), expected)


def test_a_reader_that_knows_nothing_of_it_finds_no_weights(folder):
    with pytest.raises(OSError, match="no file named"):
        AutoModelForCausalLM.from_pretrained(folder)


@pytest.mark.parametrize("damage", ["no scale", "short scale", "wide", "not finite"])
def test_a_matrix_without_its_scale_is_refused(folder, damage):
    file = folder / INT8_WEIGHTS
    tensors = load_file(file)
    name = "projection.weight.scale"
    scale = tensors.pop(name)
    changed = {"short scale": scale[:-1], "wide": scale.astype(np.float64), "not finite": scale * np.inf}
    if damage != "no scale":
        tensors[name] = changed[damage]
    save_file(tensors, file)
    with pytest.raises(ModelError, match="scale"):
        load_model(KIND, folder)


def test_what_is_missing_is_told_and_what_is_damaged_refused(folder):
    file = folder / INT8_WEIGHTS
    tensors = load_file(file)
    of_base = next(name for name in tensors if "weight_hh" in name).rpartition(".")[0]
    for name in ("projection.bias", of_base + ".int8", of_base + ".scale"):
        tensors.pop(name, None)
    save_file(tensors, file)
    assert load_with_report(KIND, folder)[1].missing == sorted(["projection.bias", of_base])
    with pytest.raises(ModelError, match=f"{re.escape(of_base)} is missing"):
        load_model(KIND, folder)
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(ModelError, match="damaged"):
        vet(folder)
