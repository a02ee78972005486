"""Several processes train one model as one process would, and one of them writes it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

import textgraft
from tests.comparison.test_every_task import MAKERS
from tests.training.shared import RUNS, begin, run
from textgraft.cli import app
from textgraft.errors import OptionError
from textgraft.training.gradient import shares_of

SETTINGS = {
    "epochs": 12, "learning_rate": 0.01, "precision": "fp32", "batch_size": 8, "embedding_size": 16,
    "hidden_size": 16, "checkpoint_seconds": 0.01, "dropout": 0, "embedding_dropout": 0,
}  # fmt: skip
USUAL = ("bert", "streams")
"""A BERT that is fine-tuned and a recurrent language model; the other runs are slow tests."""
ROOT = Path(__file__).parents[2]


def torchrun(*command: str, count: int = 2) -> subprocess.CompletedProcess[str]:
    """Run a module in several processes, as a user does."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}", "-m"]
    done = subprocess.run(
        [sys.executable, *launcher, *command],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=600,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def shared(folder: Path, names: Sequence[str]) -> None:
    """Do runs in two processes, some of which one process began."""
    for name in names:
        begin(folder, name)
    torchrun("tests.training.shared", str(folder), *names)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    shutil.copy(MAKERS["token-classification"](folder), folder / "rows.conll")
    (folder / "settings.json").write_text(json.dumps(SETTINGS))
    shared(folder, USUAL)
    return folder


def assert_equal(name: str, folder: Path) -> None:
    """Hold what two processes came to against what one does, and go on alone with what they began."""
    alone, _ = run(name)
    expected = alone.state_dict()
    start, _ = RUNS[name][0]()
    assert any((tensor - expected[name]).abs().max() > 1e-3 for name, tensor in start.state_dict().items())
    kinds = ("two", "sharded", "resumed", "resumed sharded")
    found = {kind: load_file(folder / kind / f"{name}.safetensors") for kind in kinds}
    for kind in ("stopped", "stopped sharded"):
        assert list((folder / kind / name).glob("checkpoint-*"))
        found[kind] = run(name, folder / kind / name)[0].state_dict()
    for kind, weights in found.items():
        assert weights, kind
        for key, tensor in weights.items():
            torch.testing.assert_close(tensor, expected[key], rtol=1e-4, atol=1e-5, msg=f"{kind}: {key}")


@pytest.mark.parametrize("name", USUAL)
def test_processes_train_as_one_and_go_on_with_what_others_began(two, name):
    assert_equal(name, two)


@pytest.mark.slow
def test_processes_train_every_other_model_as_one(tmp_path):
    names = [name for name in RUNS if name not in USUAL]
    shared(tmp_path, names)
    for name in names:
        assert_equal(name, tmp_path)


def test_two_processes_write_one_model_and_know_its_scores(two):
    one = textgraft.train(
        two / "rows.conll", two / "models" / "one", task="token-classification", contender="lstm",
        settings=SETTINGS,
    )  # fmt: skip
    assert one.trial.score > 0
    for rank in range(2):
        assert json.loads((two / f"metrics-{rank}.json").read_text()) == pytest.approx(one.trial.metrics)
    assert sorted(path.name for path in (two / "models").iterdir()) == ["one", "two"]
    weights = [load_file(two / "models" / name / "model.safetensors") for name in ("one", "two")]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, rtol=1e-4, atol=1e-5)
    assert textgraft.load(two / "models" / "two").predict(["the goal was new"])


@pytest.mark.slow
def test_the_command_speaks_once(tmp_path):
    source = MAKERS["classification"](tmp_path)
    train = ["textgraft", "train", str(source), "--contender", "lstm", "--set", "epochs=1"]
    planned = torchrun(*train, "--plan").stdout
    assert planned.count("each of 2 processes") == planned.count("all of it") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [source.name]
    told = torchrun(*train, "--set", "shard_weights=true", "--output", str(tmp_path / "model"))
    assert told.stderr.count("test:") == 1
    assert (tmp_path / "model" / "textgraft.json").is_file()


@pytest.mark.parametrize("processes", range(1, 6))
@pytest.mark.parametrize("batches", range(1, 5))
def test_shares_are_each_row_of_each_batch_once(processes, batches):
    group = [list(range(10 * place, 10 * place + 3)) for place in range(batches)]
    every = [shares_of(group, processes, rank) for rank in range(processes)]
    assert len({len(shares) for shares in every}) == 1, "all average their gradients as often"
    rows = [
        row
        for shares in every
        for share in shares
        if share.counts
        for row in group[share.place][share.part :: share.parts]
    ]
    assert sorted(rows) == sorted(row for batch in group for row in batch)
    wholes = [share for rank in range(processes) for share in shares_of(group, processes, rank, False)]
    assert sorted(share.place for share in wholes if share.counts) == list(range(batches))
    assert all(share.parts == 1 for share in wholes)


def test_what_processes_do_not_share_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(OptionError, match="one process"):
        textgraft.compare(tmp_path / "rows.csv")
    ended = CliRunner().invoke(app, ["predict", "model", "rows.csv"])
    assert isinstance(ended.exception, OptionError)
    assert "torchrun started 2" in str(ended.exception)
