"""The gradient of a step is that of all its examples in one batch, whatever its batches are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.comparison.test_every_task import MAKERS
from tests.tiny import save_tiny_bert
from textgraft.comparison.contenders.registry import contenders_for
from textgraft.comparison.train import train
from textgraft.tasks.registry import TASKS
from textgraft.training import loop


class DoneError(Exception):
    """Ends a training whose first step has been looked at."""


def gradient(model: nn.Module) -> Tensor:
    """Return the gradient of all parameters, one after the other."""
    parts = [
        torch.zeros(p.numel()).double() if p.grad is None else p.grad.flatten() for p in model.parameters()
    ]
    model.zero_grad()
    return torch.cat(parts)


def in_double(objective: Any) -> Any:
    """Let an objective make batches in double precision."""
    plain = objective.batch

    def batch(rows, generator):
        made = plain(rows, generator)
        return {name: part.double() if part.is_floating_point() else part for name, part in made.items()}

    objective.batch = batch
    return objective


def trained_in_epochs() -> list[tuple[str, str]]:
    """Return every task with each contender that the loop trains for it.

    But not what is trained on pairs of texts: a loss over all pairs of a batch is no sum over its parts.
    """
    return [
        (task, name)
        for task in TASKS
        for name, entry in contenders_for(task).items()
        if entry.epochs is not None
        and not entry.needs_language_model
        and name not in ("rnn", "gru", "bert-contrastive")
    ]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> tuple[Path, dict[str, Path]]:
    folder = tmp_path_factory.mktemp("accumulation")
    sources = {}
    for task, make in MAKERS.items():
        (folder / task).mkdir()
        sources[task] = make(folder / task)
    return save_tiny_bert(folder / "bert"), sources


@pytest.mark.parametrize(("task", "contender"), trained_in_epochs())
def test_the_gradient_is_that_of_one_batch(task, contender, world, tmp_path, monkeypatch):
    encoder, sources = world
    plain = loop.accumulate
    seen = []

    def look(model, objective, group, **others):
        # Without dropout, which would be drawn otherwise for other batches.
        model = model.eval().double()
        objective = in_double(objective)
        (rows,) = group
        parts = [rows[:1], rows[1:4], rows[4:]]
        values = [plain(model, objective, [rows], **others)]
        whole = gradient(model)
        values.append(plain(model, objective, parts, **others))
        apart = gradient(model)
        seen.append((values, whole, apart))
        raise DoneError

    monkeypatch.setattr(loop, "accumulate", look)
    settings = {"precision": "fp32", "batch_size": 16, "max_tokens": 100_000}
    with pytest.raises(DoneError):
        train(
            sources[task], tmp_path / "model", task=task, contender=contender, encoder=str(encoder),
            settings=settings,
        )  # fmt: skip
    ((together, accumulated), whole, apart) = seen[0]
    assert accumulated == pytest.approx(together, rel=1e-6)
    assert whole.norm() > 0
    assert (apart - whole).norm() < 1e-6 * whole.norm()
