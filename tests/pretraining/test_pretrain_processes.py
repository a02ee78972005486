from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pretraining.small_corpus import write_corpus

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["bert", "gpt", "lstm"])
def test_two_processes_train_to_the_loss_of_one(arch, tmp_path):
    corpus = write_corpus(tmp_path / "text", documents=120)
    command = [
        "-m", "textgraft", "pretrain", str(corpus), "--arch", arch, "--tokens", "12k",
        "--max-length", "32", "--vocabulary-size", "300", "--dropout", "0",
        "--set", "max_tokens=256", "--set", "batch_size=8", "--set", "precision=fp32",
        "--set", "evaluations_per_epoch=2", "--set", "accumulation=3",
    ]  # fmt: skip
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    launches = {"one": command, "two": [*torchrun, *command]}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TEXTGRAFT_CACHE": str(tmp_path / "cache")}
    histories, outputs = {}, {}
    for name, launch in launches.items():
        folder = tmp_path / name
        outputs[name] = subprocess.run(
            [sys.executable, *launch, "--output", str(folder)],
            cwd=ROOT, env=environment, check=True, capture_output=True, text=True,
        ).stderr  # fmt: skip
        histories[name] = json.loads((folder / "pretraining.json").read_text())["history"]
    assert len(histories["one"]) == len(histories["two"]) >= 2
    for one, two in zip(histories["one"], histories["two"], strict=True):
        assert (one["step"], one["tokens"]) == (two["step"], two["tokens"])
        for key in ("train_loss", "dev_loss", "learning_rate"):
            assert two[key] == pytest.approx(one[key], rel=1e-3)
    assert outputs["two"].count("held out:") == 1, "one process speaks for both"
