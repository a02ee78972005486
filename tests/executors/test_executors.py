"""Whoever does jobs gives their results, their errors, and does anew what was lost."""

from __future__ import annotations

import pytest

from textgraft.errors import DataError, MissingExtraError, OptionError
from textgraft.executors.base import Job, JobError, LostWorkError, run_jobs
from textgraft.executors.on_ray import cores_of_each
from textgraft.executors.open import open_executor
from textgraft.executors.processes import ProcessExecutor, share_of_cores
from textgraft.executors.serial import SerialExecutor

JOBS = "tests.executors.jobs:"


@pytest.fixture(scope="module")
def processes():
    executor = ProcessExecutor(2, threads=1)
    yield executor
    executor.close()


@pytest.fixture(params=["serial", "processes"])
def executor(request, processes):
    return SerialExecutor() if request.param == "serial" else processes


def test_every_job_is_done_once(executor):
    done = {}
    jobs = [Job(str(number), f"{JOBS}double", str(number).encode()) for number in range(20)]
    run_jobs(executor, jobs, lambda one: done.setdefault(one.name, []).append(one.result))
    assert done == {str(number): [str(number).encode() * 2] for number in range(20)}


def test_no_more_jobs_are_taken_than_there_are_slots(processes):
    taken, finished = [], []

    def jobs():
        for number in range(8):
            assert len(taken) - len(finished) < processes.slots
            taken.append(number)
            yield Job(str(number), f"{JOBS}double", b"x")

    run_jobs(processes, jobs(), finished.append)
    assert len(finished) == 8


def test_a_mistake_of_the_users_comes_back_as_it_was_raised(executor):
    executor.submit(Job("a", f"{JOBS}mistake", b""))
    with pytest.raises(DataError) as caught:
        executor.wait()
    assert (caught.value.what, caught.value.where) == ("no such row", "rows.csv, line 3")
    assert caught.value.fix == "Add it."


def test_a_defect_comes_back_with_where_it_happened(processes):
    processes.submit(Job("a", f"{JOBS}defect", b""))
    with pytest.raises(JobError, match=r"(?s)jobs.py.*ZeroDivisionError: of the job"):
        processes.wait()


def test_what_a_job_prints_is_no_answer(processes):
    processes.submit(Job("a", f"{JOBS}printing", b"x"))
    assert processes.wait().result == b"x"


def test_each_process_is_told_its_threads(processes):
    processes.submit(Job("a", f"{JOBS}process", b""))
    assert processes.wait().result.split()[1] == b"1"


def test_the_share_of_the_cores(monkeypatch):
    monkeypatch.setattr("textgraft.executors.processes.cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [share_of_cores(jobs) for jobs in (1, 2, 3, 8, 20)] == [8, 4, 2, 1, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert share_of_cores(8) == 3


def test_the_share_of_a_cluster():
    assert [cores_of_each(jobs, [8, 4, 0]) for jobs in (None, 1, 3, 4, 12, 50)] == [1, 4, 4, 3, 1, 1]
    assert cores_of_each(2, []) == 1


def test_a_job_whose_process_is_killed_is_done_anew(processes, tmp_path):
    processes.submit(Job("a", f"{JOBS}dies_once", str(tmp_path / "seen").encode()))
    processes.submit(Job("b", f"{JOBS}double", b"x"))
    found = {done.name: done.result for done in (processes.wait(), processes.wait())}
    assert found == {"a": b"alive", "b": b"xx"}


def test_a_job_that_kills_every_process_ends_the_work(processes):
    processes.submit(Job("shard 7", f"{JOBS}dies", b""))
    with pytest.raises(LostWorkError, match="shard 7 was lost 5 times: its process ended with -9"):
        processes.wait()


def test_no_process_outlives_its_executor():
    with open_executor(2) as executor:
        executor.submit(Job("a", f"{JOBS}process", b""))
        executor.wait()
        (worker, *_) = executor._workers
        assert worker.process.poll() is None
    assert worker.process.poll() is not None


def test_options_that_cannot_be_are_refused(monkeypatch):
    for jobs in (0, -1, "many"):
        with pytest.raises(OptionError, match="--jobs"), open_executor(jobs):
            pass
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"--ray needs the package 'ray'"), open_executor(2, "auto"):
        pass
