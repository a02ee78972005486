"""A run that is killed at a moment and resumed, in children of a process that has loaded everything once.

Run as ``python -m tests.training.killed folder count``; prints a JSON object: for each kind of model and each
moment the weights and losses of the resumed run, and those of the unbroken one.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.training.helpers import TASK, make_bert, make_rows
from textgraft.training import checkpoint, loop
from textgraft.training.frozen import fit_upper_layers
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows

SETTINGS = TrainingSettings(
    learning_rate=1e-2, epochs=2, batch_size=8, precision="fp32", patience=None,
    evaluations_per_epoch=2, checkpoint_seconds=None, accumulation=2,
)  # fmt: skip


def die(*_: Any, **__: Any) -> None:
    """End as by kill -9."""
    signal.raise_signal(signal.SIGKILL)


def dying(function: Callable[..., Any], call: int, *, after: bool = False) -> Callable[..., Any]:
    """Wrap a function one of whose calls is the process's end: before, or else after its work is done."""
    calls = 0

    def called(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and not after:
            die()
        value = function(*arguments, **options)
        if calls == call:
            die()
        return value

    return called


def arrange(moment: str) -> None:
    """Let this process be killed at a moment of its training, when there is something to resume."""
    if moment == "before a checkpoint":
        loop.save_checkpoint = dying(loop.save_checkpoint, 3)
    elif moment == "within a checkpoint":
        checkpoint.write_json = dying(checkpoint.write_json, 4)
    elif moment == "after a checkpoint":
        loop.save_checkpoint = dying(loop.save_checkpoint, 3, after=True)
    elif moment == "during an evaluation":
        TaskRows.evaluate = dying(TaskRows.evaluate, 3)
    elif moment == "amid an epoch":
        loop.accumulate = dying(loop.accumulate, 13)


MOMENTS = (
    "before a checkpoint",
    "within a checkpoint",
    "after a checkpoint",
    "during an evaluation",
    "amid an epoch",
)


def train(kind: str, folder: Path) -> dict[str, Any]:
    """Train a tiny model, all of it or its upper layer, and return all that its end is told by."""
    model = make_bert()
    objective = TaskRows(TASK, make_rows(150), make_rows(20, seed=1), pad_token_id=0)
    losses = {}

    def remember(progress: Any) -> None:
        losses[progress.step] = progress.loss.hex()

    if kind == "upper layers":
        result = fit_upper_layers(
            model, objective, SETTINGS, freeze_layers=1, folder=folder, on_step=remember
        )
    else:
        result = loop.fit(model, objective, SETTINGS, folder=folder, on_step=remember)
    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    scores = [{key: value for key, value in entry.items() if key != "seconds"} for entry in result.history]
    return {"weights": digest.hexdigest(), "losses": losses, "history": scores, "steps": result.steps}


def child(work: Callable[[], None]) -> int:
    """Do work in a child of this process; return the child."""
    if (pid := os.fork()) == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


def run(kind: str, folder: Path, moment: str = "") -> dict[str, Any] | None:
    """Train in a child; return what it came to, or None if it was killed."""
    answer = folder.with_suffix(".json")

    def work() -> None:
        arrange(moment)
        answer.write_text(json.dumps(train(kind, folder)))

    os.waitpid(child(work), 0)
    return json.loads(answer.read_text()) if answer.is_file() else None


def random_kills(kind: str, folder: Path, seconds: float, generator: random.Random) -> dict[str, Any]:
    """Kill a training again and again at random times until it ends."""
    answer = folder.with_suffix(".json")
    while not answer.is_file():
        pid = child(lambda: answer.write_text(json.dumps(train(kind, folder))) and None)
        time.sleep(generator.uniform(0.2, 1.2) * seconds)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        if answer.is_file() and not answer.read_text():
            answer.unlink()
    return json.loads(answer.read_text())


def main(folder: Path, count: int) -> None:
    """Print what every killed and resumed run came to."""
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    for kind in ("all layers", "upper layers"):
        start = time.perf_counter()
        found[kind] = {"unbroken": run(kind, folder / f"{kind} unbroken")}
        seconds = time.perf_counter() - start
        if count:
            generator = random.Random(0)
            for number in range(count):
                found[kind][f"{number}"] = random_kills(kind, folder / f"{kind} {number}", seconds, generator)
            continue
        for moment in MOMENTS:
            place = folder / f"{kind} {moment}"
            assert run(kind, place, moment) is None, f"{moment} never came"
            found[kind][moment] = run(kind, place)
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
