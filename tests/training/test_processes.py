"""Several processes train one model, and one of them writes it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

import textgraft
from tests.comparison.test_every_task import MAKERS
from textgraft.cli import app
from textgraft.errors import OptionError

SETTINGS = {"epochs": 1, "precision": "fp32", "batch_size": 8, "embedding_size": 16, "hidden_size": 16}
SCRIPT = """
import json, sys
import textgraft
source, output, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
trained = textgraft.train(
    source, output, task="token-classification", contender="lstm", settings=settings, reporter=print
)
print("score", trained.trial.metrics["f1"])
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_two_processes_train_as_one_and_write_one_folder(tmp_path):
    source = MAKERS["token-classification"](tmp_path)
    shared = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    arguments = [str(source), str(tmp_path / "two"), json.dumps({**SETTINGS, "checkpoint_seconds": 0.01})]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, *arguments],
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    one = textgraft.train(
        source, tmp_path / "one", task="token-classification", contender="lstm",
        settings={**SETTINGS, "accumulation": 2},
    )  # fmt: skip
    ended = [process.communicate(timeout=300) for process in started]
    assert [process.returncode for process in started] == [0, 0], ended
    scores = {output.splitlines()[-1] for output, _ in ended}
    assert scores == {f"score {one.trial.metrics['f1']}"}
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["one", "two"]
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("one", "two")]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, rtol=1e-4, atol=1e-5)
    assert textgraft.load(tmp_path / "two").predict(["the goal was new"])


def test_what_processes_do_not_share_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(OptionError, match="one process"):
        textgraft.compare(tmp_path / "rows.csv")
    ended = CliRunner().invoke(app, ["predict", "model", "rows.csv"])
    assert isinstance(ended.exception, OptionError)
    assert "torchrun started 2" in str(ended.exception)
