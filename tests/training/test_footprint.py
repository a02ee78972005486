"""What a training is planned to take is what it takes."""

from __future__ import annotations

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from tests.training.helpers import LABELS, TASK, VOCABULARY, make_rows
from textgraft.models.recurrent.encoder import RecurrentConfig, RecurrentForSequenceClassification
from textgraft.training.footprint import Footprint, rehearse
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows

SETTINGS = TrainingSettings(epochs=2, batch_size=16, precision="fp32", patience=None)


def _bert():
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=VOCABULARY, hidden_size=64, num_hidden_layers=3, num_attention_heads=2,
        intermediate_size=256, max_position_embeddings=64, pad_token_id=0, num_labels=len(LABELS),
    )  # fmt: skip
    return BertForSequenceClassification(config)


def _lstm():
    torch.manual_seed(0)
    return RecurrentForSequenceClassification(
        RecurrentConfig(
            vocab_size=VOCABULARY, embedding_size=64, hidden_size=128, id2label=dict(enumerate(LABELS))
        )
    )


def _rows():
    return TaskRows(TASK, make_rows(160), make_rows(8, seed=1), pad_token_id=0)


def _used(model) -> int:
    """Return by how many bytes a training raises what torch's allocator has out, as its profiler saw it.

    What was allocated before and is freed on the way, as the weights the model came with, does not count.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        fit(model, _rows(), SETTINGS)
    events = list(seen.profiler.kineto_results.experimental_event_tree())
    found = []
    while events:
        event = events.pop()
        events += event.children
        if event.tag.name == "Allocation":
            found.append((event.start_time_ns, event.extra_fields.ptr, event.extra_fields.alloc_size))
    out: dict[int, int] = {}
    alive = peak = 0
    for _, place, size in sorted(found):
        if size > 0:
            out[place] = size
        alive += size if size > 0 else -out.pop(place, 0)
        peak = max(peak, alive)
    return peak


@pytest.mark.parametrize("make", [_bert, _lstm])
def test_the_planned_memory_is_what_the_allocator_gives(make):
    model = make()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    planned = rehearse(model, _rows(), SETTINGS, 0.0)
    assert torch.equal(torch.rand(2), expected), "random numbers elsewhere are as if nothing had been"
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())
    assert all(parameter.grad is None for parameter in model.parameters())
    parameters = sum(parameter.nbytes for parameter in model.parameters())
    assert planned.gradients == pytest.approx(parameters, rel=0.01)
    assert planned.optimizer == pytest.approx(2 * parameters, rel=0.01)
    # Training copies the weights, and so has all that is planned from torch.
    assert planned.peak == pytest.approx(_used(model), rel=0.1)


def test_activations_grow_with_the_batch():
    large, small = (
        rehearse(_bert(), _rows(), SETTINGS.but(batch_size=size), 0.0).batches[0] for size in (16, 4)
    )
    assert (large.rows, small.rows) == (16, 4)
    assert large.bytes / (large.rows * large.tokens) == pytest.approx(
        small.bytes / (small.rows * small.tokens), rel=0.2
    )


def test_figures_are_told_in_words():
    shown = Footprint(
        processes=2, precision="bf16", weights=200_000_000, gradients=50_000_000, optimizer=100_000_000,
        batches=(), step=123_456_789, tokens_per_second=1000.0, epoch_tokens=60_000, epoch_steps=30,
        evaluation_tokens=4000, evaluations_per_epoch=2,
    )  # fmt: skip
    assert shown.peak == 423_456_789
    assert shown.epoch_seconds == 60
    assert shown.evaluation_seconds == 8
    lines = dict([*shown.memory_lines(), *shown.time_lines()])
    assert lines["gradients"] == "50.0 MB"
    assert lines["memory"] == "423 MB of tensors at most, each of 2 processes, bf16"
    assert lines["an epoch"].startswith("1 min 00 s for 60,000 tokens in 30 steps")
