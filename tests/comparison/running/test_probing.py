"""What a contender costs: read from its first trials, or from the pace of a few steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate
from typing import cast

import msgspec
import pytest

import textgraft
from tests.tiny import write_topics
from textgraft.comparison.contenders.base import EpochSchedule, Job
from textgraft.comparison.contenders.registry import contenders_for
from textgraft.comparison.records.plan import ComparisonPlan, PlannedTrial, Programme, load_plan
from textgraft.comparison.records.reading import Reading
from textgraft.comparison.records.trials import Trial, load_trials
from textgraft.comparison.running import probing
from textgraft.comparison.running.pace import Taken
from textgraft.comparison.running.probing import (
    Glance,
    Tried,
    _seconds_a_row,
    rate_by_trials,
    seconds_of_probe,
    tells_by_trials,
    whole_training,
)
from textgraft.comparison.running.progress import SilentReporter
from textgraft.training.progress import Progress


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    folder = tmp_path_factory.mktemp("topics")
    reporter = _Order()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probing, "QUICK", 1e9)  # however slow the machine
        textgraft.compare(
            write_topics(folder / "topics.csv", 90),
            contenders="tfidf,lstm",
            sizes="20,all",
            seeds=1,
            tuning=1,
            output=folder / "run",
            reporter=reporter,
        )
    # Cheap trials tell what they cost themselves, and are results; nothing else was trained before the plan.
    largest = load_plan(folder / "run").largest
    assert reporter.before_plan == [("tfidf", 20), ("tfidf", largest)]
    assert reporter.planned == {("lstm", 20), ("lstm", largest)}
    assert set(load_plan(folder / "run").rates) == {"tfidf", "lstm"}
    return next(one for one in load_trials(folder / "run") if one.contender == "tfidf")


class _Order(SilentReporter):
    """Notes what was run before the plan, and what it planned."""

    def __init__(self) -> None:
        self.before_plan: list[tuple[str, int]] = []
        self.planned: set[tuple[str, int]] = set()

    def trial_started(self, planned: PlannedTrial, position: int, total: int, remaining: float) -> None:
        del position, total, remaining
        if not self.planned:
            self.before_plan.append((planned.contender, planned.size))

    def plan(self, plan: ComparisonPlan) -> None:
        self.planned = {(one.contender, one.size) for one in plan.plan.trials}


def took(trial: Trial, size: int, seconds: float, configurations: int = 3) -> Trial:
    """Return the trial as if its fits at a size had taken so many seconds together."""
    cost = msgspec.structs.replace(trial.cost, training_seconds=seconds / 3, tuning_seconds=2 * seconds / 3)
    entries = trial.configurations[:1] * configurations
    return msgspec.structs.replace(trial, size=size, cost=cost, configurations=entries)


PROGRAMME = Programme(sizes=(50, 400, 1000), seeds=3, configurations=3)


def tries(trial: Trial, ran: list[int], *, new: bool = True) -> Callable[[int, float], Tried]:
    """Run trials of which a fit takes 0.1 s and 2 ms a row, and all else 0.5 s."""

    def run(size: int, expected: float) -> Tried:
        del expected
        ran.append(size)
        seconds = 3 * (0.1 + 0.002 * size)
        return Tried(took(trial, size, seconds), seconds + 0.5, is_new=new)

    return run


def test_two_trials_tell_what_grows_with_the_rows_from_what_does_not(trial: Trial) -> None:
    glance, ran = Glance(fit=0.1, per_row=0.001, per_text=0.0, rows=16), list[int]()
    rate = rate_by_trials(PROGRAMME, glance, lambda size: size, tries(trial, ran))
    assert ran == [50, 400], "the next one is not quick"
    assert rate.per_row == pytest.approx(0.002)
    assert rate.seconds(1000, 3) == pytest.approx(3 * (0.1 + 0.002 * 1000) + 0.5)


def test_rows_that_cost_nothing_on_a_few_are_measured_on_more(
    trial: Trial,
) -> None:
    glance, ran = Glance(fit=0.1, per_row=0.0, per_text=0.0, rows=16), list[int]()
    rate = rate_by_trials(PROGRAMME, glance, lambda size: size, tries(trial, ran))
    assert ran == [50, 400], "the next one is not quick, whatever fits on a few rows say"
    assert rate.per_row == pytest.approx(0.002)


def test_of_what_reads_by_an_encoder_the_smallest_trial_tells_all_but_what_a_row_costs(trial: Trial) -> None:
    glance, ran = Glance(fit=0.1, per_row=0.001, per_text=0.004, rows=16), list[int]()
    rate = rate_by_trials(PROGRAMME, glance, lambda size: size + 200, tries(trial, ran))
    assert ran == [50]
    assert rate.seconds(50, 3) == pytest.approx(3 * (0.1 + 0.002 * 50) + 0.5)
    assert rate.per_row == 0.001
    assert rate.shared == pytest.approx(0.004 * 950), "what the largest size has to encode yet"
    # Where the texts alone take longer it is not run, and one that was found tells nothing of this machine.
    assert rate_by_trials(PROGRAMME, glance, lambda size: 2000, tries(trial, ran)) is None
    assert ran == [50]
    assert rate_by_trials(PROGRAMME, glance, lambda size: size, tries(trial, ran, new=False)) is None


def test_only_what_is_cheap_is_tried_before_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    able, job = contenders_for("classification"), cast("Job", None)
    monkeypatch.setattr(probing, "readings", lambda job, settings: [])
    assert all(tells_by_trials(able[name], job) for name in ("tfidf", "majority", "static", "bert-frozen"))
    assert not any(tells_by_trials(able[name], job) for name in ("lstm", "bert-finetuned", "llm"))
    read = Reading(most=16, read=3.8, whole=3.8, tokens=1.0)
    monkeypatch.setattr(probing, "readings", lambda job, settings: [read])
    assert not tells_by_trials(able["bert-frozen"], job), "how much it reads of long texts is planned first"


def test_a_trial_that_the_clock_ended_tells_what_its_training_would_have_taken(trial: Trial) -> None:
    schedule = EpochSchedule(1000, 10, 10)
    cut = msgspec.structs.replace(took(trial, 100, 3.0, 1), stopped_by="budget", epochs=3.0)
    # It had 1 s for three of the seven epochs that it usually takes.
    assert whole_training(cut, 1.0, schedule) == pytest.approx(7 / 3)
    to_the_end = EpochSchedule(1000, 10, 10, stops_early=False)
    assert whole_training(cut, 1.0, to_the_end) == pytest.approx(10 / 3)
    ended = msgspec.structs.replace(cut, stopped_by="patience")
    assert whole_training(ended, 1.0, schedule) == 1.0
    assert whole_training(cut, 1.0, None) == 1.0


def test_the_pace_of_full_batches_counts_and_evaluations_do_not() -> None:
    # Two epochs of 48 rows of 10 tokens, in steps of 16, 16 and 16 rows; a full step takes 1 s, the first one
    # 5 s, and the evaluation at an epoch's end 3 s.
    seconds = (5.0, 6.0, 10.0, 11.0, 12.0, 16.0)
    steps = [_progress((place + 1) / 3, 160 * (place + 1), end) for place, end in enumerate(seconds)]
    assert _seconds_a_row(steps, 48) == pytest.approx(1 / 16)
    assert _seconds_a_row(steps[:1], 48) == 0.0
    # A step of one row takes more than a sixteenth of a full one.
    uneven = [*steps, _progress(2 + 1 / 48, 970, 16.8), _progress(3.0, 1440, 22.0)]
    assert _seconds_a_row(uneven, 48) == pytest.approx(1 / 16)


@pytest.mark.parametrize(
    "taken",
    [
        [
            0.01,
            0.01,
            0.37,
            0.01,
            0.01,
            0.01,
            0.01,
            0.37,
            0.01,
            0.01,
        ],  # two steps waited, all others had a core
        [0.04] * 10,  # all had a quarter of one
        [0.01] * 10,
    ],
)
def test_a_step_costs_what_it_takes_alone_however_others_hold_steps_up(taken: list[float]) -> None:
    """With the share of the whole fit, steps that nobody held up seemed five times as quick as they are."""
    ends = accumulate([0.1, *taken])
    steps = [_progress((place + 0.5) / 20, 160 * (place + 1), end) for place, end in enumerate(ends)]
    assert _seconds_a_row(steps, 320, 0.1 / sum(taken)) == pytest.approx(0.01 * 11 / 10.5 * 20 / 320)


def test_the_share_of_a_core_is_that_of_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing.Lap, "taken", lambda lap: Taken(1.0, 0.25))
    steps = probing._Steps()
    for step in (1, 2):
        steps(_at(step, 3))
        assert steps.share is None
    steps(_at(3, 3))
    assert steps.share == 0.25
    assert [progress.step for progress in steps.all] == [1, 2, 3]


def _at(step: int, planned: int) -> Progress:
    return replace(_progress(step / planned, 10 * step, float(step)), step=step, planned_steps=planned)


def _progress(epoch: float, tokens: int, seconds: float) -> Progress:
    return Progress(
        step=1, planned_steps=6, epoch=epoch, tokens=tokens, loss=1.0, seconds=seconds, remaining_seconds=0.0
    )


def test_where_texts_take_long_a_probe_trains_on_fewer_and_its_time_is_bounded() -> None:
    contender = contenders_for("classification")["bert-finetuned"]
    batch = contender.grid[0].batch_size
    rows = {per_text: probing._rows_to_train(contender, per_text) for per_text in (0.0, 0.002, 0.04, 1.0)}
    assert rows[0.0] == rows[0.002] == probing.STEPS * batch
    assert probing.LEAST_STEPS * batch < rows[0.04] < probing.STEPS * batch
    assert rows[1.0] == probing.LEAST_STEPS * batch
    assert seconds_of_probe(contender, 0.0) == 0
    assert 0.5 < seconds_of_probe(contender, 0.002) < 2
    assert seconds_of_probe(contender, 0.04) == pytest.approx(5 / 3 * probing.LONG_FIT, rel=0.05)
