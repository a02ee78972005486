"""Trainings that several processes share, or one does alone; run as a program under ``torchrun``.

    torchrun --nproc-per-node 2 -m tests.training.shared FOLDER NAME...

does each run of a name in several ways and leaves the weights in ``FOLDER/KIND/NAME.safetensors``. It goes
on with what :func:`begin` has left in the folder, and leaves there what one process can go on with.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_model
from transformers import BertForMaskedLM

import textgraft
from tests.training.helpers import LABELS, TASK, VOCABULARY, make_bert, make_rows
from textgraft.models.recurrent.encoder import RecurrentConfig, RecurrentForSequenceClassification
from textgraft.models.recurrent.language_model import RecurrentForCausalLM
from textgraft.pretraining.corpus.tokens import Tokens
from textgraft.pretraining.objectives.examples import Frame
from textgraft.pretraining.objectives.full_sentences import FullSentences
from textgraft.pretraining.objectives.masked import MaskedText
from textgraft.pretraining.objectives.masking import Masking
from textgraft.pretraining.objectives.streams import Streams
from textgraft.processes import is_main_process
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows

STOPPED_AFTER = 3
"""Steps of a run that another number of processes goes on with."""
_SHAPE = {"vocab_size": VOCABULARY, "embedding_size": 8, "hidden_size": 12, "pad_token_id": 0}
_NO_DROPOUT = {"dropout": 0.0, "embedding_dropout": 0.0}


def _documents(count: int, seed: int) -> Tokens:
    generator = np.random.default_rng(seed)
    lengths = generator.integers(5, 40, count)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    ids = generator.integers(10, VOCABULARY, starts[-1]).astype(np.uint16)
    return Tokens(ids, starts, np.arange(count + 1), f"{count} documents of {seed}")


def _classifying(model: Callable[[], Any]) -> Callable[[], tuple[Any, Any]]:
    return lambda: (model(), TaskRows(TASK, make_rows(70), make_rows(12, seed=1), pad_token_id=0))


def _lstm() -> Any:
    torch.manual_seed(0)
    labels = dict(enumerate(LABELS))
    return RecurrentForSequenceClassification(RecurrentConfig(**_SHAPE, **_NO_DROPOUT, id2label=labels))


def _masked() -> tuple[Any, Any]:
    torch.manual_seed(0)
    model = BertForMaskedLM(make_bert(dropout=0.0).config)
    examples = [FullSentences(_documents(40, seed), Frame(2, 3, 0), length=24) for seed in (0, 1)]
    return model, MaskedText(*examples, Masking(4, np.arange(10, VOCABULARY)))


def _streams(bidirectional: bool) -> tuple[Any, Any]:
    torch.manual_seed(0)
    config = RecurrentConfig(
        **_SHAPE, **_NO_DROPOUT, bidirectional=bidirectional, independent_directions=bidirectional
    )
    documents = _documents(30, 0), _documents(6, 1)
    return RecurrentForCausalLM(config), Streams(*documents, start_id=2, bidirectional=bidirectional)


RUNS: dict[str, tuple[Callable[[], tuple[Any, Any]], dict[str, Any]]] = {
    # Batches are parted by their rows, with a last one of fewer.
    "bert": (_classifying(lambda: make_bert(dropout=0.0)), {"batch_size": 9, "accumulation": 1}),
    # Every other step of an epoch has a batch for each process, or three halves.
    "lstm": (_classifying(_lstm), {"batch_size": 8, "accumulation": 3}),
    "masked": (_masked, {"batch_size": 7, "accumulation": 1}),
    # Their state goes on from step to step, and lies on both processes.
    "streams": (lambda: _streams(True), {"batch_size": 3, "max_tokens": 24, "accumulation": 3, "epochs": 1}),
    "whole streams": (lambda: _streams(False), {"batch_size": 3, "max_tokens": 24, "accumulation": 2}),
}


class _Stop(Exception):
    pass


def run(name: str, folder: Path | None = None, stop: bool = False, **changes: Any) -> tuple[Any, Any]:
    """Train as an entry of :data:`RUNS` says; return the model, and the result unless it is stopped."""
    make, settings = RUNS[name]
    model, objective = make()
    wanted = {
        "learning_rate": 3e-3, "epochs": 2, "precision": "fp32", "patience": None, "checkpoint_seconds": 1e-9,
    }  # fmt: skip

    def note(progress: Any) -> None:
        # The checkpoint of a step is written after it is told.
        if stop and progress.step == STOPPED_AFTER + 1:
            raise _Stop

    with contextlib.suppress(_Stop):
        chosen = TrainingSettings(**{**wanted, **settings, **changes})
        return model, fit(model, objective, chosen, folder=folder, on_step=note)
    return model, None


def begin(folder: Path, name: str) -> None:
    """Leave two runs that another number of processes is to go on with."""
    for kind in ("begun", "begun sharded"):
        run(name, folder / kind / name, stop=True)


def main(folder: Path, names: list[str]) -> None:
    """Do all runs with the other processes."""
    for name in names:
        for kind, options in {
            "two": {},
            "sharded": {"shard_weights": True},
            "resumed": {"folder": folder / "begun" / name},
            "resumed sharded": {"folder": folder / "begun sharded" / name, "shard_weights": True},
        }.items():
            model, _ = run(name, **options)
            if is_main_process():
                (folder / kind).mkdir(exist_ok=True)
                save_model(model, str(folder / kind / f"{name}.safetensors"))
        for kind, shard_weights in (("stopped", False), ("stopped sharded", True)):
            run(name, folder / kind / name, stop=True, shard_weights=shard_weights)
    if (settings := folder / "settings.json").is_file():
        trained = textgraft.train(
            folder / "rows.conll",
            folder / "models" / "two",
            task="token-classification",
            contender="lstm",
            settings=json.loads(settings.read_text()),
            reporter=print,
        )
        # A file each: two processes that print at once mix their lines.
        (folder / f"metrics-{os.environ['RANK']}.json").write_text(json.dumps(dict(trained.trial.metrics)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
