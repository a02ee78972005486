"""The memory of a model does not depend on what ran before, and a large model takes more than a small one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.tiny import save_tiny_bert, write_topics
from textgraft.comparison.compare import compare
from textgraft.comparison.records.trials import load_trials
from textgraft.comparison.records.verdict import load_verdict
from textgraft.comparison.running import memory
from textgraft.data.dataset import Dataset

MEASURE, BEGIN = memory.measure_memory, memory.MemoryGauge.begin
"""Before the tests' fixture puts a constant in their place."""


def measured(
    folder: Path,
    encoder: Path,
    contenders: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    in_passing: bool,
) -> dict[str, float]:
    monkeypatch.setattr(memory, "measure_memory", MEASURE)
    if in_passing:
        monkeypatch.setattr(memory.MemoryGauge, "begin", BEGIN)
        monkeypatch.setattr(memory, "SPARE", "--at-once")  # a busy machine would never come to it
    source = write_topics(folder / "topics.csv", 90)
    ballast = np.ones(40_000_000)  # what a process had once is no part of the figures
    del ballast
    compare(
        source, contenders=contenders, encoder=encoder, sizes="30", seeds=1, tuning=1, output=folder / "run"
    )
    return {standing.contender: standing.memory_mb for standing in load_verdict(folder / "run").standings}


def test_memory_does_not_depend_on_the_order_of_contenders(tmp_path, monkeypatch):
    encoder = save_tiny_bert(tmp_path / "tiny")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = measured(tmp_path / "a", encoder, "tfidf,bert-frozen", monkeypatch, in_passing=True)
    second = measured(tmp_path / "b", encoder, "bert-frozen,tfidf", monkeypatch, in_passing=False)
    assert first.keys() == second.keys() == {"tfidf", "bert-frozen"}
    for name, megabytes in first.items():
        assert megabytes > 100  # Python and the libraries are in it
        assert second[name] == pytest.approx(megabytes, rel=0.1)
    assert first["bert-frozen"] > first["tfidf"]
    # It is measured once for each trial.
    monkeypatch.setattr(memory, "measure_memory", lambda *_: pytest.fail("measured again"))
    again = compare(
        tmp_path / "a" / "topics.csv", contenders="tfidf,bert-frozen", encoder=encoder, sizes="30", seeds=1,
        tuning=1, output=tmp_path / "a" / "run",
    )  # fmt: skip
    assert {standing.contender: standing.memory_mb for standing in again.verdict.standings} == first
    assert len(load_trials(again.folder)) == 2


def test_a_model_that_cannot_be_loaded_has_no_figure(tmp_path, monkeypatch):
    assert MEASURE({"absent": tmp_path / "nowhere"}, _rows()) == {}


def test_it_takes_no_more_time_than_there_is(tmp_path):
    """On one core six models took 20 seconds more than the budget."""
    start = time.perf_counter()
    assert MEASURE({"absent": tmp_path / "nowhere"}, _rows(), 0.2) == {}
    assert time.perf_counter() - start < 2


def test_what_takes_too_long_beside_the_training_is_ended(tmp_path):
    gauge = memory.MemoryGauge(_rows())
    BEGIN(gauge, "absent", tmp_path / "nowhere")
    child = gauge._child
    assert gauge.finish(0.0) == {}
    assert child.wait(60) < 0
    assert gauge.finish(0.0) == {}


def test_nobody_waits_for_what_takes_its_time_to_end(tmp_path):
    """Killed, it ends in spare time, which a busy core has little of."""
    gauge = memory.MemoryGauge(_rows())
    BEGIN(gauge, "one", tmp_path)
    gauge._names["two"] = "two"
    child, waits = gauge._child, threading.Event()
    measured = msgspec.json.encode(memory._Measured("two", 7.0))

    class Slow:
        pid = child.pid

        def communicate(self, timeout):
            raise subprocess.TimeoutExpired("", timeout, output=measured + b"\n{")

        def poll(self):
            return None

        def wait(self):
            waits.wait(30)
            child.wait()

    gauge._child = Slow()
    start = time.perf_counter()
    assert gauge.finish(0.1) == {"two": 7.0}, "what it had told is known"
    assert time.perf_counter() - start < 5
    assert child.wait(60) < 0
    waits.set()


def _rows():
    from textgraft.data.dataset import Dataset

    return Dataset.unlabelled({"text": ["a", "b"]})


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is measured beside the training")
def test_what_measures_beside_the_training_is_of_its_session_and_out_of_reach_of_ctrl_c(tmp_path):
    """Linux shares a core among sessions: in one of its own, what wants spare time alone got half of it."""
    gauge = memory.MemoryGauge(Dataset.unlabelled({"text": ["a"]}))
    BEGIN(gauge, "one", tmp_path)
    child = gauge._child.pid
    try:
        assert os.getsid(child) == os.getsid(0)
        assert os.getpgid(child) == child != os.getpgid(0)
    finally:
        gauge.close()
