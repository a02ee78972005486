"""Unrolled networks compute what fused ones do, and gradients pass through every step."""

import pytest
import torch

from textgraft.inspection.subject import open_subject
from textgraft.inspection.unrolled import unrolled

TEXT = "the coach was very old and the goal was new"


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_copy_answers_as_the_model_does(cell, recurrent):
    subject = open_subject(recurrent(cell))
    inputs = subject.inputs(TEXT)
    copied, layers = unrolled(subject.model)
    with torch.inference_mode():
        torch.testing.assert_close(
            copied(**inputs).logits.float(), subject.model(**inputs).logits, atol=1e-5, rtol=1e-5
        )
    assert list(layers) == [(depth, way) for depth in (1, 2) for way in ("rightward", "leftward")]
    assert all(len(layer.steps) == inputs["input_ids"].shape[1] for layer in layers.values())
    assert next(subject.model.parameters()).dtype == torch.float32
