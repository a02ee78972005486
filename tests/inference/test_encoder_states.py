"""Hidden states for training, computed on an engine as torch computes them."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from tests.training.helpers import make_bert, make_model
from textgraft.inference import encoder_states
from textgraft.inference.encoder_states import open_states
from textgraft.models.graft.encoder_layers import lower_modules, only_layers
from textgraft.training.text_arrays import TextStores
from textgraft.training.text_states import Frozen, state_key, text_states

TEXTS = [{"input_ids": [3, *range(5, 5 + length), 4]} for length in (1, 9, 4, 9, 2)]


def states(encoder, layers, engine, stores=None):
    frozen = Frozen(encoder, [encoder], lambda: only_layers(encoder, 0, layers), layers, engine)
    found = text_states(frozen, TEXTS, "fp32", 0, TextStores() if stores is None else stores, 10**9)
    assert found is not None
    return found


def test_lower_layers_on_the_engine_give_what_torch_gives():
    encoder = make_bert().base_model
    opened = []

    def opens(*given):
        opened.append(open_states(*given))
        return opened[-1]

    stores = TextStores()
    here, there = states(encoder, 1, None), states(encoder, 1, opens, stores)
    whole = states(encoder, 2, None)
    assert opened[0] is not None
    for text in TEXTS:
        key = state_key(text)
        torch.testing.assert_close(there.get(key), here.get(key), atol=1e-5, rtol=1e-4)
        assert abs(there.get(key) - whole.get(key)).max() > 1e-2, "one layer, not two"
    assert states(encoder, 1, opens, stores) is there
    assert len(opened) == 1, "once for all trials"


@pytest.mark.parametrize("family", ["distilbert", "mpnet"])
def test_what_is_not_drawn_is_left_to_torch(family):
    assert open_states(make_model(family).base_model, 1, "fp32") is None


def test_torch_computes_where_the_engine_does_not_agree(monkeypatch):
    def refuse(*given, **options):
        raise encoder_states.CannotRunError("not even fp32 agrees")

    monkeypatch.setattr(encoder_states, "open_engine", refuse)
    encoder = make_bert().base_model
    here, there = states(encoder, 1, None), states(encoder, 1, open_states)
    for text in TEXTS:
        torch.testing.assert_close(there.get(state_key(text)), here.get(state_key(text)))


@pytest.mark.parametrize("family", ["bert", "mpnet"])
def test_a_later_model_has_its_own_lower_layers_run(family):
    """Where no engine is opened, the first model was kept and run whole, trained layers and all."""
    first = make_model(family).base_model
    second, stores = copy.deepcopy(first), TextStores()
    engine = open_states if family == "mpnet" else None
    expected = {state_key(text): states(second, 1, None).get(state_key(text)) for text in TEXTS}

    def fill(encoder, texts):
        frozen = Frozen(encoder, lower_modules(encoder, 1), lambda: only_layers(encoder, 0, 1), 1, engine)
        return text_states(frozen, texts, "fp32", 0, stores, 10**9)

    fill(first, TEXTS[:1])
    with torch.no_grad():
        for parameter in first.encoder.layer[1].parameters():
            parameter.add_(1.0)
    found = fill(second, TEXTS)
    assert len(stores) == 1
    for key, wanted in expected.items():
        np.testing.assert_allclose(found.get(key), wanted, atol=1e-5)
