"""The equations compute what the fused layers compute."""

import pytest
import torch
from torch import nn

from textgraft.models.recurrent.cells import LSTMState, Weights, gru_step, lstm_step, rnn_step

STEPS, BATCH, INPUT, HIDDEN = 100, 4, 12, 16


@pytest.fixture
def inputs() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(STEPS, BATCH, INPUT)


def assert_same(states: list[torch.Tensor], fused: torch.Tensor) -> None:
    assert (torch.stack(states) - fused).abs().max() < 1e-6


def test_rnn_agrees_with_torch_over_100_steps(inputs):
    layer = nn.RNN(INPUT, HIDDEN)
    weights, h, states = Weights.of(layer), torch.zeros(BATCH, HIDDEN), []
    for x in inputs:
        h = rnn_step(x, h, weights)
        states.append(h)
    assert_same(states, layer(inputs)[0])


def test_lstm_agrees_with_torch_over_100_steps(inputs):
    layer = nn.LSTM(INPUT, HIDDEN)
    zeros = torch.zeros(BATCH, HIDDEN)
    weights, state, states = Weights.of(layer), LSTMState(zeros, zeros), []
    for x in inputs:
        state = lstm_step(x, state, weights)
        states.append(state.h)
    fused, (_, last_cell) = layer(inputs)
    assert_same(states, fused)
    assert (state.c - last_cell[0]).abs().max() < 1e-6


def test_gru_agrees_with_torch_over_100_steps(inputs):
    layer = nn.GRU(INPUT, HIDDEN)
    weights, h, states = Weights.of(layer), torch.zeros(BATCH, HIDDEN), []
    for x in inputs:
        h = gru_step(x, h, weights).h
        states.append(h)
    assert_same(states, layer(inputs)[0])


def test_gradients_agree_with_torch(inputs):
    layer = nn.LSTM(INPUT, HIDDEN)
    zeros = torch.zeros(BATCH, HIDDEN)
    state = LSTMState(zeros, zeros)
    for x in inputs[:20]:
        state = lstm_step(x, state, Weights.of(layer))
    by_equations = torch.autograd.grad(state.h.sum(), list(layer.parameters()))
    fused = torch.autograd.grad(layer(inputs[:20])[0][-1].sum(), list(layer.parameters()))
    for ours, theirs in zip(by_equations, fused, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_an_open_forget_gate_keeps_the_cell_state():
    layer = nn.LSTM(INPUT, HIDDEN)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.bias_ih_l0[:HIDDEN] = -100.0
        layer.bias_ih_l0[HIDDEN : 2 * HIDDEN] = 100.0
    memory = torch.randn(BATCH, HIDDEN)
    state = LSTMState(torch.zeros(BATCH, HIDDEN), memory)
    for _ in range(STEPS):
        state = lstm_step(torch.randn(BATCH, INPUT), state, Weights.of(layer))
    assert torch.equal(state.c, memory)
    assert torch.all(state.f == 1)
    assert torch.all(state.i == 0)
