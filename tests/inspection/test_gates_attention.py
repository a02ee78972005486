"""Gates are those of the equations, what they keep is their product; attention is the model's own."""

import numpy as np
import pytest
import torch

from textgraft.errors import OptionError
from textgraft.inspection import inspect
from textgraft.inspection.attention import rollout
from textgraft.inspection.subject import open_subject
from textgraft.inspection.unrolled import unrolled

TEXT = "the coach was very old and the goal was new"


@pytest.mark.parametrize(("cell", "keeping"), [("lstm", "forget"), ("gru", "update")])
def test_gates_are_those_of_every_step_and_keep_their_product(cell, keeping, recurrent):
    found = inspect.gates(recurrent(cell), TEXT)
    subject = open_subject(recurrent(cell))
    copied, layers = unrolled(subject.model)
    with torch.no_grad():
        copied(**subject.inputs(TEXT))
    assert found.keeping == keeping
    for layer in found.layers:
        steps = layers[layer.layer, layer.direction].steps
        steps = steps[::-1] if layer.direction == "leftward" else steps
        (gate,) = (one for one in layer.gates if one.name == keeping)
        assert gate.mean == pytest.approx([float(step.gates[keeping].mean()) for step in steps])
        values = torch.stack([step.gates[keeping][0] for step in steps]).numpy()
        if layer.direction == "rightward":
            assert layer.kept[2][5] == pytest.approx(values[3:6].prod(axis=0).mean())
            assert layer.kept[5][2] == 0
            assert layer.at_end[-1] == 1
        else:
            assert layer.kept[5][2] == pytest.approx(values[2:5].prod(axis=0).mean())
            assert layer.at_end[0] == 1
    assert len(found.page().figures) == 2 * 4 + 1


def test_models_without_gates_are_told_who_has_them(recurrent, bert):
    with pytest.raises(OptionError, match="Elman RNN, which has no gates"):
        inspect.gates(recurrent("rnn"), TEXT)
    with pytest.raises(OptionError, match="gates are in LSTMs and GRUs; this is a bert"):
        inspect.gates(bert, TEXT)


def test_attention_of_every_head(bert):
    found = inspect.attention(bert, TEXT)
    assert [one.name for one in found.maps] == [
        "rollout", "layer 1, mean", "layer 2, mean",
        "layer 1, head 1", "layer 1, head 2", "layer 2, head 1", "layer 2, head 2",
    ]  # fmt: skip
    for one in found.maps:
        assert np.sum(one.weights, axis=1) == pytest.approx(1, abs=2e-3)
    by = {one.name: np.array(one.weights) for one in found.maps}
    np.testing.assert_allclose(
        by["layer 1, mean"], (by["layer 1, head 1"] + by["layer 1, head 2"]) / 2, atol=1e-4
    )
    assert found.tokens[1:3] == ["the", "coach"]


def test_rollout_follows_a_path_through_the_layers():
    """Token 2 looks at 1 in the upper layer, which looks at 0 in the lower one."""
    lower, upper = torch.eye(3), torch.eye(3)
    lower[1], upper[2] = torch.tensor([1.0, 0, 0]), torch.tensor([0, 1.0, 0])
    found = rollout(torch.stack([lower, upper])[:, None].double())
    assert found[2].tolist() == pytest.approx([0.25, 0.25, 0.5])


def test_attention_pooling_and_none(recurrent, topic_model):
    found = inspect.attention(recurrent("lstm"), TEXT)
    assert found.kind == "pooling"
    assert sum(found.maps[0].weights[0]) == pytest.approx(1, abs=1e-3)
    with pytest.raises(OptionError, match="no attention"):
        inspect.attention(topic_model, TEXT)


def test_long_texts_are_cut_where_maps_cannot_be_read(bert):
    assert len(inspect.attention(bert, TEXT * 5, max_length=12).tokens) == 12
