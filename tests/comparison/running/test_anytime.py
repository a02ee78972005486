"""A verdict on what is known: before there is a plan, between trials, and where the user stops it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace as changed

import textgraft
from textgraft.comparison.records.verdict import load_verdict
from textgraft.comparison.running import costs, interim
from textgraft.comparison.running.pace import Pace
from textgraft.comparison.running.probing import probe
from textgraft.comparison.running.progress import SilentReporter


class Events(SilentReporter):
    """What a user is shown, in order, and what the folder held when a verdict was shown."""

    def __init__(self, folder):
        self.folder = folder
        self.seen = []

    def plan(self, record):
        self.seen.append("plan")

    def interim(self, verdict):
        assert load_verdict(self.folder) == verdict
        assert (self.folder / "report.html").is_file()
        self.seen.append({each.contender for each in verdict.standings})


ASKED = {"contenders": "tfidf,rnn,lstm", "sizes": "20,40", "seeds": 1, "tuning": 1, "budget": "10m"}


def test_what_is_due_is_judged_while_contenders_are_still_measured(topics, tmp_path, monkeypatch):
    monkeypatch.setattr(interim, "FIRST", 0.0)
    monkeypatch.setattr(interim, "PAUSE", 0.0)
    monkeypatch.setattr(interim, "SHARE", 1e9)
    events = Events(tmp_path)
    result = textgraft.compare(topics, **ASKED, output=tmp_path, reporter=events)
    before, after = events.seen[: events.seen.index("plan")], events.seen[events.seen.index("plan") + 1 :]
    assert before
    assert all(known == {"tfidf"} for known in before)
    assert after[-1] >= {"tfidf"}
    assert {each.contender for each in result.verdict.standings} == {"tfidf", "rnn", "lstm"}


def test_what_was_run_at_once_as_it_is_dear_is_in_the_report(topics, tmp_path, monkeypatch):
    """Its trial was not in the plan on disk, which the report is drawn from: there was nothing to draw."""

    def probed(contender, *given, **named):
        rate = probe(contender, *given, **named)
        return changed(rate, fixed=200.0) if contender.name == "tfidf" else rate

    monkeypatch.setattr(costs, "tells_by_trials", lambda *_: False)
    monkeypatch.setattr(costs, "probe", probed)
    monkeypatch.setattr(Pace, "share", 1.0)
    monkeypatch.setattr(interim, "FIRST", 0.0)
    events = Events(tmp_path)
    textgraft.compare(topics, **ASKED, output=tmp_path, reporter=events)
    assert events.seen[0] == {"tfidf"}


def test_before_it_is_due_nothing_is_judged(topics, tmp_path, monkeypatch):
    monkeypatch.setattr(interim, "FIRST", 3600.0)  # however slow the machine is
    events = Events(tmp_path)
    textgraft.compare(topics, **ASKED, output=tmp_path, reporter=events)
    assert events.seen == ["plan"]


def interrupted(*_, **__):
    raise KeyboardInterrupt


def test_who_stops_it_while_contenders_are_measured_has_a_verdict_too(topics, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(costs, "probe", interrupted)
        with pytest.raises(KeyboardInterrupt):
            textgraft.compare(topics, **ASKED, output=tmp_path)
    assert load_verdict(tmp_path).pick == "tfidf"
    assert textgraft.load(tmp_path / "best").predict(["a goal in the match"])
    resumed = textgraft.compare(topics, **ASKED, output=tmp_path)
    assert {each.contender for each in resumed.verdict.standings} == {"tfidf", "rnn", "lstm"}
