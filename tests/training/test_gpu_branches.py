"""The branches that only a GPU takes, walked with torch's CUDA functions replaced."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tests.training.helpers import TASK, make_model, make_rows
from textgraft.inference.engines import open as engines
from textgraft.models.recurrent.fused import run_fused
from textgraft.training import gradient, processes
from textgraft.training.allocations import allocations
from textgraft.training.placement import placed
from textgraft.training.precision import autocast, resolve_precision
from textgraft.training.unpadded import UnpaddedAttention

CUDA, META = torch.device("cuda"), torch.device("meta")


@pytest.mark.parametrize("grad", [True, False])
def test_attention_leaves_padding_out_in_training_and_after(grad, monkeypatch):
    asked = []
    attention = UnpaddedAttention._attention
    monkeypatch.setattr(
        UnpaddedAttention, "_attention", lambda *args, **more: asked.append(1) or attention(*args, **more)
    )
    model = make_model("bert", layers=2).eval()
    batch = TASK.collate(make_rows(4), 0)
    with torch.set_grad_enabled(grad):
        expected = model(**batch).logits
        with autocast("fp32", CUDA):
            found = model(**batch).logits
    assert len(asked) == 2
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("has", "precision"), [(True, "bf16"), (False, "fp32")])
def test_bf16_is_taken_where_a_gpu_has_it_itself(has, precision, monkeypatch, caplog):
    """Emulated, it is slower than fp32."""
    monkeypatch.setattr(
        "torch.cuda.is_bf16_supported", lambda including_emulation: has or including_emulation
    )
    assert resolve_precision("auto", CUDA) == precision
    assert not caplog.messages
    assert resolve_precision("bf16", CUDA) == precision
    assert len(caplog.messages) == (not has)
    assert resolve_precision("fp32", CUDA) == "fp32"


@pytest.mark.parametrize("cell", [nn.RNN, nn.LSTM, nn.GRU])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_elsewhere_the_fused_layer_follows_autocast(cell, dtype, monkeypatch):
    """Whatever the processor has: it does not compute."""
    monkeypatch.setattr("textgraft.models.recurrent.fused.processor_has", lambda _: pytest.fail("asked"))
    layer = cell(4, 5, batch_first=True, bidirectional=True, device=META)
    with torch.autocast("cpu", dtype):
        states, last = run_fused(layer, torch.empty(2, 7, 4, device=META))
    assert (states.device, states.shape) == (META, (2, 7, 10))
    assert all(part.shape == (2, 2, 5) for part in (last if isinstance(last, tuple) else (last,)))


def test_memory_is_counted_by_cudas_allocator(monkeypatch):
    held = {"now": 100, "most": 100}
    monkeypatch.setattr("torch.cuda.reset_peak_memory_stats", lambda _: held.update(most=held["now"]))
    monkeypatch.setattr("torch.cuda.memory_allocated", lambda _: held["now"])
    monkeypatch.setattr("torch.cuda.max_memory_allocated", lambda _: held["most"])
    held["most"] = 900
    with allocations(CUDA, ()) as gauge:
        assert (gauge.current, gauge.peak) == (0, 0)
        held.update(now=130, most=180)
        assert (gauge.current, gauge.peak) == (30, 80)


def test_batches_are_moved_and_generators_seeded_where_the_model_is(monkeypatch):
    batch = placed({"input_ids": torch.ones(2, 3, dtype=torch.long), "vectors": torch.ones(2, 4)}, META)
    assert {tensor.device for tensor in batch.values()} == {META}
    seeds = []
    monkeypatch.setattr("torch.manual_seed", seeds.append)
    gradient._seed(7, CUDA)
    assert seeds == [7]


def test_each_process_averages_gradients_on_its_own_gpu(monkeypatch):
    given = []
    monkeypatch.setattr(
        nn.parallel, "DistributedDataParallel", lambda _, devices, **__: given.append(devices)
    )
    model = nn.Linear(2, 2)
    for device in (torch.device("cuda", 1), torch.device("cpu")):
        processes.replicate(model, SimpleNamespace(num_processes=2, device=device))
    assert given == [[torch.device("cuda", 1)], None]
    assert processes.replicate(model, SimpleNamespace(num_processes=1, device=CUDA)) is model


def test_a_gpu_is_looked_for_where_its_driver_is(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr(engines, "Path", lambda _: tmp_path / "nvidia")
    assert not engines._gpu_present()
    (tmp_path / "nvidia").mkdir()
    assert engines._gpu_present()
