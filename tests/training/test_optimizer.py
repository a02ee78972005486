"""Learning rates by layer, and layers that join one by one."""

from itertools import pairwise

import pytest
import torch

from tests.training.helpers import TASK, make_model, make_rows
from textgraft.models.recurrent.encoder import RecurrentConfig, RecurrentForSequenceClassification
from textgraft.training.loop import fit
from textgraft.training.optimizer import build_optimizer, depths, set_rate
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows


def recurrent() -> RecurrentForSequenceClassification:
    torch.manual_seed(0)
    config = RecurrentConfig(vocab_size=40, embedding_size=8, hidden_size=8, num_layers=2, num_labels=3)
    return RecurrentForSequenceClassification(config)


@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "distilbert"])
def test_the_head_is_highest_and_the_embeddings_are_lowest(family):
    model = make_model(family, layers=3)
    for name, depth in depths(model).items():
        layer = next((int(part) for part in name.split(".") if part.isdigit()), None)
        if "embeddings" in name:
            assert depth == 4, name
        elif layer is not None and name.startswith(model.base_model_prefix):
            assert depth == 3 - layer, name
        else:
            assert depth == 0, name


def test_recurrent_layers_are_told_apart():
    found = depths(recurrent())
    assert found["recurrent.embedding.weight"] == 3
    assert found["recurrent.layers.0.rightward.weight_ih_l0"] == 2
    assert found["recurrent.layers.1.leftward.bias_hh_l0"] == 1
    assert found["recurrent.pooling.context.weight"] == found["classifier.weight"] == 0


def rates(model, optimizer) -> dict[str, float]:
    groups = {id(parameter): group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    return {name: groups[id(parameter)] for name, parameter in model.named_parameters()}


def test_every_layer_has_a_share_of_the_rate_of_the_one_above():
    model = recurrent()
    wanted = TrainingSettings(learning_rate=1.0, head_learning_rate=2.0, layer_decay=0.5)
    found = rates(model, build_optimizer(model, wanted))
    assert found["classifier.weight"] == 2.0
    assert found["recurrent.pooling.context.weight"] == 1.0
    assert found["recurrent.layers.1.rightward.weight_hh_l0"] == 0.5
    assert found["recurrent.layers.0.rightward.bias_ih_l0"] == 0.25
    assert found["recurrent.embedding.weight"] == 0.125
    assert len(build_optimizer(model, TrainingSettings()).param_groups) == 4


def test_layers_join_from_the_head_down():
    model = recurrent()
    optimizer = build_optimizer(model, TrainingSettings(learning_rate=1.0, gradual_unfreezing=True))
    joined = []
    for epoch in range(4):
        set_rate(optimizer, 0.5, epoch)
        joined.append({name for name, rate in rates(model, optimizer).items() if rate == 0.5})
    assert joined[0] == {name for name, depth in depths(model).items() if depth == 0}
    assert all(lower < higher for lower, higher in pairwise(joined))
    assert joined[3] == {name for name, _ in model.named_parameters()}


def test_what_has_not_joined_stays_as_it_was():
    model = recurrent()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    rows = TaskRows(TASK, make_rows(40), make_rows(10, seed=1), pad_token_id=0)
    wanted = TrainingSettings(learning_rate=1e-2, epochs=1, batch_size=8, gradual_unfreezing=True)
    fit(model, rows, wanted)
    for name, depth in depths(model).items():
        assert torch.equal(model.state_dict()[name], before[name]) == (depth > 0), name
