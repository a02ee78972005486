"""Models run forward over many inputs, several batches at a time where an engine computes as many."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from textgraft.data.dataset import Dataset
from textgraft.inference.predictor import Predictor
from textgraft.inference.runner import Runner
from textgraft.models.encoders import load_encoder_tokenizer, resolve_encoder
from textgraft.models.graft.heads import GraftConfig, GraftForSequenceClassification
from textgraft.tasks.text.classification import SingleLabelClassification
from textgraft.training.evaluate import run_model
from textgraft.training.forward import in_batches

LENGTHS = [3, 5, 4, 2, 6, 1, 3, 5]


class _Waiting:
    """Forward passes that all wait until as many are under way as are to be."""

    def __init__(self, at_once: int) -> None:
        self.barrier = threading.Barrier(at_once, timeout=20)
        self.threads = set[int]()
        self.seen: list[int] = []

    def collate(self, rows: Sequence[int]) -> dict[str, Tensor]:
        return {"input_ids": torch.tensor([[LENGTHS[row]] for row in rows])}

    def __call__(self, rows: Sequence[int], batch: Mapping[str, Tensor]) -> None:
        assert torch.is_inference_mode_enabled()
        self.barrier.wait()
        self.threads.add(threading.get_ident())
        self.seen += [int(batch["input_ids"][at, 0]) for at in range(len(rows))]


def _run(forward: Any, collate: Any, at_once: int) -> None:
    in_batches(
        LENGTHS,
        collate,
        forward,
        max_tokens=100,
        max_sequences=1,
        precision="fp32",
        device=torch.device("cpu"),
        at_once=at_once,
    )


@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_as_many_batches_run_at_a_time_as_the_engine_computes(at_once: int) -> None:
    waiting = _Waiting(at_once)
    _run(waiting, waiting.collate, at_once)
    assert sorted(waiting.seen) == sorted(LENGTHS)
    assert len(waiting.threads) == at_once
    assert (threading.get_ident() in waiting.threads) == (at_once == 1)


def test_a_batch_that_fails_is_told_and_later_ones_are_not_begun() -> None:
    begun: list[int] = []

    def fail(rows: Sequence[int], batch: Mapping[str, Tensor]) -> None:
        begun.extend(rows)
        time.sleep(0.05)
        raise ValueError("no such token")

    waiting = _Waiting(1)
    with pytest.raises(ValueError, match="no such token"):
        _run(fail, waiting.collate, 2)
    assert len(begun) < len(LENGTHS)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("textgraft-batch")]


def test_batches_are_told_of_one_at_a_time() -> None:
    at_work, most, counted = 0, 0, 0

    def told(rows: Sequence[int], outputs: Any, batch: Mapping[str, Tensor]) -> None:
        nonlocal at_work, most, counted
        at_work += 1
        threading.Event().wait(0.01)
        most, counted = max(most, at_work), counted + len(rows)
        at_work -= 1

    scoring = SimpleNamespace(
        sides=lambda feature: feature,
        collate=lambda members, pad: {"input_ids": torch.tensor([[length] for length in members])},
        outputs=lambda model, batch: batch["input_ids"][:, 0] * 2,
        decode=lambda outputs, members: outputs.tolist(),
    )
    found = run_model(
        cast("Any", SimpleNamespace(device=torch.device("cpu"))),
        cast("Any", scoring),
        cast("Any", LENGTHS),
        pad_token_id=0,
        max_tokens=100,
        max_sequences=1,
        precision="fp32",
        on_batch=told,
        at_once=4,
    )
    assert found == [2 * length for length in LENGTHS]
    assert (most, counted) == (1, len(LENGTHS))


@pytest.mark.parametrize("engine", ["openvino", "ctranslate2"])
def test_a_model_on_an_engine_answers_alike_from_several_threads(engine: str) -> None:
    pytest.importorskip(engine)
    torch.manual_seed(0)
    source = resolve_encoder()
    model = GraftForSequenceClassification(GraftConfig.on(source, num_labels=3))
    runner = Runner(model, engine)
    task = SingleLabelClassification(["a", "b", "c"])
    predictor = Predictor(model, load_encoder_tokenizer(source), task, 64, runner=runner)
    assert predictor.keep_encodings()
    rows = Dataset.unlabelled({"text": [f"{'a word ' * (number % 40)}{number}" for number in range(200)]})
    opened, answers = runner.open(), []
    for at_once in (1, 3):
        runner._opened = replace(opened, at_once=at_once)
        done: list[int] = []
        answers.append(predictor.outputs(rows, done.append)[1])
        assert sum(done) == 200
    for one, other in zip(*answers, strict=True):
        assert np.array_equal(one.encoding, other.encoding)
