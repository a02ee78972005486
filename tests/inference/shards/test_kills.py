"""Killed as by kill -9 in the middle, work side by side goes on as if nothing had been."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.tiny import write_topics
from textgraft.executors.serial import SerialExecutor
from textgraft.inference.shards.run import ShardsSummary, run_shards
from textgraft.inference.shards.work import prediction_work


def test_killed_and_resumed_equals_a_clean_run(topic_model: Path, tmp_path: Path) -> None:
    rows = write_topics(tmp_path / "rows.csv", 400, seed=5)
    command = [sys.executable, "-m", "textgraft", "predict", str(topic_model), str(rows)]
    command += ["--jobs", "2", "--shard-rows", "16", "-o"]
    process = subprocess.Popen([*command, str(tmp_path / "killed.csv")], stderr=subprocess.PIPE)
    done = tmp_path / "killed.csv.shards" / "work" / "done"
    deadline = time.monotonic() + 120
    while len(list(done.glob("*.json"))) < 3:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed.csv").exists()
    assert len(list(done.glob("*.json"))) < 25, "it was killed in the middle"
    given = {"engine": "auto", "sets": None, "reject": None, "opener": None}

    def run(name: str) -> ShardsSummary:
        work = prediction_work(topic_model, str(rows), tmp_path / name, given, shard_rows=16)
        return run_shards(work, SerialExecutor())

    resumed, clean = run("killed.csv"), run("clean.csv")
    assert 0 < resumed.computed < clean.computed == resumed.shards
    assert (tmp_path / "killed.csv").read_bytes() == (tmp_path / "clean.csv").read_bytes()
