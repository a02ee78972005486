"""A run that is stopped in any way goes on as if it had not been."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from tests.training.helpers import TASK, make_bert, make_rows
from tests.training.killed import MOMENTS
from textgraft.errors import ModelError, OptionError, OutputError
from textgraft.training import checkpoint, loop
from textgraft.training.loop import fit
from textgraft.training.placement import placed
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows

SETTINGS = TrainingSettings(
    learning_rate=1e-2, epochs=3, batch_size=8, precision="fp32", patience=None,
    evaluations_per_epoch=3, checkpoint_seconds=None, accumulation=2,
)  # fmt: skip
TRAIN, DEV = make_rows(150), make_rows(20, seed=1)


def run(folder: Path | None, chosen: TrainingSettings = SETTINGS, on_step=None, model=None):
    """Train and return the model, the result and the loss of each step by number."""
    losses: dict[int, float] = {}

    def remember(progress):
        losses[progress.step] = progress.loss
        if on_step:
            on_step(progress)

    model = model or make_bert()
    objective = TaskRows(TASK, TRAIN, DEV, pad_token_id=0)
    result = fit(model, objective, chosen, folder=folder, on_step=remember)
    return model, result, losses


def without_seconds(history):
    return [{key: value for key, value in entry.items() if key != "seconds"} for entry in history]


@pytest.fixture(scope="module")
def uninterrupted():
    return run(None)


def assert_same_end(first, second):
    assert without_seconds(second[1].history) == without_seconds(first[1].history)
    assert second[1].dev_metrics == first[1].dev_metrics
    assert (second[1].steps, second[1].epochs) == (first[1].steps, first[1].epochs)
    for name, tensor in first[0].state_dict().items():
        assert torch.equal(second[0].state_dict()[name], tensor), name


def killed(folder: Path, count: int) -> dict[str, Any]:
    """Return what runs came to that were killed at every moment of :mod:`tests.training.killed`."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.training.killed", str(folder), str(count)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture(scope="module")
def resumed(tmp_path_factory):
    return killed(tmp_path_factory.mktemp("killed"), 0)


@pytest.mark.parametrize("kind", ["all layers", "upper layers"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_moment_it_ends_the_same_to_the_last_bit(resumed, kind, moment):
    unbroken, other = resumed[kind]["unbroken"], resumed[kind][moment]
    assert 0 < len(other["losses"]) < len(unbroken["losses"]), "it goes on, and not from the beginning"
    assert other["losses"].items() <= unbroken["losses"].items()
    for name in ("weights", "history", "steps"):
        assert other[name] == unbroken[name], name


@pytest.mark.slow
def test_killed_twenty_times_at_random_it_ends_the_same_to_the_last_bit(tmp_path):
    for runs in killed(tmp_path, 10).values():
        assert len(runs) == 11
        for other in runs.values():
            assert other["losses"].items() <= runs["unbroken"]["losses"].items()
            assert other["weights"] == runs["unbroken"]["weights"]


def test_ctrl_c_leaves_a_checkpoint_of_the_last_whole_step(tmp_path, uninterrupted):
    before = signal.getsignal(signal.SIGINT)

    def press(progress):
        if progress.step == 8:
            # The handler itself: a signal of the system would also stop whatever else runs in this process.
            signal.getsignal(signal.SIGINT)(signal.SIGINT, None)

    rare = SETTINGS.model_copy(update={"checkpoint_seconds": 3600.0})
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, rare, press)
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-00000008"]
    resumed = run(tmp_path, rare)
    assert min(resumed[2]) == 9
    assert_same_end(uninterrupted, resumed)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_finished_run_is_not_repeated(tmp_path, uninterrupted):
    first = run(tmp_path)
    again = run(tmp_path)
    assert again[2] == {}
    assert again[1] == first[1]
    assert_same_end(uninterrupted, again)


def test_metrics_lines_do_not_repeat_after_a_resume(tmp_path, uninterrupted):
    class StopError(Exception):
        pass

    def stop(progress):
        if progress.step == 11:
            raise StopError

    with pytest.raises(StopError):
        run(tmp_path, on_step=stop)
    result = run(tmp_path)[1]
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == result.history
    assert without_seconds(lines) == without_seconds(uninterrupted[1].history)


@pytest.mark.parametrize("change", ["settings", "rows", "model"])
def test_the_folder_of_another_run_is_refused(tmp_path, change, monkeypatch):
    run(tmp_path)
    chosen, model = SETTINGS, make_bert()
    if change == "settings":
        chosen = SETTINGS.model_copy(update={"learning_rate": 2e-2})
    elif change == "rows":
        monkeypatch.setattr("tests.training.test_resume.TRAIN", TRAIN[1:])
    else:
        model = make_bert(layers=3)
    with pytest.raises(OptionError, match="another run"):
        run(tmp_path, chosen, model=model)


def test_a_damaged_newest_checkpoint_costs_only_the_way_from_the_one_before(tmp_path, uninterrupted):
    run(tmp_path)
    newest = max(tmp_path.glob("checkpoint-*"))
    (newest / "optimizer.safetensors").write_bytes(b"broken")
    resumed = run(tmp_path)
    assert 0 < len(resumed[2]) < len(uninterrupted[2])
    assert_same_end(uninterrupted, resumed)
    for path in tmp_path.glob("checkpoint-*"):
        (path / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="safetensors is missing"):
        run(tmp_path)


def test_it_trains_outside_the_main_thread(tmp_path):
    results = []
    short = SETTINGS.model_copy(update={"epochs": 1})
    thread = threading.Thread(target=lambda: results.append(run(tmp_path, short)))
    thread.start()
    thread.join()
    assert results[0][1].stopped_by == "epochs"


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, uninterrupted, monkeypatch):
    plain, calls = checkpoint.save_file, []

    def full(tensors, path):
        calls.append(path)
        if len(calls) > 6:  # in the second checkpoint
            raise SafetensorError("I/O error: No space left on device (os error 28)")
        plain(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OutputError, match="No space left on device") as refused:
        run(tmp_path)
    assert "disk space" in str(refused.value)
    assert len(list(tmp_path.glob("checkpoint-*"))) == 1
    assert not list(tmp_path.glob(".checkpoint-*"))
    monkeypatch.undo()
    resumed = run(tmp_path)
    assert min(resumed[2]) > 1
    assert_same_end(uninterrupted, resumed)


def test_training_reads_memory_of_torchs_own(tmp_path):
    # Weights from a file and arrays of numpy lie anywhere: how a product sums may depend on it.
    model, elsewhere = make_bert(dropout=0.0), torch.zeros(100_000)
    start = 1
    for parameter in model.parameters():
        part = elsewhere[start : start + parameter.numel()].view_as(parameter)
        parameter.data = part.copy_(parameter.data)
        start += parameter.numel()
    assert any(parameter.data_ptr() % 64 for parameter in model.parameters())
    seen = []
    model.register_forward_pre_hook(
        lambda module, _: seen.extend(p.data_ptr() % 64 for p in module.parameters())
    )
    run(None, SETTINGS.model_copy(update={"epochs": 1}), model=model)
    assert seen
    assert not any(seen)
    moved = placed({"states": elsewhere[1:9], "ids": torch.arange(3)}, torch.device("cpu"))
    assert moved["states"].data_ptr() % 64 == 0
    assert moved["states"].tolist() == elsewhere[1:9].tolist()


def test_slow_checkpoints_become_rare(tmp_path, monkeypatch):
    clock, saved = [0.0], []

    def save(folder, step, *others):
        saved.append(step)
        clock[0] += 2.0
        return folder

    def work(progress):
        clock[0] += 1.0

    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr(loop, "save_checkpoint", save)
    often = SETTINGS.but(checkpoint_seconds=1.0, epochs=None, max_steps=80, accumulation=1)
    run(tmp_path, often, work, make_bert(layers=1))
    # From one, which takes 2 seconds, to the next it is 40, of a second a step. The last ends the run.
    assert saved == [2, 41, 80]
