"""The share of a core is what of its time a process did not wait for one."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time

import pytest

from textgraft.comparison.running import pace as pace_module
from textgraft.comparison.running.pace import HALF_LIFE, LEAST, Counts, Lap, Pace, Taken, counted, share_of


def test_before_anything_was_measured_a_core_is_taken_to_be_there() -> None:
    assert Pace().share == 1.0
    assert share_of(0.0, [], 0.0) == 1.0


def test_what_was_long_ago_counts_less() -> None:
    pace = Pace()
    pace.note(Taken(HALF_LIFE, 1.0))
    pace.note(Taken(HALF_LIFE, 0.4))
    assert pace.share == pytest.approx((0.5 + 0.4) / 1.5)
    for _ in range(20):
        pace.note(Taken(HALF_LIFE, 0.4))
    assert pace.share == pytest.approx(0.4, abs=1e-4)


def test_a_machine_is_called_busy_after_some_seconds() -> None:
    pace = Pace()
    pace.note(Taken(0.5, 0.4))
    assert not pace.is_busy
    pace.note(Taken(1.0, 0.5))
    assert pace.is_busy
    idle = Pace()
    idle.note(Taken(30.0, 0.97))
    assert not idle.is_busy


def test_where_waiting_is_not_told_processor_time_tells_what_one_thread_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace_module, "counted", lambda: None)
    now = time.perf_counter()
    for processor, share in ((4.0, 0.4), (19.0, 1.0), (0.0, LEAST)):
        lap = Lap(now - 10.0, time.process_time() - processor, None)
        assert lap.taken().share == pytest.approx(share, abs=0.02)


def test_who_waits_for_a_disk_shares_no_core() -> None:
    assert share_of(10.0, [0.0], 0.0) == 1.0


@pytest.mark.parametrize(
    ("waits", "others", "share"),
    [
        ([0.0, 5.0], 5.0, 0.5),  # two threads, one of them beside a neighbour: the other waits for it
        ([2.5, 2.5], 5.0, 0.5625),  # the same, as the neighbour changes sides
        ([5.0, 5.0], 10.0, 0.25),  # a neighbour on either core
        ([5.0], 15.0, 0.5),  # one thread beside two neighbours: the other core does not help it
        ([10.0, 10.0, 10.0, 10.0], 0.1, 0.99),  # four threads on two cores wait for one another
        ([4.0, 4.0, 4.0], 2.0, 0.8),  # the same, while another program had a fifth of a core
        ([0.0], 20.0, 1.0),  # neighbours that have what it leaves
        ([9.99, 9.99], 20.0, LEAST),
    ],
)
def test_what_threads_wait_for_others_is_lacking(waits: list[float], others: float, share: float) -> None:
    assert share_of(10.0, waits, others) == pytest.approx(share)


def _compute(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def _measured(core: int) -> Taken:
    os.sched_setaffinity(0, {core})
    lap = Lap()
    thread = threading.Thread(target=_compute, args=(3.0,))
    thread.start()
    _compute(2.0)
    taken = lap.taken()
    thread.join()
    return taken


def _neighbour(core: int) -> None:
    os.sched_setaffinity(0, {core})
    _compute(60.0)


@pytest.mark.skipif(counted() is None, reason="the system does not tell how long a thread waits for a core")
def test_two_other_processes_on_the_core_leave_less_of_it() -> None:
    core = min(os.sched_getaffinity(0))
    spawn = multiprocessing.get_context("spawn")
    others = [spawn.Process(target=_neighbour, args=(core,)) for _ in range(2)]
    try:
        for other in others:
            other.start()
        time.sleep(3.0)  # until they have begun
        with spawn.Pool(1) as pool:
            taken = pool.apply(_measured, (core,))
    finally:
        for other in others:
            other.kill()
            other.join()
    assert taken.share < 0.6
    assert taken.alone == pytest.approx(taken.share * taken.wall)


@pytest.mark.skipif(counted() is None, reason="the system does not tell what its cores have computed")
def test_what_a_process_that_was_begun_here_has_computed_is_known() -> None:
    code = "import time; began = time.process_time()\nwhile time.process_time() < began + 1: pass"
    with subprocess.Popen([sys.executable, "-c", code]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and was not waited for
        assert pace_module._ticks_of(str(child.pid)) >= os.sysconf("SC_CLK_TCK")
    assert pace_module._ticks_of(str(child.pid)) == 0


@pytest.mark.parametrize(("threads", "share"), [(1, 0.95), (2, LEAST), (None, LEAST)])
def test_threads_that_are_kept_ready_and_compute_nothing_wait_for_nothing(
    monkeypatch: pytest.MonkeyPatch, threads: int | None, share: float
) -> None:
    """Beside another program they had a process that computed all the time seem to have 2% of a core."""
    begun = Counts({"main": 1.0, "worker": 0.5}, {"main": 0.0, "worker": 0.1}, 0.0, 10.0)
    ended = Counts({"main": 10.5, "worker": 0.6}, {"main": 0.5, "worker": 9.99}, 0.0, 30.0)
    monkeypatch.setattr(pace_module, "counted", lambda: ended)
    monkeypatch.setattr(pace_module, "chosen_threads", lambda: threads)
    lap = Lap(time.perf_counter() - 10.0, time.process_time() - 9.6, begun)
    assert lap.taken().share == pytest.approx(share, abs=0.01)


def test_moments_tell_little_of_what_there_is_of_a_core() -> None:
    pace = Pace()
    pace.note(Taken(0.25, 0.02))
    assert pace.share == pytest.approx(0.75, abs=0.01)
    pace.note(Taken(2.0, 0.02))
    assert pace.share == pytest.approx(0.02, abs=0.01)


def test_a_lap_tells_both_clocks() -> None:
    taken = Lap().taken()
    assert 0 <= taken.alone <= taken.wall < 60
