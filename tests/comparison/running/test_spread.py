"""Trials side by side are those of one process, and so is the verdict."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from tests.comparison.test_kills import outcome
from tests.executors.nodes import make_importable, removed_when, two_nodes
from tests.tiny import write_topics
from textgraft.comparison.compare import compare, run_comparison
from textgraft.comparison.records.plan import has_plan, load_plan
from textgraft.comparison.records.verdict import load_verdict
from textgraft.comparison.running import trial_jobs
from textgraft.comparison.settings import CompareSettings
from textgraft.errors import DataError, OptionError
from textgraft.executors.base import Done, Job
from textgraft.executors.serial import SerialExecutor

REQUEST = {"contenders": "majority,tfidf,lstm", "sizes": "20,60", "seeds": 2, "tuning": 1}


class Backwards(SerialExecutor):
    """Does the last of three jobs first, as where it is the quickest."""

    slots = 3

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    def submit(self, job: Job) -> None:
        """No further seed begins before first seeds have said who gets any."""
        assert job.name.endswith("/0") or "trial lstm/60/0" in self.done
        super().submit(job)

    def wait(self) -> Done:
        self._waiting.rotate(1)
        found = super().wait()
        self.done.append(found.name)
        return found


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_topics(tmp_path_factory.mktemp("rows") / "topics.csv", 120)


@pytest.fixture(scope="module")
def alone(rows: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone") / "out"
    compare(str(rows), output=folder, **REQUEST)
    return folder


def test_whatever_ends_first_the_verdict_is_that_of_one_process(
    rows: Path, alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials of networks are jobs; quick ones run in the first process, while their cost is measured."""
    executor = Backwards()
    monkeypatch.setattr("textgraft.executors.open.ProcessExecutor", lambda jobs: executor)
    compare(str(rows), output=tmp_path / "out", jobs=3, **REQUEST)
    assert "trial tfidf/60/1" in executor.done
    assert outcome(tmp_path / "out") == outcome(alone)
    verdicts = [load_verdict(folder) for folder in (alone, tmp_path / "out")]
    assert verdicts[0].pick == verdicts[1].pick


def test_a_process_that_sees_other_rows_refuses(
    rows: Path, alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where a job goes by itself: afterwards all is as it was
    set_up = trial_jobs.SetUp(
        source=str(write_topics(tmp_path / "topics.csv", 121)),
        settings={"contenders": ["tfidf"]},
        data_hash=load_plan(alone).data_hash,
        answered=None,
        folder=str(tmp_path),
        working=str(tmp_path),
    )
    order = trial_jobs.TrialOrder(
        set_up=set_up, id="0" * 16, contender="tfidf", windows=0, size=20, seed=0, shots=None,
        configurations=[{}], times_briefly=True, seconds=None, keeps_model=False,
    )  # fmt: skip
    with pytest.raises(DataError, match="the rows are others here"):
        trial_jobs.run_job(msgspec.msgpack.encode(order))
    same = msgspec.structs.replace(set_up, source=str(rows))
    with pytest.raises(DataError, match="tfidf on 20 rows is another trial here"):
        trial_jobs.run_job(msgspec.msgpack.encode(msgspec.structs.replace(order, set_up=same)))


def test_rows_in_memory_are_refused_before_anything_is_read() -> None:
    with pytest.raises(OptionError, match="in this process alone"):
        compare(["a", "b"], ["x", "y"], jobs=2)


@pytest.mark.slow
def test_killed_side_by_side_it_goes_on(rows: Path, alone: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "textgraft", "compare", str(rows), "-o", str(tmp_path / "out")]
    command += ["-c", "majority,tfidf,lstm", "--sizes", "20,60", "--seeds", "2", "--tuning", "1"]
    process = subprocess.Popen([*command, "--jobs", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    trials = tmp_path / "out" / "trials"
    deadline = time.monotonic() + 120

    def networks() -> int:
        results = load_plan(tmp_path / "out").results if has_plan(tmp_path / "out") else {}
        return sum(name.startswith("lstm/") for name in results)

    while not networks():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(list(trials.glob("*.json"))) < len(list((alone / "trials").glob("*.json")))
    compare(str(rows), output=tmp_path / "out", **REQUEST)
    assert outcome(tmp_path / "out") == outcome(alone)


@pytest.mark.slow
def test_with_one_of_two_nodes_lost_trials_and_verdict_are_the_same(
    rows: Path, alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    make_importable(monkeypatch)
    trials = tmp_path / "out" / "trials"

    def in_the_middle() -> bool:
        return any('"lstm"' in path.read_text() for path in trials.glob("*.json"))

    with two_nodes() as (cluster, node):
        settings = CompareSettings(**REQUEST, output=str(tmp_path / "out"), ray=cluster.address)
        with removed_when(cluster, node, in_the_middle):
            run_comparison(str(rows), settings)
    assert outcome(tmp_path / "out") == outcome(alone)
