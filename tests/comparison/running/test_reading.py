"""How much of long texts a contender reads: counted for the plan, kept in its trials, and said."""

from __future__ import annotations

import io
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from rich.console import Console

from tests.comparison.synthetic import Comparison
from tests.tiny import FILLER, save_tiny_bert
from textgraft.comparison.contenders.base import Job
from textgraft.comparison.contenders.registry import contenders_for
from textgraft.comparison.records.plan import Rate
from textgraft.comparison.records.reading import Reading
from textgraft.comparison.reporting.leftovers import unread
from textgraft.comparison.reporting.report import render_report
from textgraft.comparison.running.progress import TerminalReporter
from textgraft.comparison.running.reading import readings
from textgraft.data.dataset import Dataset
from textgraft.models.encoders import encoder_max_length, resolve_encoder
from textgraft.tasks.text.classification import SingleLabelClassification

READ = Reading(most=2, read=1.96, whole=4.31, tokens=0.5)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    encoder = resolve_encoder(save_tiny_bert(tmp_path_factory.mktemp("encoder")))
    room = encoder_max_length(encoder) - 2
    words = FILLER[0]
    texts = [" ".join([words] * count) for count in (room // 2, room, 3 * room, 7 * room)]
    numbers = list(range(len(texts)))
    rows = Dataset({"text": texts}, ["a", "b", "a", "b"], list(map(str, numbers)), numbers, "rows")
    return Job(rows, rows, SingleLabelClassification(("a", "b")), 0, encoder)


def test_windows_are_counted_and_what_fewer_of_them_hold(job):
    able = contenders_for("classification")
    first, *fewer = readings(job, able["bert-finetuned"].grid[0])
    assert (first.most, first.tokens) == (8, 1.0)
    assert first.read == first.whole == np.mean([1, 1, 3, 7])
    assert [one.most for one in fewer] == [6, 5, 4, 3, 2, 1]
    assert fewer[-2].read == np.mean([1, 1, 2, 2])
    assert fewer[-2].tokens == pytest.approx((0.5 + 1 + 2 + 2) / (0.5 + 1 + 3 + 7), abs=0.01)
    assert readings(job, able["tfidf"].grid[0]) == []
    assert readings(replace(job, max_length=16), able["bert-frozen"].grid[0]) == []
    short = readings(replace(job, train=job.train.select([0, 1])), able["bert-frozen"].grid[0])
    assert [(one.most, one.whole) for one in short] == [(16, 1.0)]


def test_a_contender_can_be_told_to_read_less():
    contender = contenders_for("classification")["bert-finetuned"].reading(2)
    assert {settings.windows for settings in contender.grid} == {contender.windows} == {2}
    assert all(settings.given()["windows"] == 2 for settings in contender.grid), "it is a part of the trial"


def test_it_is_said_in_plan_and_report():
    assert str(READ) == "2 of on average 4.3 windows"
    assert str(msgspec.structs.replace(READ, read=4.31)) == "all of on average 4.3 windows"
    comparison = Comparison(sizes=(100,), seeds=1)
    trials, test_set = comparison.trials(), comparison.test_set()
    plan = comparison.plan(trials)
    assert unread(trials) == ""
    assert "windows a text" not in render_report(plan, test_set, trials, comparison.judge())
    name = trials[0].contender
    trials[0] = msgspec.structs.replace(trials[0], reading=READ)
    assert unread(trials) == f"Of long texts, {name} read 2 of on average 4.3 windows a text."
    page = render_report(plan, test_set, trials, comparison.judge())
    assert unread(trials) in page
    assert "<td>2 of 4.3</td>" in page
    assert "windows a text" not in printed(plan)
    most = msgspec.structs.replace(READ, most=8, read=4.3, tokens=1.0)
    rates = {**plan.rates, name: Rate(fixed=1.0, per_row=0.0, per_epoch=0.0, readings=[most, READ])}
    fewer = msgspec.structs.replace(plan.plan, windows={name: 2})
    said = printed(msgspec.structs.replace(plan, rates=rates, plan=fewer))
    assert "windows a text" in said
    assert "2 of 4.3" in said


def printed(plan) -> str:
    console = Console(file=io.StringIO(), width=200)
    TerminalReporter(console).plan(plan)
    return console.file.getvalue()
