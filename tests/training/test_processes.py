from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
from pathlib import Path
from tests.training.helpers import TASK, make_bert, make_rows
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows
settings = TrainingSettings(
    learning_rate=1e-2, epochs=2, batch_size=8, precision="fp32", accumulation=int(sys.argv[1]),
)
train, dev = make_rows(150), make_rows(20, 1)
objective = TaskRows(TASK, train, dev, pad_token_id=0)
fit(make_bert(dropout=0.0), objective, settings, folder=Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_two_processes_train_as_one_that_accumulates_twice_as_much(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    launches = {
        "one": [sys.executable, str(script), "4"],
        "two": [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", str(script), "2"],
    }
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    history = {}
    for name, command in launches.items():
        folder = tmp_path / name
        subprocess.run([*command, str(folder)], cwd=root, env=environment, check=True)
        history[name] = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for one, two in zip(history["one"], history["two"], strict=True):
        assert two["step"] == one["step"]
        for key in ("train_loss", "dev_loss", "learning_rate"):
            assert two[key] == pytest.approx(one[key], rel=1e-4)
