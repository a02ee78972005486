"""What a contender costs: read from its first trials, or from the pace of a few steps."""

from __future__ import annotations

import msgspec
import pytest

import textgraft
from tests.tiny import write_topics
from textgraft.comparison.contenders.registry import contenders_for
from textgraft.comparison.records.plan import ComparisonPlan, PlannedTrial, load_plan
from textgraft.comparison.records.trials import Trial, load_trials
from textgraft.comparison.running import run
from textgraft.comparison.running.probing import (
    _seconds_a_row,
    rate_of_trials,
    tells_by_trials,
)
from textgraft.comparison.running.progress import SilentReporter
from textgraft.training.progress import Progress


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    folder = tmp_path_factory.mktemp("topics")
    reporter = _Order()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "QUICK", 1e9)  # however slow the machine
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


def test_two_trials_tell_what_grows_with_the_rows_from_what_does_not(trial: Trial) -> None:
    # A fit takes 0.1 s and 2 ms a row, all else 0.5 s.
    done = [
        (took(trial, rows, 3 * (0.1 + 0.002 * rows)), 3 * (0.1 + 0.002 * rows) + 0.5) for rows in (50, 400)
    ]
    rate = rate_of_trials(done)
    assert rate.per_row == pytest.approx(0.002)
    assert rate.seconds(1000, 3) == pytest.approx(3 * (0.1 + 0.002 * 1000) + 0.5)
    # One trial alone: all that a fit takes counts as if it grew.
    alone = rate_of_trials(done[:1])
    assert alone.seconds(50, 3) == pytest.approx(done[0][1])
    assert alone.seconds(1000, 3) > rate.seconds(1000, 3)


def test_only_what_is_cheap_is_tried_before_the_plan() -> None:
    able = contenders_for("classification")
    assert tells_by_trials(able["tfidf"])
    assert tells_by_trials(able["majority"])
    assert not any(tells_by_trials(able[name]) for name in ("lstm", "bert-frozen", "bert-finetuned", "llm"))


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


def _progress(epoch: float, tokens: int, seconds: float) -> Progress:
    return Progress(
        step=1, planned_steps=6, epoch=epoch, tokens=tokens, loss=1.0, seconds=seconds, remaining_seconds=0.0
    )
