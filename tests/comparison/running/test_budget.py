"""The clock: what it ends too soon is no result, and configurations without time for them are left out."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from msgspec.structs import replace as changed

import textgraft
from tests.tiny import save_tiny_bert
from textgraft.comparison.contenders.base import Contender, EpochSchedule
from textgraft.comparison.contenders.registry import contenders_for
from textgraft.comparison.contenders.shared import Shared
from textgraft.comparison.records.plan import (
    PlannedTrial,
    Programme,
    Rate,
    Spent,
    TrialPlan,
    load_plan,
)
from textgraft.comparison.records.trials import Configuration, load_trials
from textgraft.comparison.records.verdict import Verdict
from textgraft.comparison.reporting.leftovers import left_out
from textgraft.comparison.running import costs, run
from textgraft.comparison.running.pace import Pace
from textgraft.comparison.running.planning import schedule
from textgraft.comparison.running.probing import Glance, probe, rate_by_trials
from textgraft.comparison.running.progress import SilentReporter
from textgraft.comparison.running.specifying import Specs
from textgraft.comparison.running.trials import _runs_over
from textgraft.errors import OptionError


class Notes(SilentReporter):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


class Began(Notes):
    """Writes the names of trials into a list as they begin."""

    def __init__(self, names):
        super().__init__()
        self.names = names

    def trial_started(self, planned, position, total, remaining):
        self.names.append(planned.name)


@pytest.fixture
def hurried(monkeypatch):
    """Let the clock end the LSTM's training after so many epochs."""
    fit = Contender.fit
    epochs = {}

    def hurry(self, job, settings):
        fitted = fit(self, job, settings)
        if self.name == "lstm" and job.max_seconds is not None and len(job.train) in epochs:
            return replace(fitted, cut=True, stopped_by="budget", epochs=epochs[len(job.train)])
        return fitted

    monkeypatch.setattr(Contender, "fit", hurry)
    monkeypatch.setattr(EpochSchedule, "number", lambda self, size: 10)
    return epochs


ASKED = {"contenders": "tfidf,lstm", "sizes": "20,40", "seeds": 1, "tuning": 1, "budget": "10m"}


def test_a_trial_that_the_clock_cut_is_no_result_and_is_done_again(topics, tmp_path, hurried):
    hurried[40] = 1.0
    reporter = Notes()
    result = textgraft.compare(topics, output=tmp_path / "run", reporter=reporter, **ASKED)
    assert {(trial.contender, trial.size) for trial in result.trials} == {
        ("tfidf", 20), ("tfidf", 40), ("lstm", 20),
    }  # fmt: skip
    assert [one.contender for one in result.verdict.unmeasured] == ["lstm"]
    assert any("lstm on 40 rows had time for" in note for note in reporter.notes)
    assert set(load_plan(result.folder).cut) == {"lstm/40/0"}
    assert "ended by the clock" in result.report.read_text()
    del hurried[40]
    again = textgraft.compare(topics, output=tmp_path / "run", **ASKED)
    assert len(again.trials) == 4
    assert load_plan(again.folder).cut == {}
    assert again.verdict.unmeasured == []


def test_a_trial_that_the_clock_cut_has_a_second_chance_in_what_time_is_left(topics, tmp_path, hurried):
    class Relents(Notes):
        def note(self, text):
            super().note(text)
            if "had time for" in text:
                hurried.clear()

    hurried[20] = 0.1
    result = textgraft.compare(topics, output=tmp_path / "run", reporter=Relents(), **ASKED)
    assert len(result.trials) == 4
    assert load_plan(result.folder).cut == {}


def test_training_whose_schedule_ended_with_the_clock_is_a_result_that_says_so(topics, tmp_path, hurried):
    hurried[40] = 5.0
    result = textgraft.compare(topics, output=tmp_path / "run", **ASKED)
    (trial,) = (one for one in load_trials(result.folder) if (one.contender, one.size) == ("lstm", 40))
    assert trial.limit_seconds is not None
    assert result.verdict.standing("lstm").ended_by_clock == 1


def test_a_probe_that_was_held_up_leaves_no_contender_out(topics, tmp_path, monkeypatch):
    probed = []

    def held_up(contender, *given, **named):
        rate = probe(contender, *given, **named)
        probed.append(contender.name)
        return changed(rate, per_epoch=1e3 * rate.per_epoch + 100) if len(probed) == 1 else rate

    monkeypatch.setattr(costs, "probe", held_up)
    result = textgraft.compare(topics, output=tmp_path / "run", **ASKED | {"sizes": "40"})
    assert probed == ["lstm", "lstm"]
    assert {trial.contender for trial in result.trials} == {"tfidf", "lstm"}


@pytest.mark.parametrize("least", [5.0, 0.0])
def test_a_budget_far_too_small_is_refused_before_anything_is_measured(topics, tmp_path, monkeypatch, least):
    monkeypatch.setattr("textgraft.comparison.compare.LEAST_BUDGET", least)
    monkeypatch.setattr(costs.Costs, "by_probe", lambda *_: pytest.fail("it was measured"))
    monkeypatch.setattr(costs.Costs, "by_trials", lambda *_: pytest.fail("it was measured"))
    with pytest.raises(OptionError, match="too small") as caught:
        textgraft.compare(topics, output=tmp_path / "run", **{**ASKED, "budget": 0.001})
    assert "Give at least" in str(caught.value)


def test_configurations_are_left_out_where_the_time_has_run_out():
    slow = Configuration(settings={}, dev_score=0.5, seconds=10.0)
    assert not _runs_over([], 1.0)
    assert not _runs_over([slow], 15.0)
    assert _runs_over([slow], 10.0)
    assert _runs_over([slow, slow], 15.0)


def test_what_has_no_time_left_when_its_turn_comes_is_not_begun_and_said_once(topics, tmp_path, monkeypatch):
    began = []
    monkeypatch.setattr(
        "textgraft.comparison.running.run.useful",
        lambda planned, plan, rates: 1e9 if planned.contender == "lstm" and planned.size == 20 else 0.0,
    )

    reporter = Began(began)
    result = textgraft.compare(topics, output=tmp_path / "run", reporter=reporter, **ASKED)
    assert "lstm/20/0" not in began
    assert len(result.trials) == 3
    plan = load_plan(result.folder)
    assert [one.name for one in plan.plan.left_out] == ["lstm/20/0"]
    assert plan.cut == {}
    assert left_out(plan).startswith("No time for lstm on 20 rows")
    assert not any("no result" in note for note in reporter.notes)


def test_on_a_slow_machine_what_there_is_no_time_to_measure_is_left_out(topics, tmp_path, monkeypatch):
    monkeypatch.setattr(costs, "WORTH_PROBING", 1e9)
    result = textgraft.compare(
        topics, output=tmp_path / "run", **ASKED | {"contenders": "majority,tfidf,lstm"}
    )
    plan = load_plan(result.folder)
    assert "lstm" not in plan.rates
    assert left_out(plan).startswith("For want of time, tfidf and lstm were not even measured on a few rows")
    assert not plan.is_finished
    monkeypatch.undo()
    again = textgraft.compare(
        topics, output=tmp_path / "run", **ASKED | {"contenders": "majority,tfidf,lstm"}
    )
    assert {trial.contender for trial in again.trials} == {"majority", "tfidf", "lstm"}


def test_plans_go_by_the_share_of_a_core_that_there_is(topics, tmp_path, monkeypatch):
    monkeypatch.setattr(Pace, "share", 0.5)
    monkeypatch.setattr(Pace, "is_busy", True)
    reporter = Notes()
    result = textgraft.compare(topics, output=tmp_path / "run", reporter=reporter, **ASKED)
    assert all(rate.slowness == 2.0 for rate in load_plan(result.folder).rates.values())
    assert any("gets 50% of a core" in note for note in reporter.notes)


def test_one_thread_is_used_once_others_are_at_work(topics, tmp_path, monkeypatch):
    """Two threads beside a neighbour take three times as long as alone, and twice as long as one."""

    class Neighbours(Notes):
        def trial_finished(self, trial, metric):
            monkeypatch.setattr(Pace, "is_busy", True)

    measured = []

    def choose(note, chosen=None, at_most=None):
        measured.append(len(reporter.notes))
        return 2 if len(measured) == 1 else 1

    monkeypatch.setattr(run, "choose_threads", choose)
    monkeypatch.setattr(Pace, "is_busy", False)
    reporter = Neighbours()
    result = textgraft.compare(topics, output=tmp_path / "run", reporter=reporter, **ASKED)
    assert load_plan(result.folder).threads == 1
    assert len(measured) == 2, "at the start, and when the others came"
    assert sum("the machine is busy" in note for note in reporter.notes) == 1


def test_all_cores_are_used_once_what_held_them_up_is_over(topics, tmp_path, monkeypatch):
    """An installation that had just ended left a comparison on one of two cores to its end."""
    measured = []

    def choose(note, chosen=None, at_most=None):
        measured.append(chosen)
        if len(measured) == 1:
            note("computing on one thread")
        return 1 if len(measured) < 3 else 2

    reopened = []
    monkeypatch.setattr(Shared, "reopen", lambda self: reopened.append(len(measured)))
    monkeypatch.setattr(run, "choose_threads", choose)
    monkeypatch.setattr(run, "cores", lambda: 2)
    monkeypatch.setattr(run, "THREADS_AGAIN", 0.0)
    monkeypatch.setattr(run.time, "perf_counter", itertools.count(time.perf_counter(), 0.5).__next__)
    monkeypatch.setattr(Pace, "is_busy", False)
    reporter = Notes()
    result = textgraft.compare(topics, output=tmp_path / "run", reporter=reporter, **ASKED)
    assert load_plan(result.folder).threads == 2
    assert measured == [None] * 3, "at the start, and then more and more seldom"
    assert reopened == [3], "engines are opened on as many"
    assert [note for note in reporter.notes if "thread" in note] == [
        "computing on one thread",
        "computing on 2 threads from here: that is faster now",
    ]


MISSING = [PlannedTrial("tfidf", 40, 0), PlannedTrial("lstm", 20, 0)]


def test_what_was_put_off_is_measured_where_there_is_time_after_all(topics, tmp_path, monkeypatch):
    class Relents(Notes):
        def plan(self, plan):
            told = "No time for tfidf on 40 rows; lstm was not even measured on a few rows: give a larger"
            assert left_out(changed(plan, plan=changed(plan.plan, left_out=MISSING))).startswith(told)
            assert "lstm" not in plan.rates
            monkeypatch.undo()

    monkeypatch.setattr(costs, "WORTH_PROBING", 1e9)
    result = textgraft.compare(topics, output=tmp_path / "run", reporter=Relents(), **ASKED)
    assert {(trial.contender, trial.size) for trial in result.trials} == {
        ("tfidf", 20), ("tfidf", 40), ("lstm", 20), ("lstm", 40),
    }  # fmt: skip
    assert left_out(load_plan(result.folder)) == ""


def test_a_fit_that_the_clock_cut_says_nothing_of_what_it_would_have_cost(topics, tmp_path, monkeypatch):
    fit = Contender.fit

    def cut(self, job, settings):
        fitted = fit(self, job, settings)
        return replace(fitted, cut=job.max_seconds is not None and len(job.train) == 40)

    monkeypatch.setattr(Contender, "fit", cut)
    monkeypatch.setattr("textgraft.comparison.running.probing.QUICK", 0.0)  # all trials are planned
    monkeypatch.setattr(TrialPlan, "expected", lambda *_: Spent(1e3, 0.0))
    result = textgraft.compare(
        topics, output=tmp_path / "run", **ASKED | {"contenders": "tfidf", "sizes": "20,40"}
    )
    plan = load_plan(result.folder)
    assert set(plan.cut) == {"tfidf/40/0"}
    assert plan.rates["tfidf"].observed == 1, "of the trial on 20 rows alone"


def test_to_wait_for_libraries_from_the_disk_is_not_to_share_a_core(topics, tmp_path, monkeypatch):
    glance, note = costs.glance, Pace.note
    loading, noted = [], []

    def loads(*given):
        began = time.perf_counter()
        found = glance(*given)
        loading.append((began, time.perf_counter()))
        return found

    def notes(self, taken):
        now = time.perf_counter()
        noted.append((now - taken.wall, now))
        note(self, taken)

    monkeypatch.setattr(costs, "glance", loads)
    monkeypatch.setattr(Pace, "note", notes)
    textgraft.compare(topics, output=tmp_path / "run", **ASKED | {"contenders": "majority,tfidf"})
    assert len(loading) == 2
    assert noted
    assert not any(began < end and start < ended for began, ended in loading for start, end in noted)


@pytest.mark.parametrize(("seconds", "is_first"), [(200.0, True), (20.0, False)])
def test_what_takes_long_and_cannot_be_cut_short_is_run_before_others_are_measured(
    topics, tmp_path, monkeypatch, seconds, is_first
):
    """Probes of what there was no time for took what a frozen encoder needed for thousands of test rows."""
    happened = []

    def probed(contender, *given, **named):
        happened.append(contender.name)
        rate = probe(contender, *given, **named)
        return changed(rate, fixed=seconds) if contender.name == "tfidf" else rate

    monkeypatch.setattr(costs, "tells_by_trials", lambda *_: False)
    monkeypatch.setattr(costs, "probe", probed)
    monkeypatch.setattr(Pace, "share", 1.0)
    textgraft.compare(topics, output=tmp_path / "run", reporter=Began(happened), **ASKED)
    expected = ["tfidf", "tfidf/40/0", "lstm"] if is_first else ["tfidf", "lstm"]
    assert happened[: len(expected)] == expected


@pytest.mark.parametrize(("budget", "is_first"), [("10m", True), (None, False)])
def test_what_first_trials_told_is_run_on_all_rows_before_others_are_measured(
    topics, tmp_path, monkeypatch, budget, is_first
):
    """Probes of BERT on long reviews took all of two minutes, and TF-IDF had 100 of 1,440 rows."""
    happened = []

    def smallest_alone(programme, *given):
        return rate_by_trials(changed(programme, sizes=programme.sizes[:1]), *given)

    def probed(contender, *given, **named):
        happened.append(contender.name)
        return probe(contender, *given, **named)

    monkeypatch.setattr(costs, "rate_by_trials", smallest_alone)
    monkeypatch.setattr(costs, "probe", probed)
    asked = ASKED | {"sizes": "20,30,40", "budget": budget}
    textgraft.compare(topics, output=tmp_path / "run", reporter=Began(happened), **asked)
    before = happened[: happened.index("lstm")]
    assert before == ["tfidf/20/0", *(["tfidf/40/0", "tfidf/30/0"] if is_first else [])]


def owed(done: set[int], left: float, **rate) -> float:
    """Return what is kept for TF-IDF where it had the sizes ``done``, and a row takes it 0.01 s."""
    run = SimpleNamespace(
        contenders={"tfidf": SimpleNamespace(is_remote=False)},
        record=SimpleNamespace(
            rates={"tfidf": Rate(fixed=0.0, per_row=0.01, per_epoch=0.0, **rate)},
            programmes={"tfidf": Programme(sizes=(100, 1_000, 10_000), seeds=3, configurations=3)},
            results={f"tfidf/{size}/0": "" for size in done},
        ),
    )
    return costs.Costs(run)._owed(left)


def test_quick_contenders_have_the_most_rows_that_there_is_time_for_before_others_are_measured():
    """Of 76,012 rows TF-IDF had 3,000, and what networks and fine-tuning cost was measured for nothing."""
    assert owed({100}, left=200.0) == pytest.approx(100.0)
    assert owed({100}, left=50.0) == pytest.approx(10.0)
    assert owed({100, 1_000}, left=50.0) == 0.0
    assert owed({100, 10_000}, left=200.0) == 0.0
    assert owed({100}, left=200.0, slowness=2.0) == pytest.approx(100.0)
    assert owed({100}, left=200.0, epochs=EpochSchedule(1_000, 1, 10)) == 0.0


@pytest.mark.parametrize(("per_row", "fitted"), [(2.0, 2), (5.0, 1)])
def test_quick_contenders_fit_one_configuration_on_all_rows_where_several_take_most_of_the_time(
    topics, tmp_path, monkeypatch, per_row, fitted
):
    """In three minutes of 76,012 rows a third way to fit static vectors took all that was left, in vain."""

    def smallest_alone(programme, *given):
        rate = rate_by_trials(changed(programme, sizes=programme.sizes[:1]), *given)
        return changed(rate, fixed=0.0, per_row=per_row)

    monkeypatch.setattr(costs, "rate_by_trials", smallest_alone)
    monkeypatch.setattr(Pace, "share", 1.0)
    asked = ASKED | {"contenders": "tfidf", "tuning": 2}
    result = textgraft.compare(topics, output=tmp_path / "run", **asked)
    assert {trial.size: len(trial.configurations) for trial in result.trials} == {20: 2, 40: fitted}
    again = textgraft.compare(topics, output=tmp_path / "run", **asked)
    assert [trial.id for trial in again.trials] == [trial.id for trial in result.trials]


@pytest.mark.parametrize(
    ("size", "fitted", "best", "expected"),
    [
        (100_000, 1, 1, [1]),  # what 10,000 rows chose
        (100_000, 2, 1, [1, 0]),
        (100_000, 3, 1, [0, 1, 2]),
        (100_000, 1, 0, [0]),
        (10_000, 1, 1, [0]),  # of 100 rows alone something is known: too few
    ],
)
def test_one_configuration_of_several_is_the_one_that_was_best_with_fewer_rows(size, fitted, best, expected):
    """The first of TF-IDF's, the best with few rows, had 0.755 on 76,004 rows; what 3,000 chose has 0.77."""
    tfidf = next(one for one in contenders_for("classification").values() if one.name == "tfidf")

    def chose(place: int, rows: int) -> SimpleNamespace:
        return SimpleNamespace(contender="tfidf", size=rows, seed=0, settings=tfidf.grid[place].given())

    asking = SimpleNamespace(
        contenders={"tfidf": tfidf},
        finished={"few": chose(2, 100), "many": chose(best, 10_000)},
        record=SimpleNamespace(
            programmes={"tfidf": Programme(sizes=(100, 10_000, 100_000), seeds=1, configurations=3)},
            plan=SimpleNamespace(configurations={"tfidf": fitted}, windows={}),
            results={"tfidf/100/0": "few", "tfidf/10000/0": "many"},
        ),
    )
    specs = Specs(asking)
    found = specs._configurations(PlannedTrial("tfidf", size, 0))
    assert list(found) == [tfidf.grid[place] for place in expected]
    assert specs.chosen == {"tfidf": {100: 2, 10_000: best}}


@pytest.mark.parametrize("kept", [0.0, 1e6])
def test_what_is_kept_for_quick_contenders_puts_the_measuring_of_others_off(
    topics, tmp_path, monkeypatch, kept
):
    happened = []

    def probed(contender, *given, **named):
        happened.append(contender.name)
        return probe(contender, *given, **named)

    monkeypatch.setattr(costs, "probe", probed)
    monkeypatch.setattr(costs.Costs, "_owed", lambda self, left: kept * ("tfidf/40/1" not in happened))
    asked = ASKED | {"contenders": "tfidf,lstm", "seeds": 2}
    textgraft.compare(topics, output=tmp_path / "run", reporter=Began(happened), **asked)
    assert (happened.index("tfidf/40/1") < happened.index("lstm")) == bool(kept)


@pytest.mark.parametrize(
    ("per_text", "first"),
    [(0.0, "bert-frozen/20/0"), (3.0, "bert-frozen/40/0"), (8.4, "bert-frozen/40/0"), (30.0, "static/20/0")],
)
def test_an_encoder_that_has_time_for_all_rows_at_once_alone_has_them_first(
    topics, tmp_path, monkeypatch, per_text, first
):
    """A minute of 1,000 rows and 1,821 test rows had time for a frozen encoder, but not after others."""
    happened = []

    def glanced(contender, *given):
        return Glance(0.0, 0.0, per_text if contender.name == "bert-frozen" else 0.0, rows=16)

    monkeypatch.setattr(costs, "glance", glanced)
    encoder = save_tiny_bert(tmp_path / "encoder")
    asked = ASKED | {"contenders": "static,bert-frozen", "encoder": encoder}
    textgraft.compare(topics, output=tmp_path / "run", reporter=Began(happened), **asked)
    assert happened[0] == first
    assert set(happened) == {f"{name}/{size}/0" for name in ("static", "bert-frozen") for size in (20, 40)}


@pytest.mark.parametrize("is_probed", [False, True])
@pytest.mark.parametrize(("fit", "fitted"), [(100.0, 2), (400.0, 1)])
def test_what_is_dear_is_fitted_in_as_many_ways_as_there_is_time_for(
    topics, tmp_path, monkeypatch, fit, fitted, is_probed
):
    happened = []

    def probed(contender, *given, **named):
        happened.append(contender.name)
        rate = probe(contender, *given, **named)
        return changed(rate, fixed=0.0, per_row=fit / 40) if contender.name == "bert-frozen" else rate

    monkeypatch.setattr(costs, "glance", lambda *_: Glance(fit, 0.0, 0.0, rows=16))
    monkeypatch.setattr(costs, "probe", probed)
    if is_probed:
        monkeypatch.setattr(costs, "tells_by_trials", lambda *_: False)
    monkeypatch.setattr(Pace, "share", 1.0)
    encoder = save_tiny_bert(tmp_path / "encoder")
    asked = ASKED | {"contenders": "bert-frozen,lstm", "encoder": encoder, "sizes": "40", "tuning": 2}
    result = textgraft.compare(topics, output=tmp_path / "run", reporter=Began(happened), **asked)
    assert happened[: 2 + is_probed] == ["bert-frozen"] * is_probed + ["bert-frozen/40/0", "lstm"]
    (trial,) = (one for one in result.trials if one.contender == "bert-frozen")
    assert len(trial.configurations) == fitted


def test_where_others_are_at_work_more_time_is_kept_for_what_comes_after_the_trials(
    topics, tmp_path, monkeypatch
):
    left = {}
    trials = run.Run.trials

    def asked(self):
        for share in (1.0, 0.5):
            monkeypatch.setattr(Pace, "share", share)
            left[share] = self.left
        trials(self)

    monkeypatch.setattr(run.Run, "trials", asked)
    textgraft.compare(topics, output=tmp_path / "run", **ASKED)
    assert left[1.0] - left[0.5] == pytest.approx(run.CONCLUDING, abs=0.5)


def test_what_judging_on_the_way_took_is_kept_for_judging_at_the_end(topics, tmp_path, monkeypatch):
    """On half a core two minutes of 77 labels and 3,080 test rows ended eight seconds too late."""
    left = {}
    trials = run.Run.trials

    def asked(self):
        monkeypatch.setattr(Pace, "share", 1.0)
        for seconds in (0.0, 10.0, 1e3):
            self.interim.judging = seconds
            left[seconds] = self.left
        self.interim.judging = 0.0
        trials(self)

    monkeypatch.setattr(run.Run, "trials", asked)
    textgraft.compare(topics, output=tmp_path / "run", **ASKED)
    assert left[0.0] - left[10.0] == pytest.approx(10.0 + run.SAVING - run.CONCLUDING, abs=0.5)
    assert left[1e3] > 0, "it never takes most of the budget"


def test_on_whose_seeds_the_pick_hinges_is_asked_once_all_contenders_stand(topics, tmp_path, monkeypatch):
    told = []

    def planned(programmes, rates, room, done, beaten, windows, telling, chosen):
        told.append((telling, {name for name in rates if f"{name}/40/0" in done}))
        return schedule(programmes, rates, room, done, beaten, windows, telling, chosen)

    monkeypatch.setattr(run, "schedule", planned)
    monkeypatch.setattr(Verdict, "telling", ("lstm", 1))
    textgraft.compare(topics, output=tmp_path / "run", **ASKED | {"sizes": "40", "seeds": 2})
    assert told[0][0] is None
    assert all((telling is not None) == (stand == {"tfidf", "lstm"}) for telling, stand in told)
    assert told[-1][0] == ("lstm", 1)
