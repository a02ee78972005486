"""Recurrent models inside a user's own autocast, on every processor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.models.every_model import EVERY, RECURRENT
from tests.processors import needs_bf16
from textgraft.models.recurrent.fused import run_fused
from textgraft.processor import processor_has

NOWHERE = Path("no graft is among them")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bf16", "fp16"])
@pytest.mark.parametrize("name", RECURRENT)
def test_a_recurrent_model_computes_and_trains_under_autocast(name, dtype):
    """Hardly any CPU has an LSTM in fp16, and many have none in bf16: there torch raises."""
    architecture = EVERY[name]
    model, batch = architecture.build(NOWHERE), {**architecture.batch(), **architecture.labels()}
    exact = model(**batch)
    with torch.autocast("cpu", dtype):
        found = model(**batch)
    first, second = (outputs.loss if "loss" in outputs else outputs[0].sum() for outputs in (found, exact))
    assert first.float().item() == pytest.approx(second.item(), abs=0.05, rel=0.05)
    first.backward()
    assert all(torch.isfinite(part.grad).all() for part in model.parameters() if part.grad is not None)


def test_a_poorer_processor_serves_every_recurrent_model():
    """oneDNN reads its limit once, as it starts: so in a process of its own."""
    code = (
        "import torch\n"
        "from tests.models.every_model import EVERY, RECURRENT\n"
        "from textgraft.processor import processor_has\n"
        "assert not processor_has('bf16') and not processor_has('int8')\n"
        "for name in RECURRENT:\n"
        "    model = EVERY[name].build(None)\n"
        "    batch = {**EVERY[name].batch(), **EVERY[name].labels()}\n"
        "    for model in (model.eval(), model.train()):\n"
        "        with torch.autocast('cpu', torch.bfloat16):\n"
        "            outputs = model(**batch)\n"
        "        (outputs.loss if 'loss' in outputs else outputs[0].sum()).backward()\n"
    )
    root = Path(__file__).parents[3]
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, cwd=root, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("cell", [torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU])
def test_where_the_processor_lacks_bf16_the_layer_computes_in_fp32(cell, monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    layer, inputs = cell(8, 8, batch_first=True), torch.randn(2, 5, 8)
    exact, state = layer(inputs)
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = run_fused(layer, inputs.bfloat16().float())
        again, _ = run_fused(layer, inputs[:, :1].bfloat16(), state)
    assert found.dtype is again.dtype is torch.float32
    torch.testing.assert_close(found, exact, atol=0.02, rtol=0)


@needs_bf16
def test_where_the_processor_has_bf16_the_lstm_computes_in_it():
    layer = torch.nn.LSTM(8, 8, batch_first=True)
    with torch.autocast("cpu", torch.bfloat16):
        assert run_fused(layer, torch.randn(2, 5, 8))[0].dtype is torch.bfloat16


@pytest.mark.parametrize(
    ("limit", "bf16", "int8"),
    [("AVX2", False, False), ("avx512_core_vnni", False, True), ("AVX512_CORE_BF16", True, True)],
)
def test_the_limit_of_onednn_is_the_limit_of_the_project(limit, bf16, int8, monkeypatch):
    monkeypatch.setattr(
        "textgraft.processor._instruction_sets", lambda: frozenset({"avx2", "avx512_vnni", "avx512_bf16"})
    )
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    assert processor_has("bf16")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert (processor_has("fp32"), processor_has("bf16"), processor_has("int8")) == (True, bf16, int8)
