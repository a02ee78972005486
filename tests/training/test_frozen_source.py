"""A decoder trained on states of its sources that were computed once is that of training on the sources."""

from __future__ import annotations

import copy

import pytest
import torch

from tests.tiny import save_tiny_bert
from textgraft.models.encoders import resolve_encoder
from textgraft.models.generation.encoder_decoder import bert_to_bert
from textgraft.tasks.generation.text2text import TextToText
from textgraft.training import frozen_source
from textgraft.training.frozen_source import fit_decoder
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows
from textgraft.training.text_arrays import TextArrays, TextStores
from textgraft.training.text_states import untrained

SETTINGS = TrainingSettings(learning_rate=1e-2, epochs=2, batch_size=4, precision="fp32", patience=None)


def rows(count):
    generator = torch.Generator().manual_seed(0)
    made = torch.randint(5, 30, (count, 6), generator=generator).tolist()
    return [
        {
            "input_ids": [2, *ids[: 2 + row % 5], 3],
            "labels": [*ids[:2], 3],
            "row": row,
            "gold": [""],
            "lost": 0,
        }
        for row, ids in enumerate(made)
    ]


OBJECTIVE = TaskRows(TextToText(), rows(16), rows(6), pad_token_id=0)


@pytest.fixture(scope="module", params=[False, True], ids=["writes", "copies"])
def model(request, tmp_path_factory):
    torch.manual_seed(0)
    source = resolve_encoder(save_tiny_bert(tmp_path_factory.mktemp("bert") / "bert"))
    model, _ = bert_to_bert(source, copies=request.param)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def test_it_is_the_decoder_of_training_with_a_frozen_encoder(model):
    plain, cached = copy.deepcopy(model), copy.deepcopy(model)
    with untrained([plain.encoder]):
        expected = fit(plain, OBJECTIVE, SETTINGS)
    sources = []
    cached.encoder.register_forward_hook(lambda _, args, outputs: sources.append(len(outputs[0])))
    stores = TextStores()
    found = fit_decoder(cached, OBJECTIVE, SETTINGS, stores=stores)
    assert found.history[-1]["dev_loss"] == pytest.approx(expected.history[-1]["dev_loss"], abs=1e-4)
    before = model.state_dict()
    for name, tensor in plain.state_dict().items():
        if name.endswith("key.bias"):  # softmax does not see it: its gradient is rounding alone
            continue
        torch.testing.assert_close(cached.state_dict()[name], tensor, atol=1e-4, rtol=1e-3, msg=name)
        assert torch.equal(tensor, before[name]) or not name.startswith("encoder.")
    assert any(not torch.equal(tensor, before[name]) for name, tensor in plain.state_dict().items())
    once = len(sources)
    fit_decoder(copy.deepcopy(cached), OBJECTIVE, SETTINGS, stores=stores)
    assert len(sources) == once, "what was computed is kept for others"
    assert all(parameter.requires_grad for parameter in cached.encoder.parameters())


def test_without_room_the_encoder_is_run_again_and_stays(model, caplog):
    own = copy.deepcopy(model)
    fit_decoder(own, OBJECTIVE, SETTINGS, max_bytes=10)
    assert "computed in every epoch" in caplog.text
    for name, tensor in model.encoder.state_dict().items():
        assert torch.equal(own.encoder.state_dict()[name], tensor)


@pytest.mark.parametrize("rate", [0.0, 0.1, 100.0])
def test_computing_the_states_takes_its_part_of_the_time(model, rate, monkeypatch):
    given = []
    monkeypatch.setattr(TextArrays, "_rate", lambda _: rate)
    monkeypatch.setattr(frozen_source, "fit", lambda model, objective, settings, **_: given.append(settings))
    stores = TextStores()
    fit_decoder(copy.deepcopy(model), OBJECTIVE, SETTINGS.but(max_seconds=100.0), stores=stores)
    assert given[0].max_seconds == pytest.approx(max(25.0, 100.0 - stores.charged))
    assert (stores.charged > 0) == (rate > 0)
