"""Threads are measured where the user has not said how many; a folder begins with its last choice."""

from __future__ import annotations

import pytest
import torch

import textgraft
from tests.tiny import write_topics
from textgraft.comparison.records.plan import load_plan
from textgraft.comparison.running import threads
from textgraft.processor import chosen_threads, use_threads


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "cores", lambda: 2)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
    use_threads(before)


def measured(monkeypatch, one, two):
    calls = []

    def measure(most):
        calls.append(most)
        return {1: one, most: two}

    monkeypatch.setattr(threads, "_measure", measure)
    return calls


def test_all_cores_are_used_where_they_are_clearly_faster(monkeypatch):
    measured(monkeypatch, 0.1, 0.06)
    notes = []
    assert threads.choose_threads(notes.append) == 2
    assert (torch.get_num_threads(), chosen_threads(), notes) == (2, 2, [])


def test_with_a_busy_neighbour_one_thread_is_used_and_that_is_said(monkeypatch):
    measured(monkeypatch, 0.1, 0.9)
    notes = []
    assert threads.choose_threads(notes.append) == 1
    assert torch.get_num_threads() == 1
    assert "2 take 9.0 times as long" in notes[0]


def test_what_the_user_says_is_not_measured(monkeypatch):
    calls = measured(monkeypatch, 0.1, 0.01)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    assert threads.choose_threads(print) == before
    assert calls == []


def test_the_measurement_leaves_the_threads_as_they_were():
    before = torch.get_num_threads()
    times = threads._measure(2)
    assert torch.get_num_threads() == before
    assert set(times) == {1, 2}
    assert all(seconds > 0 for seconds in times.values())


def test_a_folder_keeps_its_number_of_threads(monkeypatch, tmp_path):
    calls = measured(monkeypatch, 0.1, 0.9)
    source = write_topics(tmp_path / "topics.csv", 80)
    asked = {"contenders": "tfidf", "sizes": "40", "tuning": 1, "output": tmp_path / "run"}
    textgraft.compare(source, seeds=1, **asked)
    measured(monkeypatch, 0.1, 0.01)
    textgraft.compare(source, seeds=2, add=True, **asked)
    assert calls == [2]
    assert load_plan(tmp_path / "run").threads == 1
