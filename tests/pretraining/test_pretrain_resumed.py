"""Runs that were stopped: what is left of them, and how they go on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from textgraft.errors import OptionError
from textgraft.pretraining.pretrain import plan_pretraining, pretrain
from textgraft.training.progress import DivergenceError

SETTINGS = {"max_tokens": 256, "batch_size": 8, "precision": "fp32"}
SMALL = {"tokens": 2500, "max_length": 32, "vocabulary_size": 300, "settings": SETTINGS}


pytestmark = pytest.mark.usefixtures("quick_trials")


class StopError(Exception):
    pass


def stop_at(step):
    def stop(progress):
        if progress.step == step:
            raise StopError

    return stop


def test_an_unfinished_run_is_not_overwritten_and_goes_on_with_its_options_only(corpus, tmp_path):
    chosen = {**SMALL, "settings": {**SETTINGS, "checkpoint_seconds": 1e-6}}
    with pytest.raises(StopError):
        pretrain(corpus, tmp_path / "bert", **chosen, on_step=stop_at(7))
    with pytest.raises(OptionError, match="unfinished training is in the way"):
        pretrain(corpus, tmp_path / "bert", **chosen)
    with pytest.raises(OptionError, match="has tokens=2500, not 8000"):
        pretrain(corpus, tmp_path / "bert", **{**chosen, "tokens": 8000}, resume=True)
    steps = []
    pretrain(corpus, tmp_path / "bert", **chosen, resume=True, on_step=lambda p: steps.append(p.step))
    assert steps[0] == 7
    assert (tmp_path / "bert" / "model.safetensors").is_file()
    assert not (tmp_path / "bert.training").exists()


@pytest.mark.parametrize("keep", [1, 2])
def test_disk_use_is_bounded(corpus, tmp_path, keep):
    counts = []

    def look(progress):
        del progress
        folder = tmp_path / "gpt.training"
        counts.append(len(list(folder.glob("checkpoint-*"))))
        assert not list(folder.glob(".checkpoint-*"))

    chosen = {**SMALL, "settings": {**SETTINGS, "checkpoint_seconds": 1e-6}}
    pretrain(corpus, tmp_path / "gpt", arch="gpt", keep=keep, **chosen, on_step=look)
    assert max(counts) == keep


def test_a_loss_that_is_no_number_ends_the_run_and_the_last_good_checkpoint_is_kept(
    corpus, tmp_path, monkeypatch
):
    from textgraft.pretraining.objectives.masked import MaskedText

    whole, calls = MaskedText.losses, []

    def broken(self, model, batch):
        calls.append(1)
        factor = float("nan") if len(calls) == 14 else 1.0
        return tuple(loss * factor for loss in whole(self, model, batch))

    chosen = {**SMALL, "settings": {**SETTINGS, "checkpoint_seconds": 1e-6}}
    monkeypatch.setattr(MaskedText, "losses", broken)
    seen = {}
    with pytest.raises(DivergenceError, match=r"diverged at step \d+") as caught:
        pretrain(corpus, tmp_path / "r", arch="roberta", **chosen, on_step=lambda p: seen.update({p.step: 1}))
    assert f"kept in {tmp_path / 'r.training'}" in str(caught.value)
    last = max((tmp_path / "r.training").glob("checkpoint-*"))
    assert last.name == f"checkpoint-{max(seen):08d}"
    monkeypatch.setattr(MaskedText, "losses", whole)
    steps = []
    pretrain(
        corpus, tmp_path / "r", arch="roberta", **chosen, resume=True, on_step=lambda p: steps.append(p.step)
    )
    assert steps[0] == max(seen) + 1


def test_of_few_documents_more_are_held_out(corpus):
    plan = plan_pretraining(corpus, **SMALL)
    assert plan.held_out_documents >= 8
    assert plan.documents + plan.held_out_documents == 60


KILLER = """
import json, os, random, signal, sys, time
from pathlib import Path
import torch
from textgraft.pretraining import pretrain as module
# all that a child needs is imported before it is made
from textgraft.pretraining.objectives.causal import CausalText
import transformers.models.bert.modeling_bert, transformers.models.gpt2.modeling_gpt2

corpus, output, log, arch, kills = sys.argv[1:]
module.TRIAL_SECONDS = 0.0
torch.set_num_threads(1)

def train():
    lines = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    def on_step(progress):
        os.write(lines, f"{progress.step} {progress.loss.hex()}\\n".encode())
    settings = {"max_tokens": 256, "batch_size": 8, "precision": "fp32", "checkpoint_seconds": 0.2}
    module.pretrain(corpus, output, arch=arch, tokens=2000 * int(kills), max_length=32, resume=True,
                    short_length=16 if arch == "bert" else None, vocabulary_size=300, settings=settings,
                    on_step=on_step)

def child():
    pid = os.fork()
    if pid == 0:
        try:
            train()
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid

whole = child()
start = time.perf_counter()
_, status = os.waitpid(whole, 0)
assert status == 0
duration = time.perf_counter() - start
os.rename(log, log + ".whole")
os.rename(output, output + ".whole")
random.seed(0)
killed = 0
while killed < int(kills):
    pid = child()
    time.sleep(random.uniform(0.1, 1.4) * duration / int(kills))
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.path.isdir(output):  # it was faster: saved, if not yet tidied up
        break
    killed += 1
    names = os.listdir(output + ".training") if os.path.isdir(output + ".training") else []
    assert sum(name.startswith("checkpoint-") for name in names) <= 3, names
if not os.path.isdir(output):
    _, status = os.waitpid(child(), 0)
    assert status == 0
print(killed)
"""


def losses(log: Path) -> list[tuple[int, float]]:
    pairs = [line.split() for line in log.read_text().splitlines() if line.count(" ") == 1]
    return [(int(step), float.fromhex(loss)) for step, loss in pairs]


def survive(kills: int, arch: str, corpus: Path, folder: Path) -> int:
    """Kill a run again and again; return how often, having checked that it made no difference."""
    log = folder / "losses"
    process = subprocess.run(
        [sys.executable, "-c", KILLER, str(corpus), str(folder / "m"), str(log), arch, str(kills)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    expected, seen = dict(losses(folder / "losses.whole")), losses(log)
    assert [pair for pair in seen if expected[pair[0]] != pair[1]] == []
    assert {step for step, _ in seen} == expected.keys()
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        assert (folder / "m" / name).read_bytes() == (folder / "m.whole" / name).read_bytes()
    histories = [
        [
            {key: value for key, value in entry.items() if key != "seconds"}
            for entry in json.loads((folder / name / "pretraining.json").read_text())["history"]
        ]
        for name in ("m", "m.whole")
    ]
    assert histories[0] == histories[1]
    return int(process.stdout)


@pytest.mark.parametrize("arch", ["bert", pytest.param("lstm", marks=pytest.mark.slow)])
def test_a_run_that_is_killed_ends_as_if_it_had_not_been(arch, corpus, tmp_path):
    assert survive(2, arch, corpus, tmp_path) >= 1


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["bert", "lstm", "gpt"])
def test_a_run_that_is_killed_at_twenty_random_moments_ends_as_if_it_had_not_been(arch, corpus, tmp_path):
    assert survive(20, arch, corpus, tmp_path) == 20
