"""Synthetic tasks ask what they say; networks learn them, and gradients fade as they must."""

import numpy as np
import pytest
import torch
from torch import nn

from textgraft.errors import OptionError
from textgraft.inspection import inspect
from textgraft.inspection.gradients.experiment import gradients_of, mean_score
from textgraft.inspection.gradients.networks import as_batch, gradient_norms, make_network
from textgraft.inspection.gradients.synthetic import ASK, TASKS


@pytest.mark.parametrize("name", TASKS)
def test_what_is_asked_stands_so_many_steps_before(name):
    task = TASKS[name]
    drawn = task.draw(50, 20, np.random.default_rng(0))
    answers = drawn.targets.shape[1]
    assert drawn.inputs.shape[1] == 20 + answers
    if name == "adding":
        numbers, marks = drawn.inputs[..., 0], drawn.inputs[..., 1]
        assert (marks[:, 0] == 1).all()
        assert (marks.sum(axis=1) == 2).all()
        np.testing.assert_allclose((numbers * marks).sum(axis=1), drawn.targets[:, 0], rtol=1e-6)
        return
    np.testing.assert_array_equal(drawn.inputs[:, :answers] - 1, drawn.targets)
    assert (drawn.inputs[:, -answers:] == ASK).all()
    assert not np.isin(drawn.inputs[:, answers:-answers], np.arange(9)).any()


def test_chance_is_what_knowing_nothing_gets():
    adding = TASKS["adding"]
    drawn = adding.draw(20_000, 5, np.random.default_rng(0))
    ones = torch.ones(*drawn.targets.shape, 1)
    assert adding.right(ones, torch.from_numpy(drawn.targets)).mean() == pytest.approx(
        adding.chance, abs=0.006
    )
    drawn = TASKS["recall"].draw(20_000, 5, np.random.default_rng(0))
    assert (drawn.targets == 3).mean() == pytest.approx(TASKS["recall"].chance, abs=0.01)


def test_a_network_is_trained_from_the_shortest_distance_on():
    found = inspect.reach("recall", cells="rnn,transformer", steps=[12, 6], budget=3, seed=1)
    assert [(stage.cell, stage.steps) for stage in found.stages] == [
        ("rnn", 6), ("rnn", 12), ("transformer", 6), ("transformer", 12),
    ]  # fmt: skip
    # An Elman RNN of orthogonal weights learns six steps in no time; by chance it would be right in one of 8.
    assert found.stages[0].accuracy.value > 0.5
    assert found.stages[0].trained_steps > 0
    assert {one.of for one in found.stages[0].after} == {"input", "hidden"}
    assert found.stages[0].before != found.stages[0].after
    page = found.page()
    assert "Elman RNN" in page.headline
    assert len(found.table()) == 4
    assert found.seed == 1


def test_gradients_fade_by_the_factor_of_the_weights():
    """A linear-enough Elman RNN whose recurrent weights halve what they carry loses half a step."""
    task = TASKS["recall"]
    model = make_network("rnn", task, 40, 0)
    layer = model.recurrent.layers[0].rightward
    with torch.no_grad():
        nn.init.orthogonal_(layer.weight_hh_l0)
        layer.weight_hh_l0.mul_(0.5)
        layer.weight_ih_l0.mul_(1e-3)
    drawn = task.draw(4, 30, np.random.default_rng(0))
    hidden = next(one for one in gradients_of(gradient_norms(model, task, drawn)) if one.of == "hidden")
    assert hidden.reach == pytest.approx(0.5, rel=1e-3)
    assert hidden.distances[-1] == 30
    assert hidden.norms[0] == 1


def test_an_open_forget_gate_is_a_highway():
    task = TASKS["recall"]
    model = make_network("lstm", task, 200, 0)
    layer = model.recurrent.layers[0].rightward
    hidden = layer.hidden_size
    with torch.no_grad():
        layer.bias_ih_l0[hidden : 2 * hidden] = 12.0
        layer.weight_hh_l0.zero_()
    norms = gradient_norms(model, task, task.draw(4, 150, np.random.default_rng(0)))
    # Without recurrent weights nothing but the cell state leads back.
    assert norms["cell"][0] / norms["cell"][-2] == pytest.approx(1, abs=0.05)
    assert sum(norms["hidden"][:-1]) == 0


def test_the_networks_share_one_form_of_batch():
    for name, task in TASKS.items():
        batch = as_batch(task.draw(3, 8, np.random.default_rng(0)))
        assert ("inputs_embeds" in batch) == (name == "adding")


def test_bad_choices_are_told_at_once():
    for options, told in (
        ({"task": "recal"}, "recall"),
        ({"cells": "lstm,grus"}, "gru"),
        ({"steps": "10,x"}, "no number of steps"),
        ({"steps": "1"}, "no number of steps"),
        ({"budget": "soon"}, "no duration"),
        ({"budget": 0}, "no time"),
    ):
        with pytest.raises(OptionError, match=told):
            inspect.reach(**options)


def test_intervals_of_accuracy_cover():
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        found = mean_score((generator.random(256) < 0.8).astype(float))
        covered += found.low <= 0.8 <= found.high
    assert 0.92 <= covered / 400 <= 0.98
