"""A comparison that was killed and resumed ends in the trials and the weights of an unbroken one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from tests.tiny import save_tiny_bert, topic_rows, write_topics
from textgraft.comparison.contenders.base import Job
from textgraft.comparison.contenders.registry import choose_contenders
from textgraft.comparison.contenders.shared import Shared
from textgraft.comparison.records.plan import load_plan
from textgraft.comparison.records.trials import load_trials
from textgraft.comparison.records.verdict import load_verdict
from textgraft.data.dataset import Dataset
from textgraft.inference.encode import Encoder
from textgraft.models.directory import read_manifest
from textgraft.models.encoders import resolve_encoder
from textgraft.tasks.text.classification import SingleLabelClassification

REQUEST = {
    "contenders": "tfidf,lstm,bert-frozen,bert-finetuned", "sizes": "20", "seeds": 2, "tuning": 2,
}  # fmt: skip


def outcome(folder: Path) -> dict[str, Any]:
    """Return everything that a comparison leaves, but for what a clock measured."""
    plan = load_plan(folder)
    trials = [msgspec.to_builtins(trial) for trial in load_trials(folder)]
    for trial in trials:
        del trial["cost"]
        for entry in (*trial["configurations"], *trial["history"]):
            entry.pop("seconds")
    models = {path.name: read_manifest(path).weights_sha256 for path in (folder / "models").glob("[!.]*")}
    return {
        "results": plan.results,
        "trials": trials,
        "models": models,
        "scores": {entry.contender: entry.score for entry in load_verdict(folder).standings},
    }


def check(folder: Path, kills: int) -> None:
    source = write_topics(folder / "topics.csv", 120)
    request = {**REQUEST, "encoder": str(save_tiny_bert(folder / "tiny"))}
    home = Path(__file__).parents[2]
    path = os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")])
    arguments = [str(source), str(folder), str(kills), json.dumps(request)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.comparison.kills", *arguments],
        cwd=home,
        env={**os.environ, "PYTHONPATH": path, "TEXTGRAFT_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert outcome(folder / "killed") == outcome(folder / "unbroken")
    best = read_manifest(folder / "killed" / "best")
    assert best.training["trial"] in load_plan(folder / "killed").results.values()


def test_killed_three_times_it_ends_as_if_unbroken(tmp_path):
    check(tmp_path, 3)


def test_what_was_encoded_before_is_no_part_of_a_trial(tmp_path, monkeypatch):
    """A killed run leaves encodings that were computed in other batches, which differ by rounding."""
    rows = [(text, "ab"[number % 2]) for number, (text, _) in enumerate(topic_rows(120))]
    texts, labels = map(list, zip(*rows, strict=True))
    numbers = list(range(len(texts)))
    whole = Dataset({"text": texts}, labels, list(map(str, numbers)), numbers, "rows")
    (contender,) = choose_contenders(["bert-frozen"], "classification")
    task = SingleLabelClassification(["a", "b"])

    source = resolve_encoder()
    Encoder(source).open()
    graphs = Path(os.environ["TEXTGRAFT_CACHE"]) / "engines"
    graphs.mkdir(exist_ok=True)  # where torch is the engine, there are none

    def head(*sizes: int) -> Any:
        """Fit on subsets, one after the other, as a process does that begins with an empty cache."""
        shared = Shared()
        cache = tmp_path / "-".join(map(str, sizes))
        shutil.copytree(graphs, cache / "engines")
        monkeypatch.setenv("TEXTGRAFT_CACHE", str(cache))
        for size in sizes:
            part = whole.select(range(0, len(whole), len(whole) // size))
            job = Job(part, whole.select(range(20)), task, 0, source, shared=shared)
            fitted = contender.fit(job, contender.grid[0])
        return fitted.model.layers[0].weight

    assert torch.equal(head(120), head(40, 120))


@pytest.mark.slow
def test_killed_twenty_times_it_ends_as_if_unbroken(tmp_path):
    check(tmp_path, 20)
