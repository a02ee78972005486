"""What a GPU would do, as far as a processor can tell: whatever a model makes lies where its inputs lie."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.models.every_model import EVERY

MOVED = ("graft extraction",)
"""Sentences are cut on the processor and moved then."""


@pytest.mark.parametrize("name", [name for name in EVERY if name not in MOVED])
def test_what_a_model_makes_lies_where_its_inputs_lie(name: str, tmp_path: Path) -> None:
    """A tensor that is made without saying where is on no device here, and cannot meet the inputs."""
    architecture = EVERY[name]
    model = architecture.build(tmp_path).eval()
    batch = {**architecture.batch(), **architecture.labels()}

    def score() -> torch.Tensor:
        outputs = model(**batch)
        return outputs.loss if "loss" in outputs else outputs[0].sum()

    expected = score()
    with torch.device("meta"):
        found = score()
        if found.requires_grad:
            found.backward()
    assert found.device.type == "cpu"
    assert found.item() == expected.item()
    assert all(weight.grad is None or weight.grad.device.type == "cpu" for weight in model.parameters())
